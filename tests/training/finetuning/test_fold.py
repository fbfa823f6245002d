"""One fold: training and test clips share nobody, and the test clips are scored once, at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, WeightsError
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.records.facts import DataFacts
from hicmae_cli.training.finetuning import fold as protocol
from hicmae_cli.training.finetuning import loop as training
from hicmae_cli.training.finetuning.fold import check_init, finetune_and_test, keep_split_seed
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningOutcome, FoldResult
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.finetuning.validation import Validation, ValidationReader, validate_clips
from hicmae_cli.training.runs import TESTED
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.reading import read_info
from tests.training.toys import FINETUNE_SETTINGS, TASK, write_samples

pytestmark = pytest.mark.integration

SETTINGS = FINETUNE_SETTINGS.model_copy(update={"epochs": 1, "validation_share": 0.34})


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Twelve clips of six people, two folds."""
    return [
        replace(sample, split="", fold=str(1 + index // 2 % 2), speaker=f"p{index // 2}")
        for index, sample in enumerate(write_samples(tmp_path_factory.mktemp("clips")))
    ]


@pytest.fixture(scope="module")
def weight(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight that fold 2 tests."""
    found = fold(tmp_path_factory.mktemp("first"), samples, SETTINGS).weight
    assert found is not None
    return found


def test_a_start_that_was_trained_on_the_test_clips_is_refused(weight: Path, tmp_path: Path) -> None:
    info = read_info(str(weight))
    assert (info.dataset, info.fold) == (TASK.dataset, "2")
    for task, tested in ((TASK, "2"), (TASK, None), (replace(TASK, dataset="elsewhere"), "1")):
        assert check_init(weight, task, tested) is None
    doubt = check_init(weight, TASK, "1")  # another corpus of one's own may have the name toys
    assert doubt and "if these are the same clips" in doubt
    known = tmp_path / "known.safetensors"
    save_classifier(known, load_classifier(weight)[0], info.model_copy(update={"dataset": "crema-d", "seen": ()}))
    public = replace(TASK, dataset="crema-d-4")  # the same clips, other labels
    with pytest.raises(WeightsError, match="test fold 1: its fine-tuning excluded fold 2 of crema-d, not 1"):
        check_init(known, public, "1")


def test_only_the_split_seed_draws_validation_people(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[set[str]] = []

    def spy(folder: Path, task: Task, *, validation: list[Sample], **_: object) -> FinetuningOutcome:
        drawn.append({clip.speaker for clip in validation})
        return FinetuningOutcome(None, 0, 1)

    monkeypatch.setattr(protocol, "finetune_clips", spy)
    for seed in range(6):
        fold(tmp_path, samples, SETTINGS.model_copy(update={"seed": seed}))
    assert drawn == drawn[:1] * 6
    for split_seed in range(6):
        fold(tmp_path, samples, SETTINGS.model_copy(update={"split_seed": split_seed}))
    assert len(set(map(frozenset, drawn[6:]))) > 1


def test_a_folder_of_an_earlier_version_keeps_the_people_that_its_seed_drew(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"seed": 3})
    assert keep_split_seed(tmp_path, settings) == settings
    (tmp_path / "settings.json").write_text('{"seed": 3, "epochs": 1}')
    assert keep_split_seed(tmp_path, settings).split_seed == 3
    (tmp_path / "settings.json").write_text('{"seed": 3, "split_seed": 0}')
    assert keep_split_seed(tmp_path, settings).split_seed == 0


def test_a_start_is_judged_by_the_people_of_all_trainings_behind_it(
    samples: list[Sample], weight: Path, tmp_path: Path
) -> None:
    model, info = load_classifier(weight)
    (own,) = info.seen
    assert (own.dataset, own.phase, own.fold) == (TASK.dataset, "fine-tuning", "2")
    assert len(own.people) == 3 and own.listed
    assert not {sample.speaker for sample in samples} & set(own.people)  # hashes, no names
    # The same clips under other names of fold and dataset: people decide.
    renamed = [replace(sample, fold="a" if sample.fold == "1" else "b") for sample in samples]
    again = replace(TASK, data=DataFacts(manifest_sha256=own.manifest_sha256))
    assert check_init(weight, again, "b", renamed) is None
    doubt = check_init(weight, again, "a", renamed)
    assert doubt and "3 test speakers of the same names; if these are the same clips" in doubt
    known = tmp_path / "known.safetensors"
    labelled = own.model_copy(update={"dataset": "crema-d"})
    unlabelled = labelled.model_copy(update={"phase": "pre-training"})
    here = replace(TASK, dataset="crema-d-4")
    save_classifier(known, model, info.model_copy(update={"seen": (labelled, own)}))
    with pytest.raises(WeightsError, match="test fold a: its fine-tuning on crema-d included 3 test speakers"):
        check_init(known, here, "a", renamed)
    save_classifier(known, model, info.model_copy(update={"seen": (unlabelled,)}))
    assert check_init(known, here, "b", renamed) is None
    doubt = check_init(known, here, "a", renamed)
    assert doubt and "has learned from people or clips that are tested, without labels" in doubt


def test_the_test_clips_are_scored_once(samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[list[str]]] = {"training": [], "testing": []}

    def spy(part: str) -> Callable[..., dict[str, Evaluation]]:
        def looked_at(clips: list[Sample], *given: Any, **more: Any) -> dict[str, Evaluation]:
            seen[part].append([sample.id for sample in clips])
            return score_clips(clips, *given, **more)

        return looked_at

    def validate(model: Any, info: Any, reader: ValidationReader, *more: Any) -> Validation:
        seen["training"].append([sample.id for sample in reader.samples])
        return validate_clips(model, info, reader, *more)

    monkeypatch.setattr(training, "validate_clips", validate)
    monkeypatch.setattr(protocol, "score_clips", spy("testing"))
    result = fold(tmp_path, samples, SETTINGS)
    own = [sample.id for sample in samples if sample.fold == "2"]
    assert result.evaluation is not None and [sample.id for sample in result.evaluation.samples] == own
    assert seen["testing"] == [own]
    (judged,) = seen["training"]
    assert not set(own) & set(judged)  # no test clip chose the epoch
    assert result.weight is not None
    _, info = load_classifier(result.weight)
    assert info.metrics["validation"]["clips"] == len(judged)


def test_a_finished_run_is_not_tested_again(samples: list[Sample], tmp_path: Path) -> None:
    looks: list[None] = []
    run = tmp_path / "run"
    first = fold(run, samples, SETTINGS, lambda: looks.append(None))
    assert len(looks) == 6
    again = fold(run, samples, SETTINGS, lambda: looks.append(None))
    assert again == first and len(looks) == 6
    # The file must be whole, and of that weight on those clips; otherwise the clips are scored again.
    text = (run / TESTED).read_text()
    document = json.loads(text)
    document["made_of"]["weight"] = "0" * 64
    for damaged in (json.dumps(document), text[:100], "[]", "{}"):
        looks.clear()
        (run / TESTED).write_text(damaged)
        second = fold(run, samples, SETTINGS, lambda: looks.append(None))
        assert second == first and len(looks) == 6
        assert (run / TESTED).read_text() == text
    clip = next(sample.video for sample in samples if sample.fold == "2")
    assert clip is not None
    os.utime(clip, (0, 0))  # as if it had been prepared again
    looks.clear()
    assert fold(run, samples, SETTINGS, lambda: looks.append(None)) == first
    assert len(looks) == 6


def test_a_person_in_two_splits_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    leaking = [replace(sample, speaker="p1" if sample.speaker == "p0" else sample.speaker) for sample in samples]
    with pytest.raises(ManifestError, match=r"in both the training and the test split, e\.g\. p1"):
        fold(tmp_path, leaking, SETTINGS)
    with pytest.raises(ManifestError, match="in both the training and the test split"):
        fold(tmp_path, leaking, SETTINGS.model_copy(update={"selection": "test-best"}))


def fold(
    run: Path, samples: list[Sample], settings: FinetuneSettings, on_test_clip: Callable[[], None] = lambda: None
) -> FoldResult:
    progress = FinetuningProgress(on_test_clip=on_test_clip)
    return finetune_and_test(run, TASK, samples, "2", settings=settings, device="cpu", progress=progress)
