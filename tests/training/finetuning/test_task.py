"""What a list of clips teaches, and which folds are trained one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError
from hicmae_cli.training.finetuning.task import read_task, rounds_of
from tests.training.toys import TASK


def listed(folder: Path, *lines: str) -> Path:
    manifest = folder / "clips.csv"
    (folder / "a.mkv").touch()
    (folder / "faces").mkdir(exist_ok=True)
    manifest.write_text("\n".join(("id,video,audio,label", *lines)) + "\n")
    return manifest


def test_a_dataset_answers_for_what_is_not_given(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "1,a.mkv,,HAP", "2,a.mkv,,0")
    crema_d = find_dataset("crema-d")
    task, samples = read_task(manifest, crema_d, name="crema-d", source="a test")
    assert [sample.label for sample in samples] == ["happiness", "anger"]
    assert (task.labels, task.licence, task.metric) == (crema_d.labels, crema_d.licence, crema_d.metric)
    assert task.front_end == "hicmae.align/1"
    mine, _ = read_task(manifest, crema_d, name="x", source="", labels=crema_d.labels[::-1], licence="CC0-1.0")
    assert (mine.labels, mine.licence, mine.dataset) == (crema_d.labels[::-1], "CC0-1.0", "x")


def test_a_list_of_ones_own_has_the_labels_that_are_there(tmp_path: Path) -> None:
    task, _ = read_task(listed(tmp_path, "1,a.mkv,,joy", "2,faces,,awe"), None, name="mine", source="")
    assert (task.labels, task.licence, task.kind) == (("awe", "joy"), "unknown", "classification")
    assert task.front_end != "hicmae.align/1"  # nobody knows how the folder's faces were cut
    numbers = listed(tmp_path, "1,a.mkv,,0.5 1")
    with pytest.raises(ManifestError, match=r"clips\.csv: a regression needs the names of its targets"):
        read_task(numbers, None, name="mine", source="", kind="regression")
    task, (sample,) = read_task(numbers, None, name="", source="", kind="regression", labels=("arousal", "valence"))
    assert task.is_regression and sample.target == (0.5, 1.0)


def test_numbers_are_the_datasets_whatever_the_order_of_the_outputs(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "1,a.mkv,,0", "2,a.mkv,,3")
    crema_d, werewolf = find_dataset("crema-d"), find_dataset("werewolf-xl")
    task, samples = read_task(manifest, crema_d, name="", source="", labels=crema_d.labels[::-1])
    assert task.labels == crema_d.labels[::-1]
    assert [sample.label for sample in samples] == [crema_d.labels[0], crema_d.labels[3]]
    with pytest.raises(ManifestError, match="--labels: expected an order of anger, "):
        read_task(manifest, crema_d, name="", source="", labels=("anger", "joy"))
    with pytest.raises(ManifestError, match="values stand in the order arousal, valence, dominance"):
        read_task(manifest, werewolf, name="", source="", labels=werewolf.labels[::-1])


def test_a_manifest_of_ones_own_may_be_a_regression(tmp_path: Path) -> None:
    numbers = listed(tmp_path, "1,a.mkv,,0.5 1", "2,a.mkv,,0.25 2")
    own = find_dataset("manifest")
    with pytest.raises(ManifestError, match=r"all labels are numbers, e\.g\. '0\.5 1'; a regression needs --task"):
        read_task(numbers, own, name="mine", source="")
    task, _ = read_task(numbers, own, name="", source="", kind="regression", labels=("arousal", "valence"))
    assert (task.is_regression, task.chosen_by) == (True, "ccc")


def test_the_metric_that_chooses() -> None:
    assert TASK.chosen_by == "uar"
    assert replace(TASK, kind="regression").chosen_by == "ccc"
    assert replace(TASK, metric="weighted_f1").chosen_by == "weighted_f1"


def test_rounds() -> None:
    file = Path("clips.csv")
    clips = [Sample(fold, file, None, "fear", fold=fold) for fold in ("10", "2", "1", "2")]
    assert rounds_of(clips, None, file) == rounds_of(clips, "all", file) == ["1", "2", "10"]
    assert rounds_of(clips, "2", file) == ["2"]
    whole = [replace(clip, fold="") for clip in clips]
    assert rounds_of(whole, None, file) == [None]
    with pytest.raises(ManifestError, match=r"clips\.csv: has no folds"):
        rounds_of(whole, "all", file)
