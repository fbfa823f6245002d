"""Write small videos with deterministic bytes; a file gets its name only when it is complete."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.errors import DiskError, MediaError
from hicmae_cli.files import write_atomically
from hicmae_cli.media.frames import Frame
from hicmae_cli.model_input import SAMPLE_RATE_HZ

VideoCodec = Literal["libx264", "mjpeg"]
AudioCodec = Literal["flac", "aac"]

_CONTAINERS: Final = {".mkv": "matroska", ".mp4": "mp4"}
# In MP4, the index comes first, so that a browser plays while it loads.
_OPTIONS: Final = {"matroska": {"fflags": "+bitexact"}, "mp4": {"fflags": "+bitexact", "movflags": "+faststart"}}
# Clock of a video of `Frame`s, which have their own times.
_CLOCK_HZ: Final = 90_000
_DISK_FAULTS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_AUDIO_BLOCK_SAMPLES: Final = 1600  # 0.1 s at 16 kHz


def write_video(
    path: Path | str,
    frames: Iterable[NDArray[np.uint8] | Frame],
    fps: Fraction | int | float,
    audio: NDArray[np.float32] | Iterable[NDArray[np.float32]] | None = None,
    *,
    audio_rate_hz: int = SAMPLE_RATE_HZ,
    video_codec: VideoCodec = "libx264",
    audio_codec: AudioCodec = "flac",
    mjpeg_quality: int = 2,
    crf: int = 18,
    preset: str = "veryfast",
) -> None:
    """Write frames and sound to one file as they come, without keeping them in memory.

    The same input gives the same bytes. The file appears under its name only when it is complete.

    Args:
        path: the new file; its suffix `.mkv` or `.mp4` selects the container.
        frames: (H, W, 3) uint8 RGB pictures, shown `1 / fps` s each; or `Frame`s, shown at their own times.
        fps: frames per second, exact if it is a Fraction. For `Frame`s, it gives only the last one's duration.
        audio: float32 samples in -1..1, whole or in blocks, mono (n,) or with one or two channels (channels, n);
            sample 0 plays with frame 0.
        audio_rate_hz: its samples per second; ``aac`` takes the usual rates up to 48 kHz.
        video_codec: `libx264` for viewers, `mjpeg` for independent pictures.
        audio_codec: `flac` keeps the samples (as 16 bit), `aac` plays on every device.
        mjpeg_quality: ffmpeg's scale, 2 (best) to 31. Colour is kept at full resolution.
        crf: libx264's scale, 0 (lossless up to the colour conversion) to 51.
        preset: libx264's speed.

    Raises:
        DiskError: the disk is full or not writable.
        MediaError: there are no frames, the suffix is unknown, or the file cannot be written.
        ValueError: the frames have different sizes, or the samples another shape.
    """
    path = Path(path)
    container_format = _CONTAINERS.get(path.suffix.lower())
    if container_format is None:
        raise MediaError(f"{path}: got {path.suffix or 'a name without suffix'}, expected .mkv or .mp4")
    rate = Fraction(fps).limit_denominator(1_000_000)
    if rate <= 0:
        raise ValueError(f"expected positive fps, got fps={fps}")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: there are no frames to write")

    try:
        with (
            write_atomically(path) as temporary,
            av.open(
                str(temporary.absolute()), "w", format=container_format, options=_OPTIONS[container_format]
            ) as container,
        ):
            video = _add_video(container, first, rate, video_codec, mjpeg_quality, crf, preset)
            sound = None if audio is None else _Sound(container, audio, audio_codec, audio_rate_hz)
            _write_all(container, video, chain([first], frames), rate, sound)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        kind = DiskError if getattr(error, "errno", None) in _DISK_FAULTS else MediaError
        raise kind(f"{path}: cannot be written ({reason}); check the folder and the free space") from error


def _add_video(
    container: OutputContainer,
    first: NDArray[np.uint8] | Frame,
    rate: Fraction,
    codec: VideoCodec,
    mjpeg_quality: int,
    crf: int,
    preset: str,
) -> VideoStream:
    own_times = isinstance(first, Frame)
    rgb = first.rgb if isinstance(first, Frame) else first
    height_px, width_px = rgb.shape[:2]
    if codec == "mjpeg":
        options = {"qmin": "1", "qmax": "31", "flags": "+bitexact+qscale", "strict": "unofficial"}
        options["global_quality"] = str(mjpeg_quality * 118)  # FF_QP2LAMBDA
    else:
        # 4:2:0 halves both sides.
        height_px, width_px = height_px + height_px % 2, width_px + width_px % 2
        options = {"crf": str(crf), "preset": preset, "flags": "+bitexact"}
        # With libx264's macroblock tree, small pictures with B-frames got different bytes every few runs.
        options["x264-params"] = "mbtree=0"
    stream = container.add_stream(codec, rate=rate, options=options)
    context = stream.codec_context
    stream.width, stream.height = width_px, height_px
    stream.pix_fmt = "yuv444p" if codec == "mjpeg" else "yuv420p"
    stream.time_base = context.time_base = Fraction(1, _CLOCK_HZ) if own_times else 1 / rate
    context.thread_count = 1
    context.color_range = int(ColorRange.JPEG if codec == "mjpeg" else ColorRange.MPEG)
    context.colorspace = int(Colorspace.ITU601)
    return stream


def _write_all(
    container: OutputContainer,
    stream: VideoStream,
    frames: Iterable[NDArray[np.uint8] | Frame],
    rate: Fraction,
    sound: _Sound | None,
) -> None:
    """Encode each frame with the sound of the same time, so that the muxer buffers little."""
    clock = stream.codec_context.time_base
    assert clock is not None
    size: tuple[int, ...] | None = None
    end_s = Fraction(0)
    for index, item in enumerate(frames):
        rgb = item.rgb if isinstance(item, Frame) else item
        size = rgb.shape if size is None else size
        if rgb.shape != size or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ValueError(f"frame {index}: expected {size} uint8 RGB, got {rgb.shape} {rgb.dtype}")
        picture = _convert_picture(rgb, stream)
        time_s = Fraction(item.time_s) if isinstance(item, Frame) else index / rate
        picture.pts = round(time_s / clock)
        picture.time_base = clock
        picture.duration = max(1, round(1 / rate / clock))
        container.mux(stream.encode(picture))
        end_s = time_s + 1 / rate
        if sound is not None:
            sound.write_until(end_s)
    container.mux(stream.encode(None))
    if sound is not None:
        sound.finish()


def _convert_picture(rgb: NDArray[np.uint8], stream: VideoStream) -> VideoFrame:
    pad = ((0, stream.height - rgb.shape[0]), (0, stream.width - rgb.shape[1]), (0, 0))
    if any(after for _, after in pad):
        rgb = np.pad(rgb, pad, mode="edge")
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return picture.reformat(
        format=stream.pix_fmt,
        src_color_range=ColorRange.JPEG,
        dst_color_range=stream.codec_context.color_range,
        dst_colorspace=Colorspace.ITU601,
    )


class _Sound:
    """Encodes samples in step with the video."""

    def __init__(
        self,
        container: OutputContainer,
        audio: NDArray[np.float32] | Iterable[NDArray[np.float32]],
        codec: AudioCodec,
        rate_hz: int,
    ) -> None:
        self._container = container
        self._rate_hz = rate_hz
        blocks = _split_blocks([audio] if isinstance(audio, np.ndarray) else audio)
        first = next(blocks, None)
        self._layout = "mono" if first is None or len(first) == 1 else "stereo"
        self._blocks = blocks if first is None else chain([first], blocks)
        self._stream: AudioStream = container.add_stream(
            codec, rate=rate_hz, layout=self._layout, options={"flags": "+bitexact", "frame_size": "4608"}
        )
        self._stream.codec_context.thread_count = 1
        self._format = "s16" if codec == "flac" else "fltp"
        self._written_samples = 0

    def write_until(self, time_s: Fraction) -> None:
        while self._written_samples < time_s * self._rate_hz and self._write_block():
            pass

    def finish(self) -> None:
        while self._write_block():
            pass
        self._container.mux(self._stream.encode(None))

    def _write_block(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        if self._format == "s16":
            samples = np.round(np.clip(block, -1, 32767 / 32768) * 32768).astype(np.int16)
        else:
            samples = np.clip(block, -1, 1).astype(np.float32)
        if self._format == "s16":
            samples = samples.T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=self._format, layout=self._layout)
        frame.sample_rate = self._rate_hz
        frame.pts = self._written_samples
        frame.time_base = Fraction(1, self._rate_hz)
        self._container.mux(self._stream.encode(frame))
        self._written_samples += block.shape[1]
        return True


def _split_blocks(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield blocks (channels, n) of at most `_AUDIO_BLOCK_SAMPLES`."""
    channels: int | None = None
    for block in blocks:
        shaped = block[np.newaxis] if block.ndim == 1 else block
        channels = len(shaped) if channels is None else channels
        if shaped.ndim != 2 or len(shaped) != channels or channels not in (1, 2):
            raise ValueError(f"expected samples (n,), (1, n) or (2, n), all alike, got shape {block.shape}")
        for start in range(0, shaped.shape[1], _AUDIO_BLOCK_SAMPLES):
            yield shaped[:, start : start + _AUDIO_BLOCK_SAMPLES]
