"""Untrusted, broken and missing files: one clear line each, and nothing else opened."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from hicmae_cli.errors import MediaError
from hicmae_cli.media import probe, read_audio, read_audio_blocks, read_frames, sample_frames, source, write_video
from tests.media.make import clicks, make_sound, make_video, numbered_frames


def _refused(path: Path) -> str:
    """The message all the readers agree on."""
    messages = set()
    for read in (probe, lambda p: list(read_frames(p)), lambda p: list(sample_frames(p, 0.1)), read_audio):
        with pytest.raises(MediaError) as caught:
            read(path)
        messages.add(str(caught.value))
    assert len(messages) == 1
    message = messages.pop()
    assert "\n" not in message
    assert path.name in message
    return message


def _clip(path: Path, seconds: int = 4, options: dict[str, str] | None = None) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (25 * seconds, 48, 64, 3), np.uint8)
    return make_video(
        path,
        list(noise),
        [Fraction(i, 25) for i in range(25 * seconds)],
        audio=clicks([0.5, 1.5], seconds, 48_000),
        audio_codec="aac" if path.suffix == ".mp4" else "pcm_s16le",
        container_options=options,
        options={"g": "5"},
    )


def test_missing(tmp_path: Path) -> None:
    assert "no such file" in _refused(tmp_path / "gone.mp4")


def test_directory(tmp_path: Path) -> None:
    assert "is a directory" in _refused(tmp_path)


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "is empty" in _refused(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    assert "not a regular file" in _refused(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = _clip(tmp_path / "a.mkv")
    path.chmod(0)
    assert "permissions" in _refused(path)


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.mp4", "a\0b.mp4", "x" * 5000, "pipe:0", "data:,x"])
def test_names_that_are_no_paths(name: str) -> None:
    with pytest.raises(MediaError) as caught:
        probe(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mp4", ".txt", ".nfo", ".ans", ".mkv", ".wav", ".srt", ""])
@pytest.mark.parametrize("content", [b"Dear diary, nothing to see here.\n" * 50, b"\0" * 5000, bytes(range(256)) * 30])
def test_not_media(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"notes{suffix}"
    path.write_bytes(content)
    assert "media file" in _refused(path) or "no video and no audio" in _refused(path)


def test_subtitles_only(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n00:00:01,000 --> 00:00:02,000\nWorld\n")
    assert "no video and no audio" in _refused(path)


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    plain = make_sound(tmp_path / "plain.mp3", clicks([0.5], 1.0, 48_000), 48_000, "mono", "libmp3lame")
    picture = tmp_path / "cover.mkv"
    write_video(picture, numbered_frames(1), 1, video_codec="mjpeg")
    path = tmp_path / "cover.mp3"
    with av.open(str(plain)) as sound, av.open(str(picture)) as cover, av.open(str(path), "w") as out:
        to_sound = out.add_stream_from_template(sound.streams.audio[0])
        to_cover = out.add_stream_from_template(cover.streams.video[0])
        to_cover.disposition = av.stream.Disposition.attached_pic
        for source, target in ((cover, to_cover), (sound, to_sound)):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = target
                    out.mux(packet)
    with av.open(str(path)) as check:
        assert len(check.streams.video) == 1
    info = probe(path)
    assert (info.has_video, info.has_audio) == (False, True)
    assert len(read_audio(path)) == pytest.approx(16_000, abs=1500)
    with pytest.raises(MediaError, match="no video"):
        next(read_frames(path))


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_truncated_file_gives_what_is_there(tmp_path: Path, suffix: str, keep: float) -> None:
    options = {"movflags": "+frag_keyframe"} if suffix == ".mp4" else {}
    path = _clip(tmp_path / f"a{suffix}", options=options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    frames = list(read_frames(path))
    assert 0 < len(frames) <= keep * 100 + 15
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(len(frames))], abs=2e-3)
    assert probe(path).video_duration_s == pytest.approx(len(frames) / 25, abs=0.3)
    assert len(read_audio(path)) > 0


def test_every_stream_that_cannot_be_decoded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(
        tmp_path / "a.mkv", numbered_frames(3, 128, 64), [0, 0.04, 0.08], audio=clicks([0.05], 0.1, 48_000)
    )
    monkeypatch.setattr(source, "_MAX_PIXELS", 100 * 64)
    (warning,) = probe(path).warnings
    assert warning.startswith("the video (h264) cannot be decoded and is ignored: its pictures of 128 x 64 pixels")
    monkeypatch.setattr(source, "_MAX_CHANNELS", 0)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    assert "nothing in them can be decoded: the video (h264): its pictures of 128 x 64" in str(caught.value)
    assert "; the sound (pcm_s16le): it states 48000 samples per second" in str(caught.value)


def test_packets_are_reported_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _clip(tmp_path / "a.mkv", seconds=2)
    calls: list[None] = []
    probe(path, on_packet=lambda: calls.append(None))
    assert calls
    monkeypatch.setattr(source, "_CALL_EVERY_S", 0.0)
    calls.clear()
    probe(path, on_packet=lambda: calls.append(None))
    assert len(calls) >= 50 + 2 * 48_000 / 4096


def test_pictures_after_the_end_of_the_sound_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigabytes of pictures can follow: nothing is decoded of them, but the reader is at work."""
    monkeypatch.setattr(source, "_CALL_EVERY_S", 0.0)
    path = make_video(
        tmp_path / "a.mp4",
        numbered_frames(40) * 5,
        [Fraction(i, 25) for i in range(200)],
        audio=clicks([0.5], 1.0, 48_000),
        audio_codec="aac",
    )
    calls: list[None] = []
    blocks = list(read_audio_blocks(path, 0.5, on_packet=lambda: calls.append(None)))
    assert sum(map(len, blocks)) == pytest.approx(16_000, abs=1500)
    assert len(calls) >= 200


