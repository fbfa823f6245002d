"""Properties of files that were made with known ones."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.media import MediaInfo, probe
from tests.media.make import make_sound, make_video, numbered_frames


def test_video_with_sound(tmp_path: Path) -> None:
    times_s = [Fraction(i, 30) for i in range(30)]
    sound = np.zeros((1, 72_000), np.float32)
    info = probe(make_video(tmp_path / "a.mp4", numbered_frames(30), times_s, audio=sound, audio_codec="aac"))
    assert (info.has_video, info.has_audio, info.is_vfr, info.rotation_deg) == (True, True, False, 0)
    assert (info.width_px, info.height_px, info.warnings, info.missing_s) == (64, 48, (), 0)
    assert info.fps == 30
    assert info.video_duration_s == pytest.approx(1.0, abs=0.01)
    assert info.audio_duration_s == pytest.approx(1.5, abs=0.05)
    assert info.duration_s == info.audio_duration_s


def test_sound_alone(tmp_path: Path) -> None:
    info = probe(make_sound(tmp_path / "a.wav", np.zeros((1, 8000), np.float32), 16_000, "mono", "pcm_s16le"))
    assert (info.has_video, info.has_audio, info.fps, info.width_px) == (False, True, None, 0)
    assert info.duration_s == pytest.approx(0.5) and info.video_duration_s == 0


def test_uneven_times_are_a_variable_rate(tmp_path: Path) -> None:
    times_s = [Fraction(i, 25) + (Fraction(1, 50) if i % 2 else 0) for i in range(20)]
    assert probe(make_video(tmp_path / "a.mkv", numbered_frames(20), times_s)).is_vfr


@pytest.mark.parametrize(
    ("has_video", "has_audio", "size"), [(False, False, (0, 0)), (True, True, (0, 48)), (True, False, (64, 0))]
)
def test_inconsistent_properties_are_refused(has_video: bool, has_audio: bool, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"a\.mp4: expected"):
        MediaInfo(Path("a.mp4"), 1.0, has_video, has_audio, width_px=size[0], height_px=size[1])
