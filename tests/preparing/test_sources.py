"""Which items are prepared, and where to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.dataset import RecordingPart
from hicmae_cli.errors import ManifestError, MediaError, SettingsError
from hicmae_cli.media import probe
from hicmae_cli.preparing.check import check_items
from hicmae_cli.preparing.dataset import prepare_items
from hicmae_cli.preparing.jobs import choose_runner
from hicmae_cli.preparing.sources import find_raw
from hicmae_cli.preparing.videos import prepare_videos
from hicmae_cli.workers import run_here
from tests.corpora.fakes import make_fake
from tests.corpora.toys import SquareDetector, make_items, toy_dataset


def test_a_part_that_names_its_person_takes_no_other_people(tmp_path: Path) -> None:
    (item, _) = make_items(tmp_path, 2)
    part = RecordingPart(0.0, 1.0, places=((0.0, 0.1, 0.1, 0.2, 0.2),))
    toy = toy_dataset([replace(item, audio=None, part=part)])
    with pytest.raises(SettingsError, match=r"^keep_people='all': the annotations of toy name the person"):
        find_raw(toy, tmp_path, keep_people="all")
    with pytest.raises(SettingsError, match=r"^frames=.*: the clips of toy are parts of recordings; leave it out$"):
        find_raw(toy, tmp_path, frames=tmp_path)


def test_a_name_and_its_dataset_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = make_fake("ravdess", tmp_path / "ravdess", media=False)
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    raw = find_raw("RAVDESS")
    assert (raw.items, raw.is_whole, raw.store) == (items, True, tmp_path / "ravdess" / "prepared")
    assert find_raw(raw.dataset, str(tmp_path / "ravdess")) == raw
    first = find_raw("ravdess", output=tmp_path / "out", limit=3)
    assert (first.items, first.is_whole, first.store) == (items[:3], False, tmp_path / "out")


def test_a_list_may_stand_for_its_folder(tmp_path: Path) -> None:
    make_fake("manifest", tmp_path, media=False)
    file = find_raw("manifest", tmp_path / "manifest.csv")
    assert file == find_raw("manifest", tmp_path)
    assert file.store == tmp_path / "prepared"
    with pytest.raises(ManifestError, match="is a file; expected the folder"):
        find_raw("ravdess", tmp_path / "manifest.csv")


def test_what_cannot_be_prepared_is_refused_by_parameter(tmp_path: Path) -> None:
    toy = toy_dataset(make_items(tmp_path, 2))
    with pytest.raises(SettingsError, match=r"^got limit=0, expected at least 1$"):
        find_raw(toy, tmp_path, limit=0)
    with pytest.raises(SettingsError, match=r"^output=.*: holds the dataset itself"):
        find_raw(toy, tmp_path, output=tmp_path / "x" / "..")
    with pytest.raises(SettingsError, match=r"^frames=gone: no such folder$"):
        find_raw(toy, tmp_path, frames="gone")
    with pytest.raises(SettingsError, match=r"^output=.*: the next call would take its clips for recordings"):
        find_raw(replace(toy, takes_every_video=True), tmp_path, output=tmp_path / "out")
    assert find_raw(toy, tmp_path, output=tmp_path / "out").store == tmp_path / "out"


@pytest.mark.parametrize(
    ("name", "said"),
    [("puppets", "puppets: needs no preparation; `hicmae puppets make`"), ("voxceleb2", "VoxCeleb2 has no labels")],
)
def test_datasets_without_raw_labelled_items(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"^{said}"):
        find_raw(name, tmp_path)


def test_ignored_files_are_named(tmp_path: Path) -> None:
    make_fake("folder", tmp_path, media=False)
    said: list[str] = []
    assert find_raw("folder", tmp_path, on_warning=said.append).warnings == ()
    (tmp_path / "loose.mp4").touch()
    (tmp_path / ".hidden.mp4").touch()
    (tmp_path / "notes.txt").touch()
    raw = find_raw("folder", tmp_path, on_warning=said.append)
    assert list(raw.warnings) == said
    assert said == ["skipped videos outside the label folders (move them into one to use them): loose.mp4"]


def test_where_jobs_run() -> None:
    assert choose_runner(0) is run_here
    with pytest.raises(SettingsError, match="got workers=2 and ray='auto'"):
        choose_runner(2, "auto")
    with pytest.raises(SettingsError, match="got workers=-1, expected 0 or more"):
        choose_runner(-1)


def test_git_lfs_pointers_stop_everything_at_once(tmp_path: Path) -> None:
    """A clone without Git LFS has thousands of them, each a few lines of text."""
    items = make_items(tmp_path / "raw", 4)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 123456\n"
    items[1].video.write_bytes(pointer)
    assert items[3].audio is not None
    items[3].audio.write_bytes(pointer)
    said = r"^.*/01\.mkv \(and 1 more files\): is a Git LFS pointer, not the file itself; run `git lfs pull`"
    for refused in (prepare_items, check_items):
        with pytest.raises(ManifestError, match=said):
            refused(toy_dataset(items), items, tmp_path / "store", make_detector=SquareDetector)
    assert not (tmp_path / "store").exists()
    with pytest.raises(ManifestError, match=r"01\.mkv: is a Git LFS pointer"):
        prepare_videos(tmp_path / "raw", tmp_path / "store", make_detector=SquareDetector)
    with pytest.raises(MediaError, match=r"01\.mkv: is a Git LFS pointer, .* run `git lfs pull`"):
        probe(items[1].video)
