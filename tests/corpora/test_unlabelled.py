"""Lists of recordings without labels."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import Recording, read_random_window
from hicmae_cli.corpora.unlabelled import VOXCELEB2_CROP, from_manifest, voxceleb2
from hicmae_cli.errors import ManifestError
from hicmae_cli.media import write_video
from hicmae_cli.preparing.videos import videos
from tests.faces.fake import FakeDetector, FakeFace


def touch(root: Path, names: Sequence[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


VOXCELEB2 = (
    "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4",
    "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
    "dev/mp4/id00012/-0aBC/00001.mp4",
    "dev/mp4/id00012/21Uxsk56VDQ/notes.txt",
    "dev/mp4/readme.txt",
    "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
    "dev/aac/id00012/21Uxsk56VDQ/00002.aac",
    "dev/aac/id00012/21Uxsk56VDQ/00002.m4a",
    "test/mp4/id00017/01dfn2spqyE/00001.mp4",
    "test/wav/id00017/01dfn2spqyE/00001.wav",
)


def test_voxceleb2_as_it_unpacks(tmp_path: Path) -> None:
    touch(tmp_path, VOXCELEB2)
    found = voxceleb2(tmp_path)
    assert [r.id for r in found] == [
        "dev/mp4/id00012/-0aBC/00001",
        "dev/mp4/id00012/21Uxsk56VDQ/00001",
        "dev/mp4/id00012/21Uxsk56VDQ/00002",
    ]  # test is for those who test on VoxCeleb2
    assert all(r.video == tmp_path / f"{r.id}.mp4" and r.crop == VOXCELEB2_CROP for r in found)
    sounds = [r.audio and r.audio.relative_to(tmp_path).as_posix() for r in found]
    assert sounds == [None, "dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "dev/aac/id00012/21Uxsk56VDQ/00002.m4a"]
    (only,) = voxceleb2(tmp_path / "test")
    assert (only.id, only.audio) == (
        "mp4/id00017/01dfn2spqyE/00001",
        tmp_path / "test/wav/id00017/01dfn2spqyE/00001.wav",
    )


def test_voxceleb2_from_any_of_its_folders(tmp_path: Path) -> None:
    touch(tmp_path, VOXCELEB2)
    whole = [r for r in voxceleb2(tmp_path) if r.id.startswith("dev")]
    for root, prefix in ((tmp_path / "dev", "dev/"), (tmp_path / "dev/mp4", "dev/mp4/")):
        part = voxceleb2(root)
        assert [f"{prefix}{r.id}" for r in part] == [r.id for r in whole]
        assert [(r.video, r.audio) for r in part] == [(r.video, r.audio) for r in whole]


@pytest.mark.parametrize("names", [[], ["dev/mp4/notes.txt"], ["id1/session/00001.mp4"]])
def test_another_layout_is_answered_with_the_right_one(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, names)
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ManifestError, match=r"expected \[dev/\|test/\]mp4/<person>/<session>"):
            voxceleb2(root)


def manifest(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_a_manifest_with_splits(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "id,video,audio,label,fold,split\n1,a.mkv,a.mkv,,,train\n2,b.mkv,b.wav,fear,,val\n"
        "3,,c.wav,,,train\n4,d,,,,train\n5,e,e.wav,9,,train\n",
    )
    found, skipped = from_manifest(path)
    assert found == [Recording("1", tmp_path / "a.mkv", None), Recording("5", tmp_path / "e", tmp_path / "e.wav")]
    assert skipped == {"3": "the manifest names no video", "4": "the manifest names no sound"}
    assert [r.id for r in from_manifest(path, ("train", "val"))[0]] == ["1", "2", "5"]
    with pytest.raises(ManifestError, match="no clips of the split test; the manifest has train, val"):
        from_manifest(path, ("test",))


def test_a_manifest_without_splits_or_labels(tmp_path: Path) -> None:
    for text in ("id,video,audio\n1,a,a.wav\n2,b,b.wav\n", "id,video,audio,label,split\n1,a,a.wav,x,\n2,b,b.wav,,\n"):
        found, skipped = from_manifest(manifest(tmp_path, text))
        assert [r.id for r in found] == ["1", "2"]
        assert not skipped


def test_a_manifest_without_both_streams(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none of 1 clips has both"):
        from_manifest(manifest(tmp_path, "id,video,audio\n1,a,\n"))
    with pytest.raises(ManifestError, match="cannot read"):
        from_manifest(tmp_path / "gone.csv")


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
    touch(folder, ["notes.txt", "._a.mp4", ".hidden/a.mp4"])
    seen: list[int] = []
    found, skipped = videos(folder, store, make_detector=somebody, on_video=lambda: seen.append(1))
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
    assert videos(folder, store, make_detector=never)[0] == found


def test_a_video_that_failed_is_tried_again_when_it_changes(tmp_path: Path) -> None:
    folder, store = tmp_path / "raw", tmp_path / "store"
    scene(folder / "a.mkv")
    (folder / "b.mp4").write_bytes(b"half a video")
    _, first = videos(folder, store, make_detector=somebody)
    started: list[Path] = []

    def counting() -> FakeDetector:
        started.append(folder)
        return somebody()

    _, again = videos(folder, store, make_detector=counting)
    assert again == first
    assert started == []
    shutil.copy(folder / "a.mkv", folder / "b.mp4")
    found, skipped = videos(folder, store, make_detector=counting)
    assert [r.id for r in found] == ["a.mkv", "b.mp4"]
    assert skipped == []
    (store / "clips.jsonl").write_text("[1, 2]")
    assert len(videos(folder, store, make_detector=counting)[0]) == 2


def test_a_store_inside_the_folder_is_not_read_again(tmp_path: Path) -> None:
    scene(tmp_path / "a.mkv")
    for _ in range(2):
        found, _ = videos(tmp_path, tmp_path / "store", make_detector=somebody)
        assert [r.id for r in found] == ["a.mkv"]
    with pytest.raises(ManifestError, match="elsewhere"):
        videos(tmp_path, tmp_path / "store" / "..", make_detector=somebody)


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    scene(folder / "a.mkv")
    scene(tmp_path / "outside" / "b.mkv")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "c.mkv").symlink_to(tmp_path / "outside" / "b.mkv")
    found, _ = videos(folder, tmp_path / "store", make_detector=somebody)
    assert [r.id for r in found] == ["a.mkv"]


def test_nothing_to_use_is_an_error(tmp_path: Path) -> None:
    folder, store = tmp_path / "raw", tmp_path / "store"
    for missing in (folder, tmp_path):
        with pytest.raises(ManifestError, match="no videos in this folder"):
            videos(missing, store, make_detector=somebody)
    scene(folder / "a.mkv")
    with pytest.raises(ManifestError, match=r"none of 1 videos can be used; the first: .*no face was found"):
        videos(folder, store, make_detector=nobody)
    assert sorted(path.name for path in store.rglob("*")) == [".lock", "clips.jsonl"]
