from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hicmae_cli.clips import prepare, read_prepared_clip
from hicmae_cli.clips.prepare import ClipFacts, prepare_clip
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import align_face
from hicmae_cli.faces.fake import FakeDetector, FakeFace
from hicmae_cli.media import write_video


def scene(path: Path, samples: np.ndarray | None) -> Path:
    """Two seconds at 10 frames/s: a bright square of 80 pixels on grey, on the left."""
    picture = np.full((160, 240, 3), 60, np.uint8)
    picture[40:120, 30:110] = 220
    write_video(path, [picture] * 20, 10, samples)
    return path


def test_frame_i_keeps_its_time_and_the_largest_face_is_cut(tmp_path: Path) -> None:
    samples = np.linspace(-0.5, 0.5, 32000).astype(np.float32)
    source = scene(tmp_path / "scene.mkv", samples)
    detector = FakeDetector([FakeFace(0.5, 9, (70, 80), 80), FakeFace(0, 9, (190, 80), 30)])
    # Until half a second only the small face on the grey wall is there.
    assert prepare_clip(source, tmp_path / "clip.mkv", detector).face_coverage == 1.0
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv")
    assert isinstance(clip.frames, np.ndarray) and clip.num_frames == 20
    brightness = clip.frames.mean(axis=(1, 2, 3))
    assert brightness[:5].max() < 80
    assert brightness[5:].min() > 180
    assert clip.samples is not None and len(clip.samples) == pytest.approx(32000, abs=200)


def test_a_frame_without_a_face_is_black_and_counted(tmp_path: Path) -> None:
    source = scene(tmp_path / "scene.mkv", None)
    facts = prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([FakeFace(0, 1, (70, 80), 80)]))
    assert facts == ClipFacts(0.5, video_s=2.0, sound_s=0.0, is_silent=False)
    clip = read_prepared_clip(tmp_path / "clip.mkv", None)
    assert isinstance(clip.frames, np.ndarray)
    assert clip.frames[10:].max() < 8 and clip.frames[:10].mean() > 180


def test_nobody_there_writes_nothing(tmp_path: Path) -> None:
    source = scene(tmp_path / "scene.mkv", None)
    with pytest.raises(MediaError, match="no face was found in any of its 20 frames"):
        prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([]))
    assert [path.name for path in tmp_path.iterdir()] == ["scene.mkv"]


def test_what_was_there_survives_a_video_without_faces(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv").write_bytes(b"old")
    with pytest.raises(MediaError, match="no face"):
        prepare_clip(scene(tmp_path / "scene.mkv", None), tmp_path / "clip.mkv", FakeDetector([]))
    assert (tmp_path / "clip.mkv").read_bytes() == b"old"


def test_frames_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of faces would not fit in memory: no face is held until the next one is asked for."""
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watched(*arguments: Any) -> np.ndarray:
        nonlocal most
        face = align_face(*arguments)
        alive.append(weakref.ref(face))
        most = max(most, sum(ref() is not None for ref in alive))
        return face

    monkeypatch.setattr(prepare, "align_face", watched)
    source = scene(tmp_path / "scene.mkv", np.zeros(32000, np.float32))
    prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([FakeFace(0, 9, (70, 80), 80)]))
    assert len(alive) == 20
    assert most <= 4


def test_sound_alone_cannot_be_prepared(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "voice.wav", np.zeros(16000), 16000)
    with pytest.raises(MediaError, match="no video"):
        prepare_clip(tmp_path / "voice.wav", tmp_path / "clip.mkv", FakeDetector([]))
