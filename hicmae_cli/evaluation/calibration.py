"""Calibration: a temperature that is fitted on validation people, and how well confidence fits accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.probability_metrics import BINS, assign_bins, probability_metrics
from hicmae_cli.evaluation.results import Evaluation

IN_TRAINING: Final = "the validation clips of its training"
_RANGE: Final = (0.05, 20.0)
_MARGIN: Final = 1.01
_STEPS: Final = 60
_GOLDEN: Final = (np.sqrt(5) - 1) / 2
_SMALLEST: Final = 1e-12
_CHANGED: Final = ("ece", "brier", "nll")


def fit_temperature(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Fit the temperature that minimises the negative log-likelihood (Guo et al. 2017), by golden-section search.

    Args:
        probabilities: (n, C) of clips that are not tested.
        truth: true classes (n,).

    Returns:
        The temperature, 0.05 to 20: above 1 if the model is too confident.

    Raises:
        ValueError: there are no clips.
    """
    if not len(truth):
        raise ValueError("temperature: expected clips to fit it on, got none")
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[rows, truth], _SMALLEST)).mean())

    # The loss is convex in 1 / temperature, so it has one minimum here too.
    low, high = np.log(_RANGE)
    for _ in range(_STEPS):
        width = _GOLDEN * (high - low)
        if loss(high - width) <= loss(low + width):
            high = low + width
        else:
            low = high - width
    return float(np.exp((low + high) / 2))


def find_temperature(result: Evaluation) -> float | None:
    """Fit the temperature of validation clips; None but for a classification, or if the clips do not determine one.

    Without a single error, or with a model that has learned nothing, the best temperature is as small or as large as
    possible.
    """
    if not result.is_classification:
        return None
    temperature = fit_temperature(result.outputs, result.truth)
    return temperature if is_determined(temperature) else None


def is_determined(temperature: float) -> bool:
    """Whether a fitted temperature is inside the searched range, not at its end."""
    return _RANGE[0] * _MARGIN < temperature < _RANGE[1] / _MARGIN


def apply_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide the logarithms of probabilities (n, C) by a temperature, and scale the rows to sums of one again."""
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def reliability_bins(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Compute clips, mean confidence and accuracy by bin of the confidence, which is the largest probability.

    Empty bins are skipped; ``lower`` and ``upper`` are the bounds of a bin, the upper one is inside it.
    """
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    numbers = assign_bins(confidence)
    return [
        {
            "lower": number / BINS,
            "upper": (number + 1) / BINS,
            "clips": int((numbers == number).sum()),
            "confidence": float(confidence[numbers == number].mean()),
            "accuracy": float(hits[numbers == number].mean()),
        }
        for number in np.unique(numbers).tolist()
    ]


def describe_calibration(
    result: Evaluation | FoldsEvaluation, temperature: float | None = None, fitted_on: str = IN_TRAINING
) -> dict[str, Any]:
    """Describe the calibration of a classification, before and after its temperature is applied.

    Args:
        result: scores of a classification.
        temperature: the fitted one; by default that of the weight, or of the weight of each fold, if they have one.
        fitted_on: the clips that it was fitted on, in words.

    Returns:
        ``bins`` and ``before`` (ECE, Brier, NLL) and, with a temperature, ``temperature``, ``fitted_on``,
        ``calibrated_bins`` and ``after``. Over folds, ``temperature`` is an object by fold.
    """
    pooled = result.pooled
    probabilities, truth = pooled.outputs, pooled.truth
    described: dict[str, Any] = {
        "bins": reliability_bins(probabilities, truth),
        "before": _list_changed(probabilities, truth),
    }
    parts = result.folds if isinstance(result, FoldsEvaluation) else {"": result}
    known = {
        fold: value
        for fold, part in parts.items()
        if (value := _find_temperature(part) if temperature is None else temperature) is not None
    }
    if len(known) < len(parts):
        return described
    # The pooled decisions are those of the folds, in order, with the first fold's order of the labels.
    values: Sequence[float] = [known[fold] for fold, part in parts.items() for _ in part.samples]
    calibrated = np.concatenate(
        [apply_temperature(row[None], value) for row, value in zip(probabilities, values, strict=True)]
    )
    return described | {
        "temperature": _join(known),
        "fitted_on": fitted_on,
        "calibrated_bins": reliability_bins(calibrated, truth),
        "after": _list_changed(calibrated, truth),
    }


def _find_temperature(result: Evaluation) -> float | None:
    """Return the temperature of the weight for the streams that were scored."""
    return result.info.find_temperature(result.modality)


def _list_changed(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, float | None]:
    scores = probability_metrics(truth, probabilities)
    return {name: scores[name] for name in _CHANGED}


def _join(temperatures: Mapping[str, float]) -> float | dict[str, float]:
    return dict(temperatures) if list(temperatures) != [""] else temperatures[""]
