"""What a dataset's name, a folder and a manifest stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.clip_list import find_clips, manifest_name
from hicmae_cli.errors import ManifestError, SettingsError


def drawn(folder: Path) -> Path:
    """What a drawn corpus has for this module to look at."""
    folder.mkdir()
    (folder / "manifest.csv").touch()
    (folder / "corpus.json").touch()
    return folder


def test_what_is_named_is_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    puppets = drawn(tmp_path / "puppets")
    found = find_clips("puppets", puppets, None)
    assert (found.manifest, found.name) == (puppets / "manifest.csv", "puppets")
    assert found.dataset is not None and found.dataset.licence == "MIT"
    (tmp_path / "mine.csv").touch()
    mine = find_clips(None, None, tmp_path / "mine.csv")
    assert (mine.manifest, mine.dataset, mine.name) == (tmp_path / "mine.csv", None, "mine")
    listed = find_clips("crema-d", None, tmp_path / "mine.csv")
    assert (listed.manifest, listed.name) == (tmp_path / "mine.csv", "crema-d")
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    (tmp_path / "crema-d" / "prepared").mkdir(parents=True)
    with pytest.raises(ManifestError, match="is not prepared yet: run `hicmae prepare crema-d --root "):
        find_clips("crema-d", None, None)
    (tmp_path / "crema-d" / "prepared" / "crema-d.csv").touch()
    assert find_clips("crema-d", None, None).manifest == tmp_path / "crema-d" / "prepared" / "crema-d.csv"
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "crema-d.csv").touch()
    assert find_clips("crema-d", tmp_path / "store", None).manifest == tmp_path / "store" / "crema-d.csv"


def test_what_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no dataset named mars; the nearest is"):
        find_clips("mars", tmp_path, None)
    with pytest.raises(ManifestError, match=r"Get it: .*finetune --dataset puppets"):
        find_clips("ravdess", tmp_path / "nowhere", None)
    for dataset, root, manifest in ((None, None, None), ("puppets", tmp_path, tmp_path / "list.csv")):
        with pytest.raises(SettingsError, match=r"got (neither|both) `(dataset|root)` (nor|and) `manifest`"):
            find_clips(dataset, root, manifest)


def test_puppets_stay_puppets_by_any_name(tmp_path: Path) -> None:
    puppets = drawn(tmp_path / "any-name")
    assert manifest_name(puppets / "manifest.csv") == "puppets"
    assert manifest_name(tmp_path / "interviews.csv") == "interviews"


def test_only_generated_datasets_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    folders: list[Path] = []

    def draw(folder: Path) -> Path:
        folders.append(folder)
        return folder / "manifest.csv"

    assert find_clips("puppets", draw_puppets=draw).manifest == tmp_path / "puppets" / "manifest.csv"
    assert find_clips("puppets", tmp_path / "mine", draw_puppets=draw).manifest == tmp_path / "mine" / "manifest.csv"
    with pytest.raises(ManifestError, match="RAVDESS not found"):
        find_clips("ravdess", draw_puppets=draw)
    with pytest.raises(SettingsError, match="VoxCeleb2 has no labels"):
        find_clips("voxceleb2", draw_puppets=draw)
    assert folders == [tmp_path / "puppets", tmp_path / "mine"]
