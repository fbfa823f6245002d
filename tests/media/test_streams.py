"""Open streams are read as their file is, with the same protection."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import MediaError
from hicmae_cli.media import probe, read_audio_blocks, sample_frames
from hicmae_cli.media.streams import ByteStream
from tests.media.hostile import HOSTILE
from tests.media.make import clicks, make_video, numbered_frames

CONTENT = bytes(range(256)) * 3
steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["read", "set", "move", "end"]), st.integers(0, 300)), max_size=30
)


@given(steps)
def test_every_reader_has_its_own_position(steps: list[tuple[int, str, int]]) -> None:
    stream = ByteStream(io.BytesIO(CONTENT))
    readers = [stream.open() for _ in range(3)]
    plain = [io.BytesIO(CONTENT) for _ in range(3)]
    for number, action, amount in steps:
        mine, theirs = readers[number], plain[number]
        if action == "read":
            assert mine.read(amount) == theirs.read(amount)
        else:
            whence, sign = {"set": (io.SEEK_SET, 1), "move": (io.SEEK_CUR, 1), "end": (io.SEEK_END, -1)}[action]
            assert mine.seek(sign * amount, whence) == theirs.seek(sign * amount, whence)
        assert mine.tell() == theirs.tell()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_picture_and_sound_are_read_side_by_side(tmp_path: Path, suffix: str) -> None:
    path = make_video(
        tmp_path / f"a{suffix}",
        numbered_frames(50),
        [i / 25 for i in range(50)],
        audio=clicks([0.5, 1.5], 2.0, 48_000),
        audio_codec="aac" if suffix == ".mp4" else "pcm_s16le",
    )
    stream = ByteStream(io.BytesIO(path.read_bytes()), "mine")
    assert str(stream) == "mine"
    expected, got = probe(path), probe(stream)
    assert got.path == Path("mine")
    assert (got.duration_s, got.fps, got.has_audio) == (expected.duration_s, expected.fps, expected.has_audio)
    frames, blocks = sample_frames(stream, 0.1), read_audio_blocks(stream, 0.1)  # both open at the same time
    pairs = list(zip(frames, blocks, strict=False))
    assert len(pairs) >= 19
    plain = zip(sample_frames(path, 0.1), read_audio_blocks(path, 0.1), strict=False)
    for (frame, block), (true_frame, true_block) in zip(pairs, plain, strict=True):
        assert frame.time_s == true_frame.time_s
        np.testing.assert_array_equal(frame.rgb, true_frame.rgb)
        np.testing.assert_array_equal(block, true_block)


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return 0


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (io.BytesIO(b""), "stream: is empty"),
        (io.StringIO("text"), "stream: expected a binary stream, got text"),
        (io.BufferedReader(Pipe()), "stream: expected an open, seekable stream"),
    ],
)
def test_streams_that_cannot_be_read_are_named(stream: io.BytesIO, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        ByteStream(stream)


def test_a_closed_stream_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"abc")
    with (tmp_path / "a.mp4").open("rb") as file:
        pass
    with pytest.raises(MediaError, match=r"a\.mp4: expected an open, seekable stream \(.*closed"):
        ByteStream(file)


@pytest.mark.parametrize("head", [b"#EXTM3U\n", b"\n\xef\xbb\xbfffconcat version 1.0\n", b"<?xml version='1.0'?><MPD>"])
def test_playlists_are_refused(head: bytes) -> None:
    with pytest.raises(MediaError, match="stream: is a playlist that points at other files"):
        probe(ByteStream(io.BytesIO(head + b"file:///etc/passwd\n")))


@pytest.mark.parametrize("name", ["png_8190.mov", "rate_2g.wav"])
def test_hostile_content_is_refused_as_in_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    HOSTILE[name](path)
    with pytest.raises(MediaError) as of_file:
        probe(path)
    with pytest.raises(MediaError) as of_stream:
        probe(ByteStream(io.BytesIO(path.read_bytes()), str(path)))
    assert str(of_stream.value) == str(of_file.value)
