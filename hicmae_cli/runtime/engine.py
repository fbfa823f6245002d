"""The call that every engine answers: clips in, probabilities or (from a regression model) values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.errors import WeightsError
from hicmae_cli.tasks import Kind
from hicmae_cli.weights.info import WeightInfo


class Engine(Protocol):
    """A model, ready to run.

    Attributes:
        info: the weight's metadata.
        name: the engine's name in ``engines.ENGINES``.
        device: where it runs, e.g. ``"cpu"`` or ``"cuda:0"``.
        providers: the execution providers that ONNX Runtime has loaded, the first one first; empty with others.
    """

    info: WeightInfo
    name: str
    device: str
    providers: tuple[str, ...]

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C)."""
        ...


@runtime_checkable
class FeatureEngine(Engine, Protocol):
    """An engine that also gives embeddings."""

    def features(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, 4D), the input of the head."""
        ...


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in float64 so that they sum to one."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of every logit on its own, in float64."""
    # 1 / (1 + exp(-x)) would overflow for large negative logits.
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits.astype(np.float64))))


def to_outputs(logits: NDArray[np.float32], kind: Kind) -> NDArray[np.float64]:
    """Turn logits (B, C) into probabilities that sum to one, or of each label on its own; values stay as they are."""
    if kind == "regression":
        return logits.astype(np.float64)
    return sigmoid(logits) if kind == "multilabel" else softmax(logits)


def score_batches(
    engine: Engine, clips: Sequence[Clip], batch_size: int = 4, *, temperatures: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Run the model on clips -> (len(clips), C): see ``to_outputs``.

    Args:
        engine: the model.
        clips: its inputs.
        batch_size: clips per call; small batches keep memory flat.
        temperatures: of each clip; by default 1, the model's own probabilities.

    Raises:
        WeightsError: an output is not finite.
    """
    parts = [
        engine.logits(*stack_clips(clips[start : start + batch_size])) for start in range(0, len(clips), batch_size)
    ]
    rows = np.concatenate(parts) if parts else np.zeros((0, len(engine.info.labels)), np.float32)
    if not np.isfinite(rows).all():
        raise WeightsError("the model's output is not finite: its weights are damaged")
    if temperatures is not None and engine.info.kind == "classification":
        return softmax(rows.astype(np.float64) / np.reshape(temperatures, (-1, 1)))
    return to_outputs(rows, engine.info.kind)


def embed_batches(engine: FeatureEngine, clips: Sequence[Clip], batch_size: int = 4) -> NDArray[np.float32]:
    """Run the model up to its head on at least one clip -> (len(clips), 4D).

    Raises:
        WeightsError: a feature is not finite.
    """
    starts = range(0, len(clips), batch_size)
    rows = np.concatenate([engine.features(*stack_clips(clips[start : start + batch_size])) for start in starts])
    if not np.isfinite(rows).all():
        raise WeightsError("the model's features are not finite: its weights are damaged")
    return rows
