"""A network small enough to save and export in a moment."""

from __future__ import annotations

from pathlib import Path

import torch

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import ModelDims, find_variant
from hicmae_cli.weights.checkpoint import save_classifier
from hicmae_cli.weights.info import WeightInfo

DIMS = ModelDims(width=32, heads=2, depth=2, fusion_depth=1)


def info_of(dims: ModelDims, count: int) -> WeightInfo:
    return WeightInfo(
        variant=find_variant(dims),
        dims=dims.to_dict(),
        labels=tuple(f"class {i}" for i in range(count)),
        dataset="none",
        sampling_rate=4,
        front_end="none",
        licence="MIT",
        source="a test",
    )


def save_toy(path: Path, seed: int = 0, dims: ModelDims = DIMS) -> Path:
    """A classifier of three classes; another seed, other numbers."""
    return _save(path, seed, info_of(dims, 3))


def save_regression(path: Path, seed: int = 0) -> Path:
    """A regression of two targets."""
    return _save(
        path, seed, info_of(DIMS, 2).model_copy(update={"task": "regression", "labels": ("arousal", "valence")})
    )


def _save(path: Path, seed: int, info: WeightInfo) -> Path:
    torch.manual_seed(seed)
    model = Classifier(info.model_dims, len(info.labels))
    for parameter in model.parameters():  # biases and norms start at 0 and 1, where mistakes hide
        torch.nn.init.normal_(parameter, std=0.1)
    save_classifier(path, model, info)
    return path
