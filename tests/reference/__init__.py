"""Numbers of the paper's authors' implementation (commit cdd28d4, float32, CPU) and the arrays behind them.

Every array is drawn from a generator seeded with ``[seed, crc32(name)]``, so that full-size models are compared
without shipping their weights.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
SEED = 20240111


def read_json(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def state_dict(shapes: dict[str, list[int]], seed: int = SEED) -> dict[str, NDArray[np.float32]]:
    """Float32 weights in the authors' names, non-trivial everywhere."""
    weights = {}
    for name, shape in shapes.items():
        values = _generator(seed, name).standard_normal(tuple(shape)).astype(np.float32)
        if "norm" in name and name.endswith("weight"):
            values = 1 + 0.1 * values
        elif name.endswith("layer_weights"):
            values = 0.5 * values
        elif values.ndim == 1:
            values = 0.1 * values
        elif "mask_token" in name:
            values = 0.02 * values
        else:
            values = values * np.float32(0.6 / math.sqrt(np.prod(values.shape[1:])))
        weights[name] = np.ascontiguousarray(values.astype(np.float32))
    return weights


def noise(name: str, shape: tuple[int, ...], seed: int = SEED) -> NDArray[np.float32]:
    """Standard normal input; ``name`` is ``video`` or ``audio``."""
    return _generator(seed, name).standard_normal(shape).astype(np.float32)


def masks(batch: int, seed: int = SEED) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tube (batch, 800) and random (batch, 128) masks, True where a token is hidden."""
    generator = _generator(seed, "mask")
    video, audio = np.zeros((batch, 800), bool), np.zeros((batch, 128), bool)
    for clip in range(batch):
        frame = np.zeros(100, bool)
        frame[generator.permutation(100)[:90]] = True
        video[clip] = np.tile(frame, 8)
        audio[clip, generator.permutation(128)[:102]] = True
    return video, audio


def waveform(num_samples: int, seed: int = SEED) -> NDArray[np.float32]:
    """A 16 kHz chirp with noise, the input of ``log_mel.npz``."""
    generator = np.random.default_rng([seed, num_samples])
    t = np.arange(num_samples) / 16000
    wave = 0.3 * np.sin(2 * np.pi * (120 + 60 * t) * t) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t))
    return np.asarray(wave + 0.05 * generator.standard_normal(num_samples), np.float32)
