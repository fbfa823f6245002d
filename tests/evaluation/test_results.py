"""What follows from decisions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.results import Evaluation, SampleResult, name_group
from tests.evaluation.toys import evaluation, info_of
from tests.runtime.stubs import LABELS, ToyEngine


def test_absent_classes_are_named() -> None:
    assert evaluation("anger:anger", "neutral:anger").absent == ("happiness",)


def test_baselines_by_hand() -> None:
    found = evaluation("anger:neutral", "neutral:neutral", "neutral:anger", "neutral:neutral").baselines()
    assert found["chance"] == {"uar": pytest.approx(1 / 3), "war": pytest.approx(1 / 3)}
    assert found["majority"]["war"] == 0.75
    assert found["majority"]["uar"] == 0.5  # of two classes that occur
    assert found["majority"]["macro_f1"] == pytest.approx((2 * 3 / 7) / 2)


def test_the_document_keeps_what_scripts_read() -> None:
    document = evaluation("anger:anger", "neutral:anger", speakers=2).to_dict()
    assert document["schema"] == "hicmae.evaluate/1"
    assert set(document) >= {
        "metrics",
        "recalls",
        "labels",
        "confusion",
        "samples",
        "failures",
        "skipped",
        "weights",
        "engine",
        "modality",
        "sampling_rate",
    }
    assert document["labels"] == list(LABELS) and document["confusion"] == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert document["samples"][0].keys() >= {"id", "label", "prediction", "probabilities", "views"}
    assert document["intervals"]["resampled"] == "speaker"
    assert document["intervals"]["bounds"].keys() == {*document["metrics"], *document["probability_metrics"]}
    own = {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1, "people": 1}
    assert document["classes"]["anger"] == own
    assert document["intervals"]["classes"]["anger"].keys() == {"precision", "recall", "f1"}
    # No draw has a clip of a class without clips.
    assert "recall" not in document["intervals"]["classes"]["happiness"]
    assert document["classes"]["neutral"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1, "people": 1}
    nothing = {"precision": None, "recall": None, "f1": None, "support": 0, "people": 0}
    assert document["classes"]["happiness"] == nothing


def test_a_document_becomes_the_evaluation_again() -> None:
    classes = evaluation("anger:anger", "neutral:anger", speakers=2)
    some = replace(classes, classes=("anger", "neutral"), failures=(("c9", "broken"),), skipped=3)
    merged = replace(classes.samples[0], fold="2", clips=("a", "b"))
    values = SampleResult("v", (0.5, -1.0), (0.25, 0.125), (0.25, 0.125), ((0.0, 0.25), (0.5, 0.0)))
    info = info_of(task="regression", labels=("arousal", "valence"))
    for found in (classes, some, replace(classes, samples=(merged,)), replace(classes, info=info, samples=(values,))):
        assert Evaluation.from_record(json.loads(json.dumps(found.to_dict()))) == found
        assert Evaluation.from_record(json.loads(json.dumps(found.to_record()))) == found


@pytest.mark.parametrize(
    "change", [{"schema": "hicmae.evaluate/0"}, {"samples": []}, {"samples": [{}]}, {"weights": {}}, {"labels": None}]
)
def test_what_is_no_document_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Evaluation.from_record({**evaluation("anger:anger").to_dict(), **change})
    with pytest.raises(ValueError, match="not the document of an evaluation"):
        Evaluation.from_record({})


def test_no_decisions_no_evaluation() -> None:
    with pytest.raises(ManifestError, match="nothing could be evaluated: a: broken"):
        Evaluation(ToyEngine.info, "onnx", "av", 1, (), (("a", "broken"),))


@pytest.mark.parametrize(
    ("name", "fields", "group"),
    [("aiim001_task_1_clip_002", 3, "aiim001_task_1"), ("short", 3, "short"), ("a_b", 1, "a")],
)
def test_groups(name: str, fields: int, group: str) -> None:
    assert name_group(name, fields) == group
