"""The clips of an evaluation and the weights that are tested on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.fold_protocols import draw_folds, parse_protocol
from hicmae_cli.corpora.known.own import FOLDER, MANIFEST
from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.corpora.splits import list_folds, split_by_fold
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.evaluation.plan import EvaluationPlan, find_weights, pick_weight, plan_evaluation
from tests.cli.catalogues import TOYS, install
from tests.evaluation.toys import info_of

CLIPS = [
    Sample(f"{fold}{split}", Path("a"), None, "anger", fold, split) for fold in "12" for split in ("train", "test")
]
BARE = [replace(sample, fold="", split="") for sample in CLIPS]


def of_toys(**changes: object) -> EvaluationPlan:
    made = EvaluationPlan("toys", Path("toys.csv"), TOYS)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_fold_is_its_clips_whatever_their_split() -> None:
    assert [clip.id for clip in of_toys().select(CLIPS, "2")] == ["2train", "2test"]
    assert of_toys(dataset=None).select(CLIPS, "2") == split_by_fold(CLIPS, "2").test  # what a training tests


def test_a_list_without_the_column_is_one_folds() -> None:
    assert of_toys().select(BARE, "2") == BARE
    assert of_toys().select(BARE, "") == BARE
    assert of_toys(dataset=None).select(BARE, "") == BARE


def test_a_dataset_tested_by_fold_wants_one() -> None:
    with pytest.raises(SettingsError, match="toys is tested by fold: give `fold`, one of 1, 2, or fold='all'"):
        of_toys().select(CLIPS, "")
    assert of_toys(cross=True).select(CLIPS, "") == CLIPS  # a weight of another corpus has seen none of them


def test_a_weight_of_a_fold_is_not_tested_on_what_it_learned_from() -> None:
    own = of_toys(name="mine", dataset=None, split="all")
    with pytest.raises(SettingsError, match=r"mine has folds, .* give fold='1', or fold='all'"):
        own.select(CLIPS, "", "1")
    with pytest.raises(SettingsError, match="give fold='1'"):
        replace(own, dataset=MANIFEST).select(CLIPS, "", "1")
    with pytest.raises(SettingsError, match="tested by fold: give `fold`, one of 1, 2"):
        replace(own, dataset=FOLDER).select(CLIPS, "", "")
    assert own.select(CLIPS, "1", "1") == CLIPS[:2]
    for other in ("", "7"):
        assert own.select(CLIPS, "", other) == CLIPS
    assert own.select(BARE, "", "1") == BARE
    assert replace(own, cross=True).select(CLIPS, "", "1") == CLIPS


def test_an_empty_fold_is_said() -> None:
    with pytest.raises(ManifestError, match=r"toys\.csv: no clips in fold 3; its folds are 1, 2"):
        of_toys().select(CLIPS, "3")
    with pytest.raises(ManifestError, match=r"toys\.csv: no clips in split holdout"):
        of_toys(dataset=None, split="holdout").select(CLIPS, "")


def test_splits_of_a_dataset_with_a_fixed_one() -> None:
    fixed = of_toys(dataset=replace(TOYS, folds=()))
    assert [clip.id for clip in fixed.select(CLIPS, "")] == ["1test", "2test"]
    assert replace(fixed, split="all").select(CLIPS, "") == CLIPS


def test_a_weight_is_not_crossed_with_its_own_corpus() -> None:
    with pytest.raises(SettingsError, match="trained on crema-d itself"):
        of_toys(cross=True, name="crema-d").match(CLIPS, info_of(dataset="crema-d"))
    two_called_alike = of_toys(cross=True).match(CLIPS, info_of(dataset="toys"))
    assert two_called_alike.samples
    for trained_on, tested in (("crema-d", "crema-d-4"), ("mafw-43", "mafw")):  # the same clips, other labels
        with pytest.raises(SettingsError, match=f"trained on {trained_on}, which has the same clips as {tested};"):
            of_toys(cross=True, name=tested).match(CLIPS, info_of(dataset=trained_on))
    with pytest.raises(SettingsError, match="predicts values"):
        of_toys(cross=True).match(CLIPS, info_of(task="regression"))


def test_a_list_shares_the_labels_of_all_its_clips_in_every_fold() -> None:
    labels = ("anger", "happiness", "neutral")
    own = of_toys(cross=True, dataset=None, name="mine")
    for part in (CLIPS, [replace(CLIPS[0], target="happiness")]):
        found = own.match(part, info_of(labels=labels, dataset="elsewhere"), ("anger", "calm", "happiness"))
        assert found.classes == ("anger", "happiness")


def test_codes_of_the_dataset_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    listed = tmp_path / "toys.csv"
    listed.write_text("id,video,audio,label\n1,,a.wav,n\n2,,a.wav,ANG\n")
    read = of_toys(manifest=listed).read_samples(info_of(labels=("anger", "happiness", "neutral")))
    assert [sample.label for sample in read] == ["neutral", "anger"]


def test_a_single_weight_does_not_test_all_folds() -> None:
    with pytest.raises(SettingsError, match="fold='all': give the folder of a run"):
        find_weights("w.safetensors", "all", ("1", "2"), cross=False)
    with pytest.raises(SettingsError, match="the clips have no folds"):
        find_weights("w", "all", (), cross=True)
    assert find_weights("w", "all", ("1", "2"), cross=True) == {"1": "w", "2": "w"}
    assert find_weights("w", "2", (), cross=False) == {"2": "w"}


def test_weights_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no weight, expected fold-1/best\.safetensors or"):
        pick_weight(str(tmp_path), "all")
    for fold in "12":
        (tmp_path / f"fold-{fold}").mkdir()
        (tmp_path / f"fold-{fold}" / "last.safetensors").touch()
    found = find_weights(str(tmp_path), "all", ("1", "2"), cross=False)
    assert found == {fold: str(tmp_path / f"fold-{fold}" / "last.safetensors") for fold in "12"}
    assert pick_weight(str(tmp_path), "all") == found["1"]
    assert find_weights(str(tmp_path), "2", (), cross=False) == {"2": found["2"]}
    with pytest.raises(WeightsError, match="no weight of fold 3"):
        find_weights(str(tmp_path), "all", ("1", "2", "3"), cross=False)
    assert find_weights(str(tmp_path / "fold-1"), "", (), cross=False) == {"": found["1"]}


def test_a_dataset_that_is_not_prepared_says_how_to_prepare_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, TOYS)
    with pytest.raises(ManifestError, match=f"not prepared yet: run `hicmae prepare toys --root {tmp_path}`"):
        plan_evaluation(dataset="toys", root=tmp_path)
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "toys.csv").touch()
    plan = plan_evaluation(dataset="toys", root=tmp_path, fold="2")
    assert plan.manifest == tmp_path / "prepared" / "toys.csv"
    with pytest.raises(SettingsError, match="fold='7': toys has no such fold; its folds are 1, 2"):
        plan_evaluation(dataset="toys", root=tmp_path, fold="7")


def test_folds_of_a_manifest_are_those_it_names(tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "manifest.csv").touch()
    plan = plan_evaluation(dataset="manifest", root=tmp_path, fold="2")
    clips = [Sample(fold, Path("a"), None, "anger", fold) for fold in "12"]
    assert plan.select(clips, "2") == clips[1:]
    with pytest.raises(ManifestError, match="no clips in fold 3; its folds are 1, 2"):
        plan.select(clips, "3")


def test_the_folds_that_a_run_drew_replace_those_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").touch()
    lines = [f"c{n},a.mkv,a.mkv,{label},{n % 2},p{n}" for n, label in enumerate(("anger", "happiness", "anger"))]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(["id,video,audio,label,fold,speaker", *lines]))
    listed = read_manifest(manifest)
    drawn = draw_folds(listed, parse_protocol("loso"), 0)
    plan = plan_evaluation(manifest=manifest, fold="loso-p1", drawn=drawn)
    samples = plan.read_samples(info_of(labels=("anger", "happiness")))
    assert [clip.id for clip in plan.select(samples, "loso-p1")] == ["c1"]
    with pytest.raises(SettingsError, match="give fold='loso-p1'"):
        asked = plan_evaluation(manifest=manifest, drawn=drawn)
        asked.select(asked.read_samples(info_of(labels=("anger", "happiness"))), "", "loso-p1")
    # Another list is tested as it is, and so is another corpus.
    other = draw_folds([replace(clip, id=f"other {clip.id}") for clip in listed], parse_protocol("loso"), 0)
    for given in (
        plan_evaluation(manifest=manifest, drawn=other),
        plan_evaluation(manifest=manifest, cross=True, drawn=drawn),
    ):
        assert [clip.fold for clip in given.read_samples(info_of(labels=("anger", "happiness")))] == ["0", "1", "0"]
    with pytest.raises(ManifestError, match="3 clips have no fold"):
        plan_evaluation(manifest=manifest, fold="loso-p1", drawn=other).read_samples(info_of())


def test_clips_that_a_run_skipped_need_no_fold(tmp_path: Path) -> None:
    """The run of `loso` on anger and happiness, and on sound, left out fear and a clip without sound."""
    for name in ("a.mkv", "a.jpg"):
        (tmp_path / name).touch()
    manifest = tmp_path / "list.csv"
    lines = [f"c{n},a.mkv,a.mkv,{label},p{n}" for n, label in enumerate(("anger", "happiness", "fear"))]
    manifest.write_text("\n".join(["id,video,audio,label,speaker", *lines, "c3,a.jpg,,anger,p3"]))
    drawn = draw_folds(read_manifest(manifest)[:2], parse_protocol("loso"), 0)
    plan = plan_evaluation(manifest=manifest, fold="loso-p1", drawn=drawn)
    heard = info_of(labels=("anger", "happiness"), modality="audio")
    samples = plan.read_samples(heard)
    assert [clip.fold for clip in samples] == ["loso-p0", "loso-p1", "", ""]
    assert list_folds(samples) == ["loso-p0", "loso-p1"]
    with pytest.raises(ManifestError, match=r"1 clips have no fold, e\.g\. c3"):
        plan.read_samples(info_of(labels=("anger", "happiness")))
