"""Files of a few bytes that claim more than any machine has, made on the spot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from tests.media.make import make_video, numbered_frames


def png(width: int, height: int) -> bytes:
    """A black grey-scale picture; its rows pack into next to nothing."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + width)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def gif(width: int, height: int, frames: int) -> bytes:
    """A large canvas on which each frame changes one pixel, a tenth of a second after the one before."""
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    for _ in range(frames):
        data += b"\x21\xf9\x04\x04" + struct.pack("<HBB", 10, 0, 0)
        data += b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return data + b"\x3b"


def wav(rate_hz: int, channels: int = 1, seconds: float = 1.0) -> bytes:
    """16-bit noise whose header claims a rate; its length is that of 16 kHz."""
    samples = np.random.default_rng(0).integers(-9000, 9000, (round(seconds * 16_000), channels), np.int16).tobytes()
    block = 2 * channels
    header = struct.pack("<HHIIHH", 1, channels, rate_hz, min(rate_hz * block, 2**32 - 1), block, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _png_in_mov(path: Path) -> None:
    picture = png(8190, 8190)
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 8190
        stream.pix_fmt = "gray"
        for index in range(20):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = index
            container.mux(packet)


def _stretched(path: Path) -> None:
    pictures = [np.full((16, 8192, 3), 20 * i, np.uint8) for i in range(5)]
    make_video(path, pictures, [i / 25 for i in range(5)], pixel_aspect=Fraction(4), container_format="mp4")


def _paused(path: Path, step_s: float) -> None:
    make_video(path, numbered_frames(12), [step_s * i for i in range(12)], options={"g": "1"}, container_format="mp4")


def _bytes(data: Callable[[], bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data())

    return write


HOSTILE: dict[str, Callable[[Path], None]] = {
    "gif_8000_40.gif": _bytes(lambda: gif(8000, 8000, 40)),
    "gif_8000_300.gif": _bytes(lambda: gif(8000, 8000, 300)),
    "gif_4980_40.gif": _bytes(lambda: gif(4980, 4980, 40)),
    "gif_wide.gif": _bytes(lambda: gif(0x8000, 48, 5)),
    "gif_high.gif": _bytes(lambda: gif(64, 0x8000, 5)),
    "gif_largest.gif": _bytes(lambda: gif(0xFFFF, 0xFFFF, 5)),
    "wide.png": _bytes(lambda: png(32767, 1)),
    "high.png": _bytes(lambda: png(1, 32767)),
    "wide.mp4": _bytes(lambda: png(32767, 1)),
    "large.png": _bytes(lambda: png(60000, 1000)),
    "png_8190.mov": _png_in_mov,
    "stretched.mp4": _stretched,
    "paused_120s.mp4": lambda path: _paused(path, 10.0),
    "paused_10h.mp4": lambda path: _paused(path, 3500.0),
    "rate_2g.wav": _bytes(lambda: wav(2**31 - 1)),
    "rate_0.wav": _bytes(lambda: wav(0)),
    "channels_64.wav": _bytes(lambda: wav(16_000, 64)),
    "channels_255.wav": _bytes(lambda: wav(16_000, 255)),
}
"""File name -> writes it."""
