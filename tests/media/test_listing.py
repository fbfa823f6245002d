"""Media files of a folder."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.media import VIDEO_SUFFIXES, list_media
from hicmae_cli.media.listing import MEDIA_SUFFIXES


def test_files_are_listed_by_suffix_at_any_depth(tmp_path: Path) -> None:
    names = ["b.MP4", "a.wav", "notes.txt", "deep/er/c.mkv", ".hidden.mp4", ".cache/d.mp4", "none"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    listing = list_media(tmp_path)
    assert listing.files == [tmp_path / name for name in ("a.wav", "b.MP4", "deep/er/c.mkv")]
    assert (listing.links, listing.unread) == ([], [])
    assert list_media(tmp_path, VIDEO_SUFFIXES).files == [tmp_path / "b.MP4", tmp_path / "deep/er/c.mkv"]
    assert VIDEO_SUFFIXES < MEDIA_SUFFIXES


def test_links_are_listed_apart_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.mp4").touch()
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link.mp4").symlink_to(tmp_path / "outside/a.mp4")
    (folder / "linked").symlink_to(tmp_path / "outside")
    listing = list_media(folder)
    assert (listing.files, listing.links) == ([], [folder / "link.mp4"])


def test_a_folder_can_be_excluded(tmp_path: Path) -> None:
    for name in ("raw/a.mp4", "prepared/b.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert list_media(tmp_path, exclude=(tmp_path / "prepared").resolve()).files == [tmp_path / "raw/a.mp4"]


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    listing = list_media(tmp_path / "gone")
    assert listing.files == [] and listing.unread == [(str(tmp_path / "gone"), "No such file or directory")]
