"""The names of the metrics, their titles in text, and those where smaller is better."""

from __future__ import annotations

from typing import Final, Literal, get_args

ClassificationMetric = Literal["uar", "war", "weighted_f1", "macro_f1", "micro_f1"]
RegressionMetric = Literal["ccc", "pcc", "mae", "rmse"]
Metric = Literal[ClassificationMetric, RegressionMetric]
ProbabilityMetric = Literal["auc", "weighted_auc", "average_precision", "top_2", "top_3", "ece", "brier", "nll"]

CLASSIFICATION: Final[tuple[str, ...]] = get_args(ClassificationMetric)
REGRESSION: Final[tuple[str, ...]] = get_args(RegressionMetric)
PROBABILITY: Final[tuple[str, ...]] = get_args(ProbabilityMetric)
"""Metrics of the probabilities of a classification; no epoch is chosen by them."""
SMALLER_IS_BETTER: Final[frozenset[str]] = frozenset({"mae", "rmse"})
TITLES: Final[dict[str, str]] = {
    "uar": "UAR",
    "war": "WAR",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "ccc": "CCC",
    "pcc": "PCC",
    "mae": "MAE",
    "rmse": "RMSE",
}
PROBABILITY_TITLES: Final[dict[str, str]] = {
    "auc": "AUC",
    "weighted_auc": "weighted AUC",
    "average_precision": "AP",
    "top_2": "top-2",
    "top_3": "top-3",
    "ece": "ECE",
    "brier": "Brier",
    "nll": "NLL",
}


def format_metric(name: str) -> str:
    """Format the name of a metric for text: ``uar`` -> ``UAR``, ``pcc_arousal`` -> ``PCC arousal``."""
    if name in TITLES:
        return TITLES[name]
    metric, _, target = name.partition("_")
    return f"{TITLES[metric]} {target}"
