"""The names of the metrics, their titles in text, and those where smaller is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from hicmae_cli.tasks import Kind

ClassificationMetric = Literal["uar", "war", "weighted_f1", "macro_f1", "micro_f1"]
RegressionMetric = Literal["ccc", "pcc", "mae", "rmse"]
MultilabelMetric = Literal["macro_f1", "exact_match", "map"]
Metric = Literal[ClassificationMetric, RegressionMetric, MultilabelMetric]
ProbabilityMetric = Literal["auc", "weighted_auc", "average_precision", "top_2", "top_3", "ece", "brier", "nll"]

CLASSIFICATION: Final[tuple[str, ...]] = get_args(ClassificationMetric)
REGRESSION: Final[tuple[str, ...]] = get_args(RegressionMetric)
MULTILABEL: Final[tuple[str, ...]] = get_args(MultilabelMetric)
METRICS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "classification": CLASSIFICATION,
    "multilabel": MULTILABEL,
    "regression": REGRESSION,
}
MAIN_METRIC: Final[Mapping[Kind, str]] = {"classification": "uar", "multilabel": "macro_f1", "regression": "ccc"}
"""The metric that chooses the epoch and orders groups, unless something else is asked for."""
PROBABILITY: Final[tuple[str, ...]] = get_args(ProbabilityMetric)
"""Metrics of the probabilities of a classification; no epoch is chosen by them."""
SMALLER_IS_BETTER: Final[frozenset[str]] = frozenset({"mae", "rmse"})
TITLES: Final[dict[str, str]] = {
    "uar": "UAR",
    "war": "WAR",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "exact_match": "exact match",
    "map": "mAP",
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
