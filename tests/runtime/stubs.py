"""An engine with outputs that can be worked out by hand, and short media for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from hicmae_cli.media import write_video
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import Track
from hicmae_cli.tasks import Kind
from hicmae_cli.weights.info import WeightInfo

LABELS = ("anger", "happiness", "neutral")


class ToyEngine:
    """Brightness argues for happiness, sound for anger; a stream of zeros (a missing one) says nothing."""

    name = "onnx"
    device = "cpu"
    providers: tuple[str, ...] = ()
    info = WeightInfo(
        variant="nano",
        dims={"width": 128, "heads": 2, "depth": 6, "fusion_depth": 2},
        labels=LABELS,
        dataset="toys",
        sampling_rate=1,
        front_end="hicmae.align/1",
        licence="MIT",
        source="a test",
    )

    def __init__(self, task: Kind | None = None) -> None:
        if task is not None:
            self.info = self.info.model_copy(update={"task": task})
        self.batches: list[int] = []

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(video))
        bright = video.mean(axis=(1, 2, 3, 4))
        loud = audio.mean(axis=(1, 2, 3))
        return np.stack([loud, bright, np.zeros_like(loud)], axis=1).astype(np.float32)


TOY_MODEL = ModelRecord("toy", ToyEngine.info, "onnx", "cpu", sha256="0" * 64)
TARGETS = ("arousal", "valence")
TOY_REGRESSION = replace(TOY_MODEL, info=ToyEngine.info.model_copy(update={"task": "regression", "labels": TARGETS}))
BOX = FaceBox(0.16, 10.04, 20.0, 30.0, 40.0)


def window(
    start_s: float = 0.0,
    end_s: float = 2.56,
    row: tuple[float, ...] = (0.2, 0.7, 0.1),
    modality: str = "av",
    coverage: float = 1.0,
) -> Window:
    boxes = () if modality == "audio" else (BOX,)
    return Window(start_s, end_s, Scores.of(LABELS, np.array(row)), coverage, modality, boxes)


def valued(*numbers: float, start_s: float = 0.0, end_s: float = 2.56) -> Window:
    """A window of a regression, with a number per target."""
    return Window(start_s, end_s, Scores.of(TARGETS, np.array(numbers), "regression"), 1.0, "av")


def track(number: int, *windows: Window, coverage: float = 1.0, size_px: float = 50.0, modality: str = "av") -> Track:
    """A person (or with number 0 the voice); without windows given, seen in one."""
    return Track(number, windows or (window(modality=modality),), coverage, size_px)


def noise(batch: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Video and audio of the shapes that an engine takes."""
    rng = np.random.default_rng(seed)
    video = rng.standard_normal((batch, 3, 16, 160, 160), np.float32)
    return video, rng.standard_normal((batch, 1, 256, 128), np.float32)


def write_clip(
    path: Path, duration_s: float, fps: int = 25, *, bright: int | None = 128, loud: float | None = 0.3
) -> Path:
    """A grey video with a tone, either of which may be missing (None)."""
    count = round(duration_s * fps)
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = None if loud is None else (loud * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    if bright is None:
        import soundfile

        soundfile.write(path, sound, SAMPLE_RATE_HZ)
        return path
    frames = (np.full((96, 128, 3), bright, np.uint8) for _ in range(count))
    write_video(path, frames, Fraction(fps), sound)
    return path


def talk(seconds: float = 3.0, seed: int = 0) -> NDArray[np.float32]:
    """A drawn person's voice."""
    rng = np.random.default_rng(seed)
    return speak("neutral", VoiceIdentity.draw(rng, seed % 2, 30.0), 0.5, seconds, rng).samples


def voice(path: Path, seconds: float = 3.0, seed: int = 0) -> Path:
    """A sound file with `talk`."""
    soundfile.write(path, talk(seconds, seed), SAMPLE_RATE_HZ)
    return path
