"""Streams and arrays give the result of their file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.media import read_audio, read_frames
from tests.faces.fake import FakeFace
from tests.runtime.stubs import voice, write_clip
from tests.runtime.test_predictor import LEFT, predict, starts


def test_streams_and_arrays_are_predicted_as_their_file_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 6.0)
    expected = predict(path, LEFT)
    with path.open("rb") as file:
        file.seek(1000)  # wherever it stands
        from_file = predict(file, LEFT)
        assert not file.closed
    from_memory = predict(io.BytesIO(path.read_bytes()), LEFT)
    frames = list(read_frames(path))
    pictures = {"frames": np.stack([f.rgb for f in frames]), "times_s": [f.time_s for f in frames]}
    both = predict({**pictures, "samples": read_audio(path), "sample_rate_hz": 16000, "name": "mine"}, LEFT)  # type: ignore[arg-type]
    for result, name in ((from_file, str(path)), (from_memory, "stream"), (both, "mine")):
        assert (str(result.path), result.status) == (name, "ok"), result.message
        assert [track.to_dict() for track in result.tracks] == [track.to_dict() for track in expected.tracks]
        assert (result.width_px, result.height_px, result.fps) == (128, 96, 25)
        assert result.duration_s == pytest.approx(expected.duration_s)
    seen = predict(pictures, LEFT)  # type: ignore[arg-type]
    assert (seen.status, seen.tracks[0].modality) == ("ok", "video")
    heard = predict({"samples": read_audio(path), "sample_rate_hz": 16000})
    assert (heard.status, heard.tracks[0].modality) == ("ok", "audio")


def test_a_relative_path_records_where_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = voice(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert predict(Path("a.wav"), modality="audio").folder == tmp_path
    assert predict(path, modality="audio").folder is None
    assert predict(io.BytesIO(path.read_bytes()), modality="audio").folder is None


def test_a_stream_that_is_no_media_is_a_result() -> None:
    for content in (b"", b"this is text\n" * 99, b"#EXTM3U\nhttp://localhost/a.ts\n"):
        result = predict(io.BytesIO(content))
        assert (result.status, result.failed) == ("error", True)
        assert result.message.startswith("stream: ")
    assert "open the file with mode 'rb'" in predict(io.StringIO("text")).message  # type: ignore[arg-type]


def test_arrays_keep_their_own_clock() -> None:
    """Pictures that appear later than the sound starts: the windows start with them."""
    result = predict(
        {
            "frames": np.full((75, 96, 128, 3), 128, np.uint8),
            "times_s": np.arange(75) / 25 + 1.0,
            "samples": np.full(64000, 0.1, np.float32),
            "sample_rate_hz": 16000,
        },
        FakeFace(0.0, 100.0, (32.0, 48.0), 50.0),
    )
    assert starts(result)[0] == 1.0
    assert result.tracks[0].windows[-1].end_s == pytest.approx(4.0, abs=0.01)
    assert result.tracks[0].windows[0].boxes[0].time_s == 1.0
