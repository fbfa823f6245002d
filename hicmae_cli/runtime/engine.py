"""Two ways to run a model, one call: clips in, probabilities (or the values of a regression) out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.info import WeightInfo


class Engine(Protocol):
    """A model ready to run.

    Attributes:
        info: what the weight says of itself.
        name: ``"onnx"`` or ``"torch"``.
        device: where it really runs, e.g. ``"cpu"`` or ``"cuda:0"``.
    """

    info: WeightInfo
    name: str
    device: str

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C)."""
        ...


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in float64 so that they sum to one."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def probabilities(engine: Engine, clips: Sequence[Clip], batch_size: int = 4) -> NDArray[np.float64]:
    """Class probabilities of each clip -> (len(clips), C). Small batches keep memory flat.

    Raises:
        WeightsError: the model answers with values that are not finite.
    """
    return softmax(_outputs(engine, clips, batch_size))


def answers(engine: Engine, clips: Sequence[Clip], batch_size: int = 4) -> NDArray[np.float64]:
    """What the model says of each clip -> (len(clips), C): probabilities, or of a regression its values as they are.

    Raises:
        WeightsError: the model answers with values that are not finite.
    """
    if engine.info.task == "regression":
        return _outputs(engine, clips, batch_size).astype(np.float64)
    return probabilities(engine, clips, batch_size)


def _outputs(engine: Engine, clips: Sequence[Clip], batch_size: int) -> NDArray[np.float32]:
    """Outputs of the head (len(clips), C)."""
    parts = [
        engine.logits(*stack_clips(clips[start : start + batch_size])) for start in range(0, len(clips), batch_size)
    ]
    rows = np.concatenate(parts) if parts else np.zeros((0, len(engine.info.labels)), np.float32)
    if not np.isfinite(rows).all():
        raise WeightsError("the model answers with values that are not finite: its weights are damaged")
    return rows
