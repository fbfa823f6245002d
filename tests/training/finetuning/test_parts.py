"""Who learns, who chooses, who is tested; and what does not fit together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.finetuning.parts import absent_classes, check_people, check_splits, parts_of, unreadable
from hicmae_cli.training.settings import FinetuneSettings
from tests.training.toys import TASK

SETTINGS = FinetuneSettings(validation_share=0.25)
LAST = FinetuneSettings(selection="last")
BEST_ON_TEST = FinetuneSettings(selection="test-best")
FEAR = replace(TASK, labels=("fear",))
CLIPS = [
    Sample(f"{person}-{clip}", Path("a.mkv"), None, "fear", fold=str(1 + person % 4), speaker=f"p{person}")
    for person in range(12)
    for clip in range(3)
]
SPLIT = [
    replace(clip, fold="", split="test" if clip.fold == "1" else "validation" if clip.fold == "2" else "train")
    for clip in CLIPS
]


def ids(samples: list[Sample]) -> set[str]:
    return {sample.id for sample in samples}


def test_validation_people_are_cut_from_the_training_ones_of_a_fold() -> None:
    parts = parts_of(CLIPS, SETTINGS, "3")
    assert ids(parts.test) == {clip.id for clip in CLIPS if clip.fold == "3"}
    assert ids(parts.train) | ids(parts.validation) == {clip.id for clip in CLIPS if clip.fold != "3"}
    assert parts.validation and not ids(parts.train) & ids(parts.validation)
    check_people(parts.train, parts.validation, "validation")
    again = parts_of(CLIPS, SETTINGS, "3")
    assert ids(again.validation) == ids(parts.validation)
    other = parts_of(CLIPS, SETTINGS.model_copy(update={"seed": 1}), "3")
    assert ids(other.validation) != ids(parts.validation)


def test_validation_clips_of_a_manifest_are_taken_as_they_are() -> None:
    parts = parts_of(SPLIT, SETTINGS)
    assert ids(parts.validation) == {clip.id for clip in SPLIT if clip.split == "validation"}


def test_the_last_epoch_is_chosen_by_nobody() -> None:
    parts = parts_of(CLIPS, LAST, "3")
    assert parts.validation == []
    assert ids(parts.train) == {clip.id for clip in CLIPS if clip.fold != "3"}


def test_the_test_clips_choose_only_where_that_is_asked_for() -> None:
    parts = parts_of(CLIPS, BEST_ON_TEST, "3")
    assert parts.validation == parts.test
    assert len(parts.train) == 27
    with pytest.raises(ManifestError, match="no test clips to choose by"):
        parts_of([clip for clip in SPLIT if clip.split != "test"], BEST_ON_TEST)


def test_a_fold_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ManifestError, match="the manifest's folds are 1, 2, 3, 4"):
        parts_of(CLIPS, SETTINGS, "5")
    with pytest.raises(ManifestError, match=r"3-0: its split is 'hold', expected train"):
        parts_of([replace(clip, split="hold") for clip in SPLIT if clip.id == "3-0"], SETTINGS)


def test_what_does_not_fit_together_is_refused() -> None:
    train, validation = SPLIT[6:9], SPLIT[3:6]
    check_splits(train, validation, FEAR, SETTINGS)
    check_splits(train, [], FEAR, LAST)
    check_splits(train, validation, replace(TASK, labels=("arousal",), kind="regression"), SETTINGS)
    with pytest.raises(ManifestError, match="no training clips"):
        check_splits([], validation, FEAR, SETTINGS)
    with pytest.raises(ManifestError, match="no validation clips"):
        check_splits(train, [], FEAR, SETTINGS)
    with pytest.raises(ManifestError, match="labels fear are not among anger"):
        check_splits(train, validation, replace(TASK, labels=("anger",)), SETTINGS)
    with pytest.raises(ManifestError, match=r"1 people are in both the training and the test split, e\.g\. p2"):
        check_splits(train, train, FEAR, BEST_ON_TEST)
    with pytest.raises(SettingsError, match="selection last takes the last epoch"):
        check_splits(train, validation, FEAR, LAST)


def test_every_broken_validation_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"no clip")
    broken = [replace(clip, video=tmp_path / "a.mkv") for clip in CLIPS[:2]]
    first, second = unreadable(broken, SETTINGS)
    assert first.startswith("clip 0-0: ") and "a.mkv" in first
    assert second.startswith("clip 0-1: ")


def test_validation_clips_without_the_stream_are_named(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "a.mkv", [np.full((160, 160, 3), 90, np.uint8)] * 4, 25, None)
    silent = [replace(CLIPS[0], video=tmp_path / "a.mkv", audio=tmp_path / "a.mkv")]
    assert unreadable(silent, SETTINGS) == []
    assert unreadable(silent, SETTINGS.model_copy(update={"modality": "audio"})) == ["clip 0-0: has no audio"]


def test_classes_that_are_missing_are_told() -> None:
    assert absent_classes(CLIPS, ["fear"], "training") is None
    assert absent_classes(CLIPS, ["anger", "fear", "sadness"], "training") == (
        "there are no training clips of anger, sadness"
    )
    with pytest.raises(ManifestError, match="all 3 validation clips are labelled fear"):
        check_splits(SPLIT[6:9], SPLIT[3:6], replace(TASK, labels=("fear", "anger")), SETTINGS)
