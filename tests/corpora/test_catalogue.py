"""All datasets: what they say of themselves is sound, and they list what lies in their layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import DATASETS, data_home, dataset_root, find_dataset, prepared_manifest
from hicmae_cli.corpora.facts import check_dataset
from hicmae_cli.errors import ManifestError, SettingsError
from tests.cli.running import fresh_python
from tests.corpora.fakes import ANNOTATED, FAKES, list_annotations, make_fake

EVERY = pytest.mark.parametrize("name", DATASETS)


def test_the_names() -> None:
    assert set(DATASETS) == {*FAKES, "puppets", "voxceleb2"}
    assert all(name == dataset.name for name, dataset in DATASETS.items())


@EVERY
def test_what_they_say_fits_together(name: str) -> None:
    dataset = DATASETS[name]
    check_dataset(dataset)
    if dataset.task == "classification" and dataset.labels:
        assert set(dataset.codes.values()) == set(dataset.labels)


@pytest.mark.parametrize("name", FAKES)
def test_a_dataset_lists_its_layout(name: str, tmp_path: Path) -> None:
    expected = make_fake(name, tmp_path, media=False)
    dataset = DATASETS[name]
    items = dataset.items(tmp_path)
    assert items == expected
    if dataset.takes_every_video:  # its folds are dealt once it is known which clips are usable
        assert dataset.deal is not None
        items = dataset.deal(items)
        assert {item.fold for item in items} == set(dataset.folds or "12345")
    check_dataset(dataset, items)
    assert all(item.video.is_file() for item in items)


@pytest.mark.parametrize("name", FAKES)
def test_a_smaller_fake_is_a_part(name: str, tmp_path: Path) -> None:
    items = make_fake(name, tmp_path, folds=2, labels=2, media=False)
    listed = DATASETS[name].items(tmp_path)
    assert [item.id for item in listed] == [item.id for item in items]
    if DATASETS[name].task == "classification":
        assert len({item.label for item in items}) == 2


@pytest.mark.parametrize("name", FAKES)
def test_a_clip_whose_half_is_missing_is_listed(name: str, tmp_path: Path) -> None:
    items = make_fake(name, tmp_path, media=False)
    expected = [item.id for item in items]
    with_sound = [item for item in items if item.audio is not None]
    if with_sound:
        for gone in (with_sound[0].video, with_sound[-1].audio):
            assert gone is not None
            gone.unlink()
    else:
        items[0].video.unlink()
        texts = [path.read_text("utf-8") for path in list_annotations(tmp_path)]
        noted = name == "meld" or any(items[0].video.stem in text for text in texts)  # MELD notes two numbers
        expected = expected if noted else expected[1:]  # nothing but the video names the clip
    assert [item.id for item in DATASETS[name].items(tmp_path)] == expected


@pytest.mark.parametrize("name", FAKES)
def test_an_empty_folder_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    if name not in ANNOTATED and not DATASETS[name].own:  # file names are the list
        assert DATASETS[name].items(tmp_path) == []
        return
    with pytest.raises(ManifestError, match=str(tmp_path)) as caught:
        DATASETS[name].items(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_dataset_is_found_in_any_case() -> None:
    assert find_dataset("CREMA-D") is DATASETS["crema-d"]
    with pytest.raises(
        SettingsError, match="no dataset named crema; the nearest is crema-d; known datasets: crema-d, "
    ):
        find_dataset("crema")


def test_where_data_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HICMAE_DATA", raising=False)
    assert data_home() == Path("data")
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    ravdess = find_dataset("ravdess")
    with pytest.raises(ManifestError) as caught:
        dataset_root(ravdess)
    for said in (str(tmp_path / "ravdess"), "zenodo.org", "`root` or in HICMAE_DATA", "Actor_", "--dataset puppets"):
        assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "ravdess").mkdir()
    assert dataset_root(ravdess) == tmp_path / "ravdess"
    assert prepared_manifest(ravdess, dataset_root(ravdess)) == tmp_path / "ravdess" / "prepared" / "ravdess.csv"
    assert dataset_root(ravdess, tmp_path) == tmp_path
    (tmp_path / "list.csv").touch()
    own = find_dataset("manifest")
    assert prepared_manifest(own, tmp_path / "list.csv") == tmp_path / "prepared" / "manifest.csv"
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match="is a file; expected the folder that holds RAVDESS"):
        dataset_root(ravdess, tmp_path / "file")


def test_puppets_are_drawn(tmp_path: Path) -> None:
    puppets = find_dataset("puppets")
    assert puppets.licence == "MIT"
    with pytest.raises(ManifestError, match=r"Puppets not found; run `hicmae puppets make`$"):
        dataset_root(puppets, tmp_path / "none")
    with pytest.raises(ManifestError, match="no items to prepare"):
        puppets.items(tmp_path)


def test_two_scales_share_the_clips() -> None:
    assert Counter(dataset.folder for dataset in DATASETS.values())["avcaffe"] == 2
    assert all(len({d.folder for d in (DATASETS[a], DATASETS[b])}) == 1 for a, b in (("mafw", "mafw-43"),))


def test_the_list_costs_nothing_heavy() -> None:
    done = fresh_python(
        "import sys\nimport hicmae_cli.corpora.catalogue\n"
        "found = [m for m in ('torch', 'av', 'cv2', 'numpy', 'mediapipe') if m in sys.modules]\nassert not found, found"
    )
    assert done.returncode == 0, done.stderr
