"""Damaged files of many kinds, the same for the same seed, and a child process that reads them one after the other."""

from __future__ import annotations

import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError
from hicmae_cli.media import probe, read_audio, read_audio_blocks, read_frames, sample_frames
from hicmae_cli.memory import peak_resident_mb
from tests.media.make import make_sound, make_video

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="CPU time of a child is limited by POSIX")

SAMPLE = Path(__file__).parents[2] / "docs" / "assets" / "speech_sample.mp4"
_CPU_LIMIT_S = 25  # of one file; a child that takes more is ended
_Field = tuple[int, str]  # offset, and `struct` format of what is there

_EXTREMES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def bases() -> dict[str, bytes]:
    """A short clip of two people in 13 containers, by file name."""
    pictures = [frame.rgb[::2, ::2] for frame in islice(read_frames(SAMPLE), 18)]
    pictures = [np.ascontiguousarray(p[: p.shape[0] // 2 * 2, : p.shape[1] // 2 * 2]) for p in pictures]
    times_s = [Fraction(index, 12) for index in range(18)]
    sound = read_audio(SAMPLE, 0, 1.5)[None]
    videos = {
        "h264_aac.mp4": ("libx264", "yuv420p", "aac", {"bf": "2", "g": "9"}, {}),
        "fragments.mp4": ("libx264", "yuv420p", "aac", {"g": "6"}, {"movflags": "+frag_keyframe+empty_moov"}),
        "mjpeg_pcm.mov": ("mjpeg", "yuvj420p", "pcm_s16le", {}, {}),
        "h264_aac.mov": ("libx264", "yuv420p", "aac", {}, {"movflags": "+faststart"}),
        "h264_flac.mkv": ("libx264", "yuv420p", "flac", {"g": "6"}, {}),
        "mjpeg_flac.mkv": ("mjpeg", "yuvj444p", "flac", {"strict": "unofficial"}, {}),
        "vp8_opus.webm": ("libvpx", "yuv420p", "libopus", {"deadline": "realtime"}, {}),
        "h264_aac.ts": ("libx264", "yuv420p", "aac", {"bf": "2"}, {}),
    }
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, pixel_format, audio_codec, options, container_options) in videos.items():
            path = make_video(
                Path(folder) / name,
                pictures,
                times_s,
                codec=codec,
                pixel_format=pixel_format,
                audio=sound,
                audio_rate_hz=16_000,
                audio_codec=audio_codec,
                options=options,
                container_options=container_options,
            )
            made[name] = path.read_bytes()
        for name, codec in (("sound.wav", "pcm_s16le"), ("sound.flac", "flac"), ("sound.mp3", "libmp3lame")):
            made[name] = make_sound(Path(folder) / name, sound, 16_000, "mono", codec).read_bytes()
        small = [np.ascontiguousarray(picture[::2, ::2]) for picture in pictures]
        path = make_video(Path(folder) / "a.gif", small, times_s, codec="gif", pixel_format="rgb8")
        made["pictures.gif"] = path.read_bytes()
        made["mpeg4_pcm.avi"] = _avi(Path(folder) / "a.avi", pictures, sound)
    return made


def _avi(path: Path, pictures: list[NDArray[np.uint8]], sound: NDArray[np.float32]) -> bytes:
    """Made here, as AVI's clock ticks once a picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=12)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.codec_context.thread_count = "yuv420p", 1
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for picture in pictures:
            container.mux(video.encode(VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        container.mux(video.encode(None))
        samples = np.round(sound * 32767).astype(np.int16)
        for start in range(0, samples.shape[1], 1600):
            piece = AudioFrame.from_ndarray(samples[:, start : start + 1600], format="s16", layout="mono")
            piece.sample_rate, piece.pts = 16_000, start
            container.mux(audio.encode(piece))
        container.mux(audio.encode(None))
    return path.read_bytes()


def mutations(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Files damaged at random: name and content."""
    rng = np.random.default_rng(seed)
    names, kinds = list(bases()), list(_MUTATORS)
    for index in range(count):
        base, kind = names[index % len(names)], kinds[int(rng.integers(len(kinds)))]
        other = bases()[names[int(rng.integers(len(names)))]]
        yield f"{index:04}_{kind}_{base}", _MUTATORS[kind](bytearray(bases()[base]), other, rng)


def field_mutations(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Files of which one to three sizes, clocks, rates or counts are changed: name and content."""
    rng = np.random.default_rng(seed)
    fields = {name: _fields(name, data) for name, data in bases().items()}
    names = [name for name, there in fields.items() if there]
    for index in range(count):
        name = names[index % len(names)]
        content = bytearray(bases()[name])
        for _ in range(int(rng.integers(1, 4))):
            offset, kind = fields[name][int(rng.integers(len(fields[name])))]
            (old,) = struct.unpack_from(kind, content, offset)
            limit = 1 << 8 * struct.calcsize(kind)
            choices = [*_EXTREMES, old + 1, old - 1, old * 2, old << 8, int(rng.integers(limit, dtype=np.uint64))]
            struct.pack_into(kind, content, offset, int(choices[int(rng.integers(len(choices)))]) % limit)
        yield f"{index:04}_fields_{name}", bytes(content)


def _flip(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for at in rng.integers(len(data), size=int(rng.integers(1, 60))):
        data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _noise(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for at in rng.integers(len(data), size=int(rng.integers(1, 8))):
        length = int(rng.integers(1, 200))
        data[at : at + length] = rng.bytes(min(length, len(data) - int(at)))
    return bytes(data)


def _head(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for at in rng.integers(min(600, len(data)), size=int(rng.integers(1, 12))):
        data[at] = int(rng.integers(256))
    return bytes(data)


def _cut(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return bytes(data[: int(rng.integers(1, len(data)))])


def _hole(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _block(data, rng)
    return bytes(data[:at] + data[at + length :])


def _zeros(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _block(data, rng)
    data[at : at + length] = bytes([int(rng.choice([0, 255]))]) * length
    return bytes(data)


def _twice(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _block(data, rng)
    return bytes(data[: at + length] + data[at:])


def _swap(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _block(data, rng)
    to, _ = _block(data, rng)
    first, second = bytes(data[at : at + length]), bytes(data[to : to + length])
    data[at : at + len(second)], data[to : to + len(first)] = second, first
    return bytes(data)


def _insert(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _block(data, rng)
    return bytes(data[:at] + rng.bytes(length) + data[at:])


def _splice(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return bytes(data[: int(rng.integers(1, len(data)))]) + other[int(rng.integers(len(other))) :]


def _block(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    at = int(rng.integers(len(data)))
    return at, min(int(2 ** rng.uniform(0, 13)), len(data) - at)


_MUTATORS: dict[str, Callable[[bytearray, bytes, np.random.Generator], bytes]] = {
    "flip": _flip,
    "noise": _noise,
    "head": _head,
    "cut": _cut,
    "hole": _hole,
    "zeros": _zeros,
    "twice": _twice,
    "swap": _swap,
    "insert": _insert,
    "splice": _splice,
}

# Of boxes (ISO/IEC 14496-12): fields by their distance from the box's name.
_BOXES: dict[bytes, tuple[_Field, ...]] = {
    b"mvhd": ((16, ">I"), (20, ">I"), (24, ">I")),
    b"tkhd": ((24, ">I"), (44, ">I"), (48, ">I"), (80, ">I"), (84, ">I")),
    b"mdhd": ((16, ">I"), (20, ">I")),
    b"elst": ((8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    b"stts": ((8, ">I"), (12, ">I"), (16, ">I")),
    b"ctts": ((8, ">I"), (12, ">I"), (16, ">I"), (24, ">I")),
    b"stsz": ((8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    b"stsc": ((8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    b"stco": ((8, ">I"), (12, ">I")),
    b"stss": ((8, ">I"), (12, ">I")),
    b"avc1": ((28, ">H"), (30, ">H")),
    b"jpeg": ((28, ">H"), (30, ">H")),
    b"mp4a": ((20, ">H"), (22, ">H"), (28, ">I")),
    b"sowt": ((20, ">H"), (22, ">H"), (28, ">I")),
    b"tfhd": ((8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    b"tfdt": ((8, ">I"), (12, ">I")),
    b"trun": ((8, ">I"), (12, ">I"), (16, ">I"), (20, ">I"), (24, ">I")),
    b"pasp": ((4, ">I"), (8, ">I")),
    **dict.fromkeys((b"moov", b"trak", b"mdia", b"stbl", b"stsd", b"mdat", b"moof", b"avcC"), ((-4, ">I"),)),
}
# Of EBML elements: identifiers of numbers (matroska.org/technical/elements.html).
_ELEMENTS = (
    b"\x2a\xd7\xb1",
    b"\x44\x89",
    b"\xb0",
    b"\xba",
    b"\xb5",
    b"\x9f",
    b"\x23\xe3\x83",
    b"\xe7",
    b"\xf7",
    b"\xf1",
    b"\x54\xb0",
    b"\x54\xba",
    b"\x56\xaa",
    b"\x56\xbb",
    b"\x83",
    b"\x62\x64",
)
# Of chunks in RIFF files: fields by their distance from the chunk's name.
_CHUNKS: dict[bytes, tuple[_Field, ...]] = {
    b"RIFF": ((4, "<I"),),
    b"fmt ": ((4, "<I"), (8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H"), (22, "<H")),
    b"data": ((4, "<I"),),
    b"avih": ((8, "<I"), (12, "<I"), (24, "<I"), (32, "<I"), (36, "<I"), (40, "<I"), (44, "<I")),
    b"strh": ((24, "<I"), (28, "<I"), (32, "<I"), (36, "<I"), (40, "<I"), (48, "<I"), (52, "<I")),
    b"strf": ((4, "<I"), (12, "<I"), (16, "<I"), (20, "<H"), (22, "<H")),
    b"idx1": ((4, "<I"), (16, "<I"), (20, "<I")),
}


def _fields(name: str, data: bytes) -> list[_Field]:
    """Where the sizes, clocks, rates and counts of a file are."""
    found: list[_Field] = []
    suffix = Path(name).suffix
    if suffix in (".mp4", ".mov", ".wav", ".avi"):
        tables = _CHUNKS if suffix in (".wav", ".avi") else _BOXES
        for key, fields in tables.items():
            found += [(at + offset, kind) for at in _all(data, key) for offset, kind in fields]
    elif suffix in (".mkv", ".webm"):
        for key in _ELEMENTS:
            for at in _all(data[:2000], key):
                size = data[at + len(key)] ^ 0x80
                if size in (1, 2, 4, 8):
                    found.append((at + len(key) + 1, {1: ">B", 2: ">H", 4: ">I", 8: ">Q"}[size]))
        for key in (b"\xe7", b"\xa3"):  # clocks of clusters and blocks
            found += [(at + 2, ">H") for at in _all(data, key)][:40]
    elif suffix == ".gif":
        found += [(6, "<H"), (8, "<H")]
        for at in _all(data, b"\x21\xf9\x04"):
            found += [(at + 4, "<H"), (at + 9, "<H"), (at + 11, "<H"), (at + 13, "<H"), (at + 15, "<H")]
    elif suffix == ".ts":
        found += [(at + offset, ">I") for at in _all(data, b"\0\0\1\xe0") for offset in (4, 9, 10, 14)]
        found += [(at + offset, ">I") for at in _all(data, b"\0\0\1\xc0") for offset in (4, 9, 10)]
        found += [(at + offset, ">B") for at in range(0, len(data), 188) for offset in (1, 3, 4)][:60]
    elif suffix == ".flac":
        found += [(8, ">H"), (10, ">H"), (12, ">I"), (15, ">I"), (18, ">I"), (22, ">I")]
    return [(at, kind) for at, kind in found if 0 <= at <= len(data) - struct.calcsize(kind)]


def _all(data: bytes, key: bytes) -> list[int]:
    places, at = [], data.find(key)
    while at >= 0:
        places.append(at)
        at = data.find(key, at + 1)
    return places


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        name: of the file.
        said: ``ok``, ``error: `` with the sentence, ``unexpected: `` with another exception, or ``died: `` with the
            number of the signal.
        cpu_s: CPU time taken.
        peak_mb: Most memory the child held meanwhile, in all; 0 if it died or where the system does not tell.
    """

    name: str
    said: str
    cpu_s: float
    peak_mb: float


def read_media(path: Path) -> None:
    """All that the media room does to a file."""
    info = probe(path)
    if info.has_video:
        for frame in sample_frames(path, 0.16):
            assert max(frame.rgb.shape) <= 4096
    if info.has_audio:
        for _ in read_audio_blocks(path):
            pass


def run_all(
    files: Iterable[tuple[str, bytes]], folder: Path, function: str = "tests.media.mutations:read_media"
) -> Iterator[Outcome]:
    """Give files to a function in a child process, which is started again when it dies.

    Args:
        files: Names and contents.
        folder: Where to put them, one at a time.
        function: Module and name of what takes a path.
    """
    child: subprocess.Popen[str] | None = None
    try:
        for name, content in files:
            path = folder / name
            path.write_bytes(content)
            if child is None:
                child = subprocess.Popen(
                    [sys.executable, "-c", f"from tests.media.mutations import serve; serve({function!r})"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(f"{path}\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if line:
                yield Outcome(name, **json.loads(line))
            else:
                yield Outcome(name, f"died: {-child.wait()}", 0.0, 0.0)
                child = None
            path.unlink()
    finally:
        if child is not None:
            child.kill()
            child.wait()


def serve(function: str) -> None:
    """The child: a path on each line of its input, an answer on each line of its output."""
    import resource  # which Windows has not

    module, _, name = function.partition(":")
    work: Callable[[Path], object] = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        before_s = _cpu_s()
        resource.setrlimit(resource.RLIMIT_CPU, (int(before_s) + _CPU_LIMIT_S, resource.RLIM_INFINITY))
        _forget_peak()
        try:
            work(Path(line.rstrip("\n")))
            said = "ok"
        except HicmaeError as error:
            said = f"error: {error}"
        except Exception as error:
            said = f"unexpected: {error!r}"
        answer = {"said": said, "cpu_s": _cpu_s() - before_s, "peak_mb": peak_resident_mb()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _forget_peak() -> None:
    marks = Path("/proc/self/clear_refs")
    if marks.exists():
        marks.write_text("5")  # the high-water mark starts again
