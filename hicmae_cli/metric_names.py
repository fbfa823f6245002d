"""The names of the metrics, their titles in text, and those where smaller is better."""

from __future__ import annotations

from typing import Final, Literal, get_args

ClassificationMetric = Literal["uar", "war", "weighted_f1", "macro_f1", "micro_f1"]
RegressionMetric = Literal["ccc", "pcc", "mae", "rmse"]
Metric = Literal[ClassificationMetric, RegressionMetric]

CLASSIFICATION: Final[tuple[str, ...]] = get_args(ClassificationMetric)
REGRESSION: Final[tuple[str, ...]] = get_args(RegressionMetric)
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


def format_metric(name: str) -> str:
    """Format the name of a metric for text: ``uar`` -> ``UAR``, ``pcc_arousal`` -> ``PCC arousal``."""
    if name in TITLES:
        return TITLES[name]
    metric, _, target = name.partition("_")
    return f"{TITLES[metric]} {target}"
