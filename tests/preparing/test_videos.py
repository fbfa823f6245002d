"""Any videos become prepared clips for pre-training."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import read_random_window
from hicmae_cli.errors import ManifestError
from hicmae_cli.media import write_video
from hicmae_cli.preparing.videos import prepare_videos
from tests.faces.fake import FakeDetector, FakeFace


def scene(path: Path) -> Path:
    """Three seconds with a bright square of 80 pixels, and sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((160, 240, 3), 60, np.uint8)
    picture[40:120, 30:110] = 220
    write_video(path, [picture] * 30, 10, np.full(48_000, 0.1, np.float32))
    return path


somebody = partial(FakeDetector, [FakeFace(0, 9, (70, 80), 80)])
nobody = partial(FakeDetector, [])


def test_any_videos_become_prepared_clips_once(tmp_path: Path) -> None:
    folder, store = tmp_path / "raw", tmp_path / "store"
    for name in ("b/a.mkv", "a.mp4", "a.mkv"):
        scene(folder / name)
    (folder / "c.webm").write_bytes(b"broken")
    (folder / ".hidden").mkdir()
    for name in ("notes.txt", "._a.mp4", ".hidden/a.mp4"):
        (folder / name).touch()
    seen: list[int] = []
    found, skipped = prepare_videos(folder, store, make_detector=somebody, on_video=lambda: seen.append(1))
    assert [r.id for r in found] == ["a.mkv", "a.mp4", "b/a.mkv"]
    assert [r.video.relative_to(store).as_posix() for r in found] == ["a.mkv.mkv", "a.mp4.mkv", "b/a.mkv.mkv"]
    assert [path for path, _ in skipped] == [folder / "c.webm"]
    assert "c.webm" in skipped[0][1]
    assert len(seen) == 4
    faces, sound = read_random_window(found[1], np.random.default_rng(0))
    assert faces.mean() > 180 and sound.mean() == pytest.approx(0.1, abs=0.01)

    def never() -> FakeDetector:
        raise AssertionError("expected the clips to be kept")

    (folder / "c.webm").unlink()
    assert prepare_videos(folder, store, make_detector=never)[0] == found


def test_an_excerpt_never_changes_person(tmp_path: Path) -> None:
    """Someone else's face is the larger one for half a second; the pre-training sees one person, or black."""
    scene(tmp_path / "raw" / "a.mkv")
    two = partial(FakeDetector, [FakeFace(0, 9, (70, 80), 60), FakeFace(0, 1.5, (180, 80), 90)])
    (found,), _ = prepare_videos(tmp_path / "raw", tmp_path / "store", make_detector=two)
    faces, _ = read_random_window(found, np.random.default_rng(0))
    assert faces.mean(axis=(1, 2, 3)).min() > 180


def test_a_video_that_failed_is_tried_again_when_it_changes(tmp_path: Path) -> None:
    folder, store = tmp_path / "raw", tmp_path / "store"
    scene(folder / "a.mkv")
    (folder / "b.mp4").write_bytes(b"half a video")
    _, first = prepare_videos(folder, store, make_detector=somebody)
    started: list[Path] = []

    def counting() -> FakeDetector:
        started.append(folder)
        return somebody()

    _, again = prepare_videos(folder, store, make_detector=counting)
    assert again == first
    assert started == []
    shutil.copy(folder / "a.mkv", folder / "b.mp4")
    found, skipped = prepare_videos(folder, store, make_detector=counting)
    assert [r.id for r in found] == ["a.mkv", "b.mp4"]
    assert skipped == []
    (store / "clips.jsonl").write_text("[1, 2]")
    assert len(prepare_videos(folder, store, make_detector=counting)[0]) == 2


def test_a_store_inside_the_folder_is_not_read_again(tmp_path: Path) -> None:
    scene(tmp_path / "a.mkv")
    for _ in range(2):
        found, _ = prepare_videos(tmp_path, tmp_path / "store", make_detector=somebody)
        assert [r.id for r in found] == ["a.mkv"]
    with pytest.raises(ManifestError, match="choose another folder"):
        prepare_videos(tmp_path, tmp_path / "store" / "..", make_detector=somebody)


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    scene(folder / "a.mkv")
    scene(tmp_path / "outside" / "b.mkv")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "c.mkv").symlink_to(tmp_path / "outside" / "b.mkv")
    found, _ = prepare_videos(folder, tmp_path / "store", make_detector=somebody)
    assert [r.id for r in found] == ["a.mkv"]


def test_nothing_to_use_is_an_error(tmp_path: Path) -> None:
    folder, store = tmp_path / "raw", tmp_path / "store"
    for missing in (folder, tmp_path):
        with pytest.raises(ManifestError, match="no videos in this folder"):
            prepare_videos(missing, store, make_detector=somebody)
    scene(folder / "a.mkv")
    with pytest.raises(ManifestError, match=r"none of 1 videos can be used; the first: .*no face was found"):
        prepare_videos(folder, store, make_detector=nobody)
    assert sorted(path.name for path in store.rglob("*")) == [".lock", "clips.jsonl"]
