"""Tiny folders of flat "faces" and tones, and an engine whose answers can be worked out by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.evaluation.real_check import check
from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.model_input import IMAGENET_MEAN, IMAGENET_STD, LOG_MEL_BINS, SAMPLE_RATE_HZ
from tests.evaluation.toys import info_of
from tests.runtime.stubs import ToyEngine

LABELS = CREMA_D_LABELS
STEP = 40
SURE = 5.0
# Each in the middle of its sixth of the mel scale.
TONES_HZ = dict(zip(LABELS, (185, 636, 1303, 2348, 3898, 6202), strict=True))
# Dealt to the test split, and to the training split.
TEST_PEOPLE = ("p5", "p8", "p11")
TRAIN_PERSON = "p1"
# Colour, true label, person, source and whether the label is clear. The engine takes red 40 k for label k.
FACES = [
    ((120, 120, 120), "happiness", "p5", "press", 1),
    ((120, 120, 120), "happiness", "p5", "press", 1),
    ((120, 120, 120), "happiness", "p8", "film", 0),
    ((160, 160, 160), "happiness", "p8", "press", 0),
    ((160, 160, 160), "neutral", "p11", "press", 1),
    ((160, 160, 160), "neutral", "p11", "press", 1),
    ((120, 120, 120), "neutral", "p5", "press", 0),
    ((0, 0, 0), "neutral", "p8", "press", 0),
    ((0, 0, 0), "anger", "p5", "press", 0),
    ((200, 200, 200), "anger", "p8", "press", 0),
    ((200, 0, 0), "sadness", "p11", "film", 0),
    ((0, 0, 0), "happiness", TRAIN_PERSON, "press", 1),
]


class SixEngine(ToyEngine):
    """The red of the face and the pitch of the sound name the emotion; with both, both argue alike."""

    info = info_of(labels=LABELS, sampling_rate=4)

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        table = np.zeros((len(video), len(LABELS)), np.float32)
        for row, (faces, mel) in enumerate(zip(video, audio, strict=True)):
            if faces.any():
                red = 255 * float(faces[0].mean() * IMAGENET_STD[0] + IMAGENET_MEAN[0])
                table[row, round(red / STEP)] += SURE
            if mel.any():
                table[row, int(mel[0].mean(axis=0).argmax()) * len(LABELS) // LOG_MEL_BINS] += SURE
        return table


def install(patch: pytest.MonkeyPatch, **facts: object) -> None:
    engine = SixEngine()
    engine.info = SixEngine.info.model_copy(update=facts)
    patch.setattr(check, "read_info", lambda _: engine.info)
    patch.setattr(check, "open_engine", lambda *_: engine)


def write_faces(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = []
    for number, (colour, label, group, source, clear) in enumerate(FACES):
        Image.new("RGB", (160, 160), colour).save(folder / f"{number}.png")
        rows.append([f"{number}.png", label, group, source, clear])
    return write_rows(folder / "manifest.csv", ["file", "label", "group", "source", "clear"], rows)


def write_voices(folder: Path) -> Path:
    """A tone of each label by two speakers; speaker 19's anger sounds like sadness."""
    folder.mkdir(parents=True)
    rows = []
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for speaker in ("11", "19"):
        for label in ("anger", "fear", "happiness"):
            sounds_like = "sadness" if (speaker, label) == ("19", "anger") else label
            tone = 0.1 * np.sin(2 * np.pi * TONES_HZ[sounds_like] * time_s)
            soundfile.write(folder / f"{speaker}{label}.flac", tone, SAMPLE_RATE_HZ)
            rows.append([f"{speaker}{label}.flac", label, speaker])
    return write_rows(folder / "manifest.csv", ["file", "label", "speaker"], rows)


def write_rows(path: Path, header: list[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
