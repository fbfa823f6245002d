"""Scores of sets of labels: against scikit-learn, and through an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_recall_fscore_support

from hicmae_cli.clips import read_prepared_clip, stack_clips
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import format_target
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation.calibration import find_temperature
from hicmae_cli.evaluation.comparison.reading import SystemRun
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.groups import describe_groups
from hicmae_cli.evaluation.multilabel import MultilabelScorer, label_scores, multilabel_metrics
from hicmae_cli.evaluation.plan import EvaluationPlan
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation, SampleResult, decide, merge_clips
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.evaluation.scoring import score_clips
from tests.evaluation.toys import info_of, write_grey
from tests.runtime.stubs import ToyEngine

LABELS = ("anger", "fear", "sadness", "neutral")
INFO = info_of(task="multilabel", labels=LABELS)
Tables = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]


def drawn(seed: int, clips: int = 60, labels: int = 4) -> Tables:
    """Sets that are never empty, and few different probabilities, so that many are equal."""
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, labels)) < 0.3
    truth[np.arange(clips), rng.integers(0, labels, clips)] = True
    rows = np.clip(rng.integers(0, 8, (clips, labels)) / 10 + 0.2 * truth, 0, 1)
    return truth, rows > 0.5, rows


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int) -> None:
    truth, predicted, rows = drawn(seed)
    assert multilabel_metrics(truth, predicted, rows) == pytest.approx(
        {
            "macro_f1": f1_score(truth, predicted, average="macro"),
            "exact_match": accuracy_score(truth, predicted),
            "map": average_precision_score(truth, rows),
        },
        abs=1e-12,
    )
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, zero_division=np.nan)
    for i, own in enumerate(label_scores(truth, predicted, rows, LABELS).values()):
        assert own == pytest.approx(
            {
                "precision": precision[i],
                "recall": recall[i],
                "f1": f1[i],
                "average_precision": average_precision_score(truth[:, i], rows[:, i]),
                "support": support[i],
            }
        )


def test_a_label_that_does_not_occur_is_skipped() -> None:
    truth, predicted, rows = drawn(0)
    truth[:, 3] = predicted[:, 3] = False
    found = multilabel_metrics(truth, predicted, rows)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=np.nan))
    assert found["map"] == pytest.approx(average_precision_score(truth[:, :3], rows[:, :3]))
    nothing = {"precision": None, "recall": None, "f1": None, "average_precision": None, "support": 0}
    assert label_scores(truth, predicted, rows, LABELS)["neutral"] == nothing


def test_weights_are_repetitions() -> None:
    truth, predicted, rows = drawn(1)
    weights = np.random.default_rng(1).integers(0, 3, len(truth))
    weighted = MultilabelScorer(truth, predicted, rows).score(weights[None].astype(float))
    repeated = multilabel_metrics(
        truth.repeat(weights, axis=0), predicted.repeat(weights, axis=0), rows.repeat(weights, axis=0)
    )
    assert {name: values[0] for name, values in weighted.items()} == pytest.approx(repeated, abs=1e-12)


def sets(seed: int = 0, people: int = 6, clips: int = 60) -> Evaluation:
    truth, _, rows = drawn(seed, clips)
    samples = [
        decide(
            SampleResult(
                f"c{i}", frozenset(np.array(LABELS)[own].tolist()), "", (), (tuple(row.tolist()),), f"s{i % people}"
            ),
            LABELS,
            "multilabel",
        )
        for i, (own, row) in enumerate(zip(truth, rows, strict=True))
    ]
    return Evaluation(INFO, "torch", "av", 1, tuple(samples))


def test_a_set_is_decided_by_the_mean_over_the_views() -> None:
    views = ((0.9, 0.2, 0.6, 0.0), (0.3, 0.2, 0.3, 0.0))
    undecided = SampleResult("a", frozenset({"anger"}), "", (), views)
    assert decide(undecided, LABELS, "multilabel").prediction == frozenset({"anger"})
    low = replace(undecided, id="a_2", views=((0.0, 0.1, 0.2, 0.0),))
    assert decide(low, LABELS, "multilabel").prediction == frozenset({"sadness"})
    (merged,) = merge_clips([replace(undecided, id="a_1"), low], 1, LABELS, "multilabel")
    assert merged.outputs == pytest.approx((0.4, 0.5 / 3, 1.1 / 3, 0.0))
    assert merged.prediction == frozenset({"anger"})


def test_the_document_of_sets() -> None:
    found = sets()
    document = json.loads(json.dumps(found.to_dict()))
    assert not document.keys() & {"confusion", "recalls", "probability_metrics", "calibration"}
    assert document["classes"]["anger"].keys() == {
        *("precision", "recall", "f1", "average_precision", "support", "people")
    }
    assert document["intervals"]["classes"]["anger"].keys() == {"precision", "recall", "f1"}
    bounds = document["intervals"]["bounds"]
    assert document["intervals"]["resampled"] == "speaker"
    assert bounds.keys() == document["metrics"].keys() == {"macro_f1", "exact_match", "map"}
    assert all(low < document["metrics"][name] < high for name, (low, high) in bounds.items())
    first = document["samples"][0]
    assert first["label"] == format_target(found.samples[0].target)
    assert Evaluation.from_record(document) == found
    assert find_temperature(found) is None


def test_a_missing_label_is_named_and_folds_are_pooled() -> None:
    found = sets()
    some = replace(found, samples=tuple(each for each in found.samples if "fear" not in each.target))
    assert some.absent == ("fear",)
    (warning,) = [text for text in Protocol("mine").warn(some) if "no clip of" in text]
    assert warning.endswith("no clip of fear; mAP is over the 3 labels with clips, macro F1 also over predicted ones")
    turned = INFO.model_copy(update={"labels": LABELS[::-1]})
    moved = tuple(
        replace(each, outputs=each.outputs[::-1], views=(each.views[0][::-1],)) for each in found.samples[30:]
    )
    halves = {"1": replace(found, samples=found.samples[:30]), "2": replace(found, info=turned, samples=moved)}
    assert FoldsEvaluation(halves).pooled.metrics == pytest.approx(found.metrics)
    assert FoldsEvaluation(halves).mean.keys() == found.metrics.keys()


def test_the_sheet_of_sets_shows_labels_and_groups() -> None:
    found = sets()
    columns = {"sex": {each.id: "fm"[int(each.speaker[1:]) % 2] for each in found.samples}}
    sheet = ScoreSheet("w", Protocol("mine"), {"av": found}, columns=columns)
    document = sheet.to_dict()
    assert any("above 0.5" in sentence for sentence in document["protocol"])
    (groups,) = document["groups"]
    assert groups["metric"] == "macro_f1"
    low, high = groups["gap"]["bounds"]
    assert low < groups["gap"]["difference"] < high
    text = str(sheet)
    for word in ("macro F1", "exact match", "mAP", "labels, av", "AP", "by sex"):
        assert word in text
    assert "confusion" not in text and "UAR" not in text


def test_a_gap_of_groups_is_that_of_their_scores() -> None:
    found = sets()
    values = {each.id: str(i % 2) for i, each in enumerate(found.samples)}
    entry = describe_groups(found, "half", values, "exact_match")
    scores = {group["group"]: group["metrics"]["exact_match"] for group in entry["groups"]}
    assert entry["gap"]["difference"] == pytest.approx(max(scores.values()) - min(scores.values()))


class BlendEngine(ToyEngine):
    info = INFO.model_copy(update={"labels": LABELS[:3]})


def test_clips_are_scored_by_the_sigmoid_of_every_output(tmp_path: Path) -> None:
    clip = write_grey(tmp_path, "a", *[200] * 20, target=frozenset({"anger", "fear"}))
    (found,) = score_clips([clip], BlendEngine())["av"].samples
    scores = BlendEngine().logits(
        *stack_clips([read_prepared_clip(clip.video, clip.audio).read_evaluation_clips(1)[0]])
    )
    assert found.views[0] == pytest.approx(expit(scores[0].astype(float)))
    assert sum(found.outputs) != pytest.approx(1)
    for target, said in (
        ("anger", "expected a set of labels, got 'anger'"),
        (frozenset({"joy"}), "labels joy are not"),
    ):
        with pytest.raises(ManifestError, match=said):
            score_clips([replace(clip, target=target)], BlendEngine())


def test_what_is_for_classes_alone_refuses_sets() -> None:
    with pytest.raises(ManifestError, match=r"the evaluation: has sets of labels .*`compare`"):
        SystemRun.from_evaluation(sets())
    samples = [Sample("a", None, None, frozenset({"anger"}))]
    plan = EvaluationPlan("mine", Path("mine.csv"))
    assert plan.match(samples, INFO).samples == samples
    for cross, mapping, named in ((True, None, "cross=True"), (False, {"anger": "fear"}, "`label_map`")):
        with pytest.raises(SettingsError, match=f"{named}: works on classes"):
            replace(plan, cross=cross, mapping=mapping).match(samples, INFO)
