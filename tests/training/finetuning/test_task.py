"""The task that a manifest and its dataset define, and the folds to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.finetuning.task import folds_to_run, read_task
from tests.training.toys import TASK


def listed(folder: Path, *lines: str) -> Path:
    manifest = folder / "clips.csv"
    (folder / "a.mkv").touch()
    (folder / "faces").mkdir(exist_ok=True)
    manifest.write_text("\n".join(("id,video,audio,label", *lines)) + "\n")
    return manifest


def test_a_dataset_gives_the_defaults(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "1,a.mkv,,HAP", "2,a.mkv,,0")
    crema_d = find_dataset("crema-d")
    task, samples = read_task(manifest, crema_d, name="crema-d", source="a test")
    assert [sample.label for sample in samples] == ["happiness", "anger"]
    assert (task.labels, task.licence, task.metric) == (crema_d.labels, crema_d.licence, crema_d.metric)
    assert task.front_end == "hicmae.align/1"
    mine, _ = read_task(manifest, crema_d, name="x", source="", labels=crema_d.labels[::-1], licence="CC0-1.0")
    assert (mine.labels, mine.licence, mine.dataset) == (crema_d.labels[::-1], "CC0-1.0", "x")


def test_a_manifest_of_ones_own_has_the_labels_in_it(tmp_path: Path) -> None:
    task, _ = read_task(listed(tmp_path, "1,a.mkv,,joy", "2,faces,,awe"), None, name="mine", source="")
    assert (task.labels, task.licence, task.kind) == (("awe", "joy"), "unknown", "classification")
    assert task.front_end != "hicmae.align/1"  # how the faces in the folder were cut is unknown
    numbers = listed(tmp_path, "1,a.mkv,,0.5 1")
    with pytest.raises(SettingsError, match="a regression needs `labels`"):
        read_task(numbers, None, name="mine", source="", kind="regression")
    task, (sample,) = read_task(numbers, None, name="", source="", kind="regression", labels=("arousal", "valence"))
    assert task.is_regression and sample.target == (0.5, 1.0)


def test_sets_of_labels(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "1,a.mkv,,joy+awe", "2,a.mkv,,fear")
    task, samples = read_task(manifest, None, name="mine", source="", kind="multilabel")
    assert (task.labels, task.chosen_by, task.is_regression) == (("awe", "fear", "joy"), "macro_f1", False)
    assert [sample.labels for sample in samples] == [{"awe", "joy"}, {"fear"}]
    with pytest.raises(SettingsError, match=r"expected names without \+"):
        read_task(manifest, None, name="mine", source="", kind="multilabel", labels=("awe+joy", "fear"))
    blends = listed(tmp_path, "1,a.mkv,,fea+ANG", "2,a.mkv,,neu")
    task, samples = read_task(blends, find_dataset("blemore"), name="blemore", source="")
    assert (task.kind, task.chosen_by, len(task.labels)) == ("multilabel", "exact_match", 6)
    assert [sample.labels for sample in samples] == [{"anger", "fear"}, {"neutral"}]


def test_label_numbers_follow_the_datasets_order_not_that_of_the_outputs(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "1,a.mkv,,0", "2,a.mkv,,3")
    crema_d, werewolf = find_dataset("crema-d"), find_dataset("werewolf-xl")
    task, samples = read_task(manifest, crema_d, name="", source="", labels=crema_d.labels[::-1])
    assert task.labels == crema_d.labels[::-1]
    assert [sample.label for sample in samples] == [crema_d.labels[0], crema_d.labels[3]]
    some, samples = read_task(manifest, crema_d, name="", source="", labels=("happiness", "anger"))
    assert (some.labels, [sample.label for sample in samples]) == (("happiness", "anger"), ["anger", "happiness"])
    with pytest.raises(ManifestError, match="labels='anger,joy': expected some or all of anger, "):
        read_task(manifest, crema_d, name="", source="", labels=("anger", "joy"))
    blends = find_dataset("blemore")
    with pytest.raises(ManifestError, match=r"expected anger, .* in any order"):
        read_task(manifest, blends, name="", source="", labels=blends.labels[1:])
    with pytest.raises(ManifestError, match="the values are in the order arousal, valence, dominance"):
        read_task(manifest, werewolf, name="", source="", labels=werewolf.labels[::-1])


def test_a_manifest_of_ones_own_may_be_a_regression(tmp_path: Path) -> None:
    numbers = listed(tmp_path, "1,a.mkv,,0.5 1", "2,a.mkv,,0.25 2")
    own = find_dataset("manifest")
    with pytest.raises(ManifestError, match=r"all labels are numbers, e\.g\. '0\.5 1'; a regression needs task="):
        read_task(numbers, own, name="mine", source="")
    task, _ = read_task(numbers, own, name="", source="", kind="regression", labels=("arousal", "valence"))
    assert (task.is_regression, task.chosen_by) == (True, "ccc")


def test_the_metric_that_chooses_the_epoch() -> None:
    assert TASK.chosen_by == "uar"
    assert replace(TASK, kind="regression").chosen_by == "ccc"
    assert replace(TASK, metric="weighted_f1").chosen_by == "weighted_f1"


def test_folds_to_run() -> None:
    file = Path("clips.csv")
    clips = [Sample(fold, file, None, "fear", fold=fold) for fold in ("10", "2", "1", "2")]
    assert folds_to_run(clips, None, file) == folds_to_run(clips, "all", file) == ["1", "2", "10"]
    assert folds_to_run(clips, "2", file) == ["2"]
    whole = [replace(clip, fold="") for clip in clips]
    assert folds_to_run(whole, None, file) == [None]
    with pytest.raises(ManifestError, match=r"clips\.csv: has no folds"):
        folds_to_run(whole, "all", file)
