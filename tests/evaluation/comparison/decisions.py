"""Documents of evaluations, written by hand, and systems in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.results import SampleResult

LABELS = ("anger", "fear", "joy")


def document(
    predictions: Sequence[str],
    truth: Sequence[str],
    *,
    speakers: int = 0,
    folds: int = 0,
    labels: Sequence[str] = LABELS,
    **changes: Any,
) -> dict[str, Any]:
    """The parts of ``hicmae.evaluate/1`` that a comparison reads; speakers and folds go round."""
    samples = []
    for index, (label, prediction) in enumerate(zip(truth, predictions, strict=True)):
        sample = {"id": f"c{index}", "label": label, "prediction": prediction, "probabilities": [], "views": []}
        sample |= {"speaker": f"s{index % speakers}"} if speakers else {}
        sample |= {"fold": str(1 + index % folds)} if folds else {}
        samples.append(sample)
    head = {"schema": "hicmae.evaluate/1", "task": "classification", "labels": list(labels), "modality": "av"}
    return {**head, "samples": samples, **changes}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def guess(share: float, truth: Sequence[str], seed: int) -> list[str]:
    """Predictions of which about this share is right."""
    rng = np.random.default_rng(seed)
    return [label if rng.random() < share else str(rng.choice(LABELS)) for label in truth]


TRUTH = tuple(LABELS[index % 3] for index in range(180))


def system(name: str, share: float, *seeds: int, speakers: int = 12, folds: int = 0) -> System:
    """A system in memory with a run for each seed."""
    runs = {}
    for seed in seeds:
        content = document(guess(share, TRUTH, seed), TRUTH, speakers=speakers, folds=folds)
        samples = [
            SampleResult(
                entry["id"],
                entry["label"],
                entry["prediction"],
                (),
                (),
                entry.get("speaker", ""),
                entry.get("fold", ""),
            )
            for entry in content["samples"]
        ]
        runs[f"seed {seed}"] = SystemRun(LABELS, tuple(samples))
    return System(name, runs)
