"""What is tested, and by which weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.known.own import FOLDER, MANIFEST
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import split_by_fold
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.evaluation.subject import UnderTest, find_weights, leak_warning, some_weight
from tests.cli.catalogues import TOYS
from tests.evaluation.toys import info_of

CLIPS = [
    Sample(f"{fold}{split}", Path("a"), None, "anger", fold, split) for fold in "12" for split in ("train", "test")
]
BARE = [replace(sample, fold="", split="") for sample in CLIPS]


def of_toys(**changes: object) -> UnderTest:
    made = UnderTest("toys", Path("toys.csv"), TOYS, "", "test", False, None)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_fold_is_its_clips_whatever_their_split() -> None:
    assert [clip.id for clip in of_toys().clips(CLIPS, "2")] == ["2train", "2test"]
    assert of_toys(dataset=None).clips(CLIPS, "2") == split_by_fold(CLIPS, "2").test  # what a training tests


def test_a_list_without_the_column_is_one_folds() -> None:
    assert of_toys().clips(BARE, "2") == BARE
    assert of_toys().clips(BARE, "") == BARE
    assert of_toys(dataset=None).clips(BARE, "") == BARE


def test_a_dataset_tested_by_fold_wants_one() -> None:
    with pytest.raises(SettingsError, match="toys is tested by fold: give --fold 1, 2, or --fold all"):
        of_toys().clips(CLIPS, "")
    assert of_toys(cross=True).clips(CLIPS, "") == CLIPS  # a weight of another corpus has seen none of them


def test_a_weight_of_a_fold_is_not_tested_on_what_it_learned_from() -> None:
    own = of_toys(name="mine", dataset=None, split="all")
    with pytest.raises(SettingsError, match=r"mine has folds, .* give --fold 1, or --fold all"):
        own.clips(CLIPS, "", "1")
    with pytest.raises(SettingsError, match="give --fold 1"):
        replace(own, dataset=MANIFEST).clips(CLIPS, "", "1")
    with pytest.raises(SettingsError, match="tested by fold: give --fold 1, 2"):
        replace(own, dataset=FOLDER).clips(CLIPS, "", "")
    assert own.clips(CLIPS, "1", "1") == CLIPS[:2]
    for other in ("", "7"):
        assert own.clips(CLIPS, "", other) == CLIPS
    assert own.clips(BARE, "", "1") == BARE
    assert replace(own, cross=True).clips(CLIPS, "", "1") == CLIPS


def test_an_empty_fold_is_said() -> None:
    with pytest.raises(ManifestError, match=r"toys\.csv: no clips in fold 3; its folds are 1, 2"):
        of_toys().clips(CLIPS, "3")
    with pytest.raises(ManifestError, match=r"toys\.csv: no clips in holdout"):
        of_toys(dataset=None, split="holdout").clips(CLIPS, "")


def test_splits_of_a_dataset_with_a_fixed_one() -> None:
    fixed = of_toys(dataset=replace(TOYS, folds=()))
    assert [clip.id for clip in fixed.clips(CLIPS, "")] == ["1test", "2test"]
    assert replace(fixed, split="all").clips(CLIPS, "") == CLIPS


def test_a_weight_is_not_crossed_with_its_own_corpus() -> None:
    with pytest.raises(SettingsError, match="trained on crema-d itself"):
        of_toys(cross=True, name="crema-d").match(CLIPS, info_of(dataset="crema-d"))
    two_called_alike = of_toys(cross=True).match(CLIPS, info_of(dataset="toys"))
    assert two_called_alike.samples
    for trained_on, tested in (("crema-d", "crema-d-4"), ("mafw-43", "mafw")):  # the same clips, other labels
        with pytest.raises(SettingsError, match=f"trained on {trained_on}, which is the same clips as {tested};"):
            of_toys(cross=True, name=tested).match(CLIPS, info_of(dataset=trained_on))
    with pytest.raises(SettingsError, match="a weight for regression has none"):
        of_toys(cross=True).match(CLIPS, info_of(task="regression"))


def test_a_list_shares_the_labels_of_all_its_clips_in_every_fold() -> None:
    labels = ("anger", "happiness", "neutral")
    own = of_toys(cross=True, dataset=None, name="mine")
    for part in (CLIPS, [replace(CLIPS[0], label="happiness")]):
        found = own.match(part, info_of(labels=labels, dataset="elsewhere"), ("anger", "calm", "happiness"))
        assert found.classes == ("anger", "happiness")


def test_codes_of_the_dataset_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    listed = tmp_path / "toys.csv"
    listed.write_text("id,video,audio,label\n1,,a.wav,n\n2,,a.wav,ANG\n")
    read = of_toys(manifest=listed).read(info_of(labels=("anger", "happiness", "neutral")))
    assert [sample.label for sample in read] == ["neutral", "anger"]


def test_a_single_weight_does_not_test_all_folds() -> None:
    with pytest.raises(SettingsError, match="--fold all: give the folder of a run"):
        find_weights("w.safetensors", "all", ("1", "2"), cross=False)
    with pytest.raises(SettingsError, match="the clips are in no folds"):
        find_weights("w", "all", (), cross=True)
    assert find_weights("w", "all", ("1", "2"), cross=True) == {"1": "w", "2": "w"}
    assert find_weights("w", "2", (), cross=False) == {"2": "w"}


def test_weights_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no weight, expected fold-1/best\.safetensors or"):
        some_weight(str(tmp_path), "all")
    for fold in "12":
        (tmp_path / f"fold-{fold}").mkdir()
        (tmp_path / f"fold-{fold}" / "last.safetensors").touch()
    found = find_weights(str(tmp_path), "all", ("1", "2"), cross=False)
    assert found == {fold: str(tmp_path / f"fold-{fold}" / "last.safetensors") for fold in "12"}
    assert some_weight(str(tmp_path), "all") == found["1"]
    assert find_weights(str(tmp_path), "2", (), cross=False) == {"2": found["2"]}
    with pytest.raises(WeightsError, match="no weight of fold 3"):
        find_weights(str(tmp_path), "all", ("1", "2", "3"), cross=False)
    assert find_weights(str(tmp_path / "fold-1"), "", (), cross=False) == {"": found["1"]}


@pytest.mark.parametrize(
    ("trained", "fold", "warned"), [("1", "2", True), ("1", "1", False), ("1", "", False), ("", "2", False)]
)
def test_a_weight_of_another_fold_is_warned_of(trained: str, fold: str, warned: bool) -> None:
    assert (leak_warning(info_of(fold=trained), fold) is not None) is warned
