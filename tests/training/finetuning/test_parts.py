"""Splits of a manifest into training, validation and test clips, and their checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.finetuning.parts import (
    check_people,
    check_splits,
    describe_absent_classes,
    keep_usable,
    measure_step_s,
    split_samples,
)
from tests.training.toys import TASK

SHARE = 0.25
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
    parts = split_samples(CLIPS, "3", validation_share=SHARE)
    assert ids(parts.test) == {clip.id for clip in CLIPS if clip.fold == "3"}
    assert ids(parts.train) | ids(parts.validation) == {clip.id for clip in CLIPS if clip.fold != "3"}
    assert parts.validation and not ids(parts.train) & ids(parts.validation)
    check_people(parts.train, parts.validation, "validation")
    again = split_samples(CLIPS, "3", validation_share=SHARE)
    assert ids(again.validation) == ids(parts.validation)
    other = split_samples(CLIPS, "3", validation_share=SHARE, seed=1)
    assert ids(other.validation) != ids(parts.validation)


def test_a_share_of_the_labels_leaves_validation_and_test_clips_as_they_are() -> None:
    whole = split_samples(CLIPS, "3", validation_share=SHARE)
    parts = split_samples(CLIPS, "3", validation_share=SHARE, label_share=0.5)
    assert (parts.validation, parts.test) == (whole.validation, whole.test)
    assert ids(parts.train) < ids(whole.train) and len(parts.train) == round(len(whole.train) / 2)


def test_validation_clips_of_a_manifest_are_taken_as_they_are() -> None:
    parts = split_samples(SPLIT)
    assert ids(parts.validation) == {clip.id for clip in SPLIT if clip.split == "validation"}


def test_the_last_epoch_needs_no_validation_clips() -> None:
    parts = split_samples(CLIPS, "3", selection="last")
    assert parts.validation == []
    assert ids(parts.train) == {clip.id for clip in CLIPS if clip.fold != "3"}


def test_only_test_best_validates_on_the_test_clips() -> None:
    parts = split_samples(CLIPS, "3", selection="test-best")
    assert parts.validation == parts.test
    assert len(parts.train) == 27
    with pytest.raises(ManifestError, match="no test clips to choose the epoch on"):
        split_samples([clip for clip in SPLIT if clip.split != "test"], selection="test-best")


def test_an_unknown_fold_or_split_is_refused() -> None:
    with pytest.raises(ManifestError, match="the manifest's folds are 1, 2, 3, 4"):
        split_samples(CLIPS, "5")
    with pytest.raises(ManifestError, match=r"3-0: its split is 'hold', expected train"):
        split_samples([replace(clip, split="hold") for clip in SPLIT if clip.id == "3-0"])


def test_splits_that_do_not_fit_are_refused() -> None:
    train, validation = SPLIT[6:9], SPLIT[3:6]
    check_splits(train, validation, FEAR)
    check_splits(train, [], FEAR, "last")
    check_splits(train, validation, replace(TASK, labels=("arousal",), kind="regression"))
    with pytest.raises(ManifestError, match="no training clips"):
        check_splits([], validation, FEAR)
    with pytest.raises(ManifestError, match="no validation clips"):
        check_splits(train, [], FEAR)
    with pytest.raises(ManifestError, match="labels fear are not among anger"):
        check_splits(train, validation, replace(TASK, labels=("anger",)))
    with pytest.raises(ManifestError, match=r"1 people are in both the training and the test split, e\.g\. p2"):
        check_splits(train, train, FEAR, "test-best")
    with pytest.raises(SettingsError, match="selection='last' keeps the last epoch"):
        check_splits(train, validation, FEAR, "last")


def test_absent_classes_are_named() -> None:
    assert describe_absent_classes(CLIPS, ["fear"], "training") is None
    assert describe_absent_classes(CLIPS, ["anger", "fear", "sadness"], "training") == (
        "there are no training clips of anger, sadness"
    )
    with pytest.raises(ManifestError, match="all 3 validation clips are labelled fear"):
        check_splits(SPLIT[6:9], SPLIT[3:6], replace(TASK, labels=("fear", "anger")))


def test_the_labels_of_a_set_count_one_by_one() -> None:
    task = replace(TASK, labels=("anger", "fear"), kind="multilabel")
    train = [replace(clip, target=frozenset({"anger", "fear"})) for clip in SPLIT[6:9]]
    validation = [replace(clip, target=frozenset({"fear"})) for clip in SPLIT[3:6]]
    assert describe_absent_classes(train, task.labels, "training") is None
    assert describe_absent_classes(validation, task.labels, "test") == "there are no test clips of anger"
    with pytest.raises(ManifestError, match="all 3 validation clips are labelled fear"):
        check_splits(train, validation, task)
    varied = [replace(validation[0], target=frozenset({"anger", "fear"})), *validation[1:]]
    check_splits(train, varied, task)
    with pytest.raises(ManifestError, match="labels fear are not among anger, joy"):
        check_splits(train, varied, replace(task, labels=("anger", "joy")))


def test_the_step_of_counted_frames_is_that_of_most_clips(tmp_path: Path) -> None:
    clips = []
    for index, fps in enumerate((25, 30, 30)):
        path = tmp_path / f"{index}.mkv"
        write_prepared_clip(path, [np.full((160, 160, 3), 90, np.uint8)] * 8, fps, None)
        clips.append(replace(CLIPS[0], video=path, audio=path))
    broken = replace(CLIPS[0], video=tmp_path / "none.mkv", audio=None)
    assert measure_step_s([broken, *clips], 4) == pytest.approx(4 / 30, abs=1e-3)
    assert measure_step_s(clips, None) is None
    assert measure_step_s([broken], 4) is None and measure_step_s([], 4) is None


def test_clips_of_other_labels_or_without_the_stream_are_skipped_and_counted() -> None:
    task = replace(TASK, labels=("anger", "fear"))
    face, voice = Path("a.jpg"), Path("a.wav")
    clips = [
        Sample("1", face, None, "anger"),
        Sample("2", None, voice, "fear"),
        Sample("3", face, voice, "fear"),
        Sample("4", face, None, "contempt"),
    ]
    kept, notes = keep_usable(clips, task, "av")
    assert (ids(kept), notes) == ({"1", "2", "3"}, ["skipped 1 clips of other labels: 1 of contempt"])
    assert [ids(keep_usable(clips, task, each)[0]) for each in ("video", "audio")] == [{"1", "3"}, {"2", "3"}]
    assert keep_usable(clips, task, "video")[1][1:] == ["skipped 1 clips that have no video"]
    assert keep_usable(clips[:2], task, "av") == (clips[:2], [])
    # A label that nobody has is a slip of the pen if others are skipped; alone it may be wanted.
    with pytest.raises(
        ManifestError, match="no clip is labelled mirth, and the label 'anger' is not one of fear, mirth"
    ):
        keep_usable(clips, replace(TASK, labels=("fear", "mirth")), "av")
    assert keep_usable(clips[:1], task, "av")[0] == clips[:1]
    with pytest.raises(ManifestError, match="modality='audio': none of the 1 clips has audio"):
        keep_usable(clips[:1], task, "audio")


def test_stills_have_no_frame_rate(tmp_path: Path) -> None:
    Image.new("RGB", (160, 160)).save(tmp_path / "a.png")
    assert measure_step_s([Sample("a", tmp_path / "a.png", None, "fear")], 4) is None
