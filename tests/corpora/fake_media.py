"""Media for small corpora, of a real face and a real voice; each is made once and linked to wherever it is wanted."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.media import read_audio, read_frames
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from tests.conftest import SAMPLE
from tests.media.make import _audio_frame

FPS = 12
CLIP_S = 1.0
PAIR_S = 2.0  # a dialogue of two utterances, left and right
_CODECS = {".mp4": ("libx264", "aac"), ".flv": ("libx264", "aac"), ".avi": ("mpeg4", "pcm_s16le")}
_SOUND_RATE_HZ = 44_100  # what every container of these takes


def put_video(path: Path, *, pair: bool = False, media: bool = True) -> None:
    """One second of one face, or two of two people side by side; with sound."""
    _put(path, _video(path.suffix, pair) if media else None)


def put_sound(path: Path, *, media: bool = True) -> None:
    """One second of a voice."""
    _put(path, _sound() if media else None)


def put_picture(path: Path, *, media: bool = True) -> None:
    """One face."""
    _put(path, _picture(path.suffix) if media else None)


def _put(path: Path, source: Path | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if source is None:
        path.touch()
    elif not path.exists():
        try:
            os.link(source, path)
        except OSError:  # another file system
            shutil.copy(source, path)


@cache
def _workshop() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hicmae-fakes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _pictures(pair: bool) -> list[NDArray[np.uint8]]:
    count = round((PAIR_S if pair else CLIP_S) * FPS)
    frames = [frame.rgb for frame in islice(read_frames(SAMPLE), count)]
    return frames if pair else [np.ascontiguousarray(frame[:, frame.shape[1] // 2 :]) for frame in frames]


@cache
def _video(suffix: str, pair: bool) -> Path:
    path = _workshop() / f"{'pair' if pair else 'face'}{suffix}"
    pictures = _pictures(pair)
    video_codec, audio_codec = _CODECS[suffix]
    voice = read_audio(SAMPLE, 0.0, len(pictures) / FPS)
    times = np.arange(int(len(voice) / SAMPLE_RATE_HZ * _SOUND_RATE_HZ)) * SAMPLE_RATE_HZ / _SOUND_RATE_HZ
    louder = np.interp(times, np.arange(len(voice)), voice).astype(np.float32)[None]
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=FPS)
        sound = container.add_stream(audio_codec, rate=_SOUND_RATE_HZ, layout="mono")
        assert isinstance(video, VideoStream)
        assert isinstance(sound, AudioStream)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.bit_rate = "yuv420p", 2_000_000
        for index, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        kind = sound.codec_context.format.name if sound.codec_context.format else "s16"
        for start in range(0, louder.shape[1], 1024):
            piece = louder[:, start : start + 1024]
            container.mux(sound.encode(_audio_frame(piece, kind, "mono", _SOUND_RATE_HZ, start / _SOUND_RATE_HZ)))
        container.mux(sound.encode(None))
    return path


@cache
def _picture(suffix: str) -> Path:
    path = _workshop() / f"face{suffix}"
    Image.fromarray(_pictures(False)[0]).save(path)
    return path


@cache
def _sound() -> Path:
    import soundfile

    path = _workshop() / "voice.wav"
    soundfile.write(path, read_audio(SAMPLE, 0.0, CLIP_S), SAMPLE_RATE_HZ, subtype="PCM_16")
    return path