def test_truncation_is_reported(tmp_path: Path) -> None:
    path = _clip(tmp_path / "a.mkv", seconds=6)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert any("cut short" in warning for warning in probe(path).warnings)


@pytest.mark.parametrize("start_s", [3, 30])
def test_a_whole_file_that_starts_late_is_not_called_cut_short(tmp_path: Path, start_s: int) -> None:
    path = make_video(tmp_path / "a.mkv", numbered_frames(100), [start_s + Fraction(i, 25) for i in range(100)])
    assert probe(path).warnings == ()
    assert probe(path).duration_s == pytest.approx(4.0, abs=0.01)


def test_index_lost_with_the_end(tmp_path: Path) -> None:
    path = _clip(tmp_path / "a.mp4")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in _refused(path)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("seed", range(4))
def test_damage_in_the_middle_never_crashes(tmp_path: Path, suffix: str, seed: int) -> None:
    path = _clip(tmp_path / f"a{suffix}", options={"movflags": "+faststart"} if suffix == ".mp4" else {})
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for start in rng.integers(len(data) // 3, len(data) - 200, 8):
        data[start : start + 150] = rng.bytes(150)
    path.write_bytes(data)
    times_s = [f.time_s for f in read_frames(path)]
    assert len(times_s) > 10
    assert all(a < b for a, b in pairwise(times_s))
    samples = read_audio(path)
    assert np.isfinite(samples).all()
    probe(path)


@pytest.fixture
def visited() -> Iterator[tuple[int, list[str]]]:
    """A port, and who knocked at it."""
    visitors: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                visitors.append("someone")
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], visitors
        done.set()
        thread.join()


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.mpd", "list.sdp", "list.ffconcat"])
@pytest.mark.parametrize("kind", ["hls", "dash", "dash-xml", "concat", "sdp"])
@pytest.mark.parametrize("target", ["remote", "local"])
def test_nothing_else_is_opened(
    tmp_path: Path, visited: tuple[int, list[str]], name: str, kind: str, target: str
) -> None:
    port, visitors = visited
    secret = _clip(tmp_path / "secret.mkv", seconds=1)
    url = f"http://127.0.0.1:{port}/a.ts" if target == "remote" else secret.as_uri()
    path = tmp_path / name
    dash = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    path.write_text(
        {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
            "dash": dash,
            "dash-xml": f'<?xml version="1.0"?>\n<!-- {"x" * 5000} -->\n{dash}',
            "concat": f"ffconcat version 1.0\nfile '{secret if target == 'local' else url}'\n",
            "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0",
        }[kind]
    )
    _refused(path)
    assert not visitors


def test_huge_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "bomb.mkv", numbered_frames(2), [0, 0.04], codec="ffv1", pixel_format="gray")
    monkeypatch.setattr(source, "_MAX_PIXELS", 64 * 48 - 1)
    assert "decoded" in _refused_video(path)
    monkeypatch.setattr(source, "_MAX_PIXELS", 1 << 20)
    assert len(list(read_frames(path))) == 2


def _refused_video(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        next(read_frames(path))
    return str(caught.value)


def test_a_whole_file(tmp_path: Path) -> None:
    path = _clip(tmp_path / "a.mkv")
    info = probe(path)
    assert (info.width_px, info.height_px) == (64, 48)
    assert info.fps == 25
    assert info.duration_s == pytest.approx(4.0, abs=0.05)
    assert info.audio_duration_s == pytest.approx(4.0, abs=0.05)
    assert not info.is_vfr
    assert info.warnings == ()
