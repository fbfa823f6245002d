"""Prepare one clip of a dataset without pictures: its sound as a 16 kHz mono WAV file."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import DiskError
from hicmae_cli.files import write_atomically
from hicmae_cli.media import iterate_audio, probe, read_audio_blocks
from hicmae_cli.model_input import FRAME_STEP_S, SAMPLE_RATE_HZ
from hicmae_cli.preparing.measuring import SILENCE_PEAK, ClipFacts, OnProgress, UnusableError

SOUND_SUFFIX: Final = ".wav"
"""Of the prepared clips of a dataset without pictures."""
_FULL_SCALE: Final = 32767


@dataclass(frozen=True)
class SoundFile:
    """A clip without pictures.

    Attributes:
        sound: the file that holds its sound.
        start_s: start of the clip in it.
        end_s: its end; None for the end of the file.
    """

    sound: Path
    start_s: float = 0.0
    end_s: float | None = None


def prepare_sound(source: SoundFile, target: Path, on_progress: OnProgress) -> ClipFacts:
    """Write the sound of a clip as 16 kHz mono, 16 bit. The same file gives the same bytes.

    Args:
        source: what to read.
        target: the ``.wav`` to write.
        on_progress: called with 0, repeatedly while the sound is read.

    Raises:
        UnusableError: missing, without sound, or shorter than 0.16 s.
        MediaError: unreadable, or the file cannot be written.
    """
    try:
        with write_atomically(target) as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            meter = _SoundMeter()
            for block in meter.measure(_read(source, on_progress)):
                file.writeframes((block.clip(-1, 1) * _FULL_SCALE).round().astype("<i2").tobytes())
            return meter.facts(source)
    except OSError as error:
        raise DiskError(
            f"{target}: cannot be written ({error.strerror}); check the folder and the free space"
        ) from error


def examine_sound(source: SoundFile, on_progress: OnProgress) -> ClipFacts:
    """Check whether a clip can be prepared, without writing it; raises as `prepare_sound`."""
    meter = _SoundMeter()
    for _ in meter.measure(_read(source, on_progress)):
        pass
    return meter.facts(source)


def _read(source: SoundFile, on_progress: OnProgress) -> Iterator[NDArray[np.float32]]:
    """Yield the sound in blocks."""
    if not source.sound.exists():
        raise UnusableError("missing", f"{source.sound}: no such file; check the path")
    if source.end_s is not None:
        # Without a probe, which reads the whole file for each of its parts.
        yield from iterate_audio(source.sound, source.start_s, source.end_s, lambda: on_progress(0))
        return
    if not probe(source.sound, on_packet=lambda: on_progress(0)).has_audio:
        raise UnusableError("no sound", f"{source.sound}: has no sound that can be decoded")
    yield from read_audio_blocks(source.sound, on_packet=lambda: on_progress(0))


class _SoundMeter:
    """Measures sound on its way into the file."""

    def __init__(self) -> None:
        self._samples = 0
        self._peak = 0.0

    def measure(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks as they are."""
        for block in blocks:
            self._samples += len(block)
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
            yield block

    def facts(self, source: SoundFile) -> ClipFacts:
        """Return the measurements; refuse a clip that is too short."""
        sound_s = round(self._samples / SAMPLE_RATE_HZ, 3)
        if sound_s < FRAME_STEP_S:
            raise UnusableError(
                "short", f"{source.sound}: {sound_s:.2f} s of sound; a clip needs at least {FRAME_STEP_S} s"
            )
        return ClipFacts(face_coverage=None, video_s=0.0, sound_s=sound_s, is_silent=self._peak < SILENCE_PEAK)
