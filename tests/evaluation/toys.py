"""Clips whose right answer can be worked out by hand, and engines to give it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import Target
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from hicmae_cli.weights.info import WeightInfo
from tests.runtime.stubs import LABELS, ToyEngine


def info_of(**changes: object) -> WeightInfo:
    return ToyEngine.info.model_copy(update=changes)


class ValueEngine(ToyEngine):
    """Brightness (0..1) of the first picture and of the last, as two values."""

    info = info_of(task="regression", labels=("arousal", "valence"))

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        first, last = (0.225 * video[:, 2, at].mean(axis=(1, 2)) + 0.406 for at in (0, -1))
        return np.stack([first, last], axis=1).astype(np.float32)


def write_grey(
    folder: Path,
    name: str,
    *greys: int,
    target: Target = "happiness",
    fold: str = "",
    split: str = "",
    speaker: str = "",
) -> Sample:
    """A clip in the authors' layout: pictures of these greys, and a second of quiet noise."""
    pictures = folder / name
    pictures.mkdir(parents=True)
    for index, grey in enumerate(greys):
        Image.new("RGB", (16, 16), (grey, grey, grey)).save(pictures / f"{index:03d}.png")
    wav = folder / f"{name}.wav"
    soundfile.write(wav, np.random.default_rng(0).normal(0, 0.01, 16000), 16000)
    return Sample(name, pictures, wav, target, fold, split, speaker)


def decision(name: str, target: str, prediction: str, speaker: str = "") -> SampleResult:
    row = tuple(float(prediction == known) for known in LABELS)
    return SampleResult(name, target, prediction, row, (row,), speaker)


def evaluation(*pairs: str, info: WeightInfo = ToyEngine.info, speakers: int = 0) -> Evaluation:
    """``evaluation("anger:neutral")``: a clip of anger taken for neutral."""
    results = []
    for index, pair in enumerate(pairs):
        target, prediction = pair.split(":")
        results.append(decision(f"c{index}", target, prediction, f"s{index % speakers}" if speakers else ""))
    return Evaluation(info, "onnx", "av", info.sampling_rate, tuple(results))
