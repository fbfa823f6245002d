"""The scores by the names the field uses: which there are, what they are called in text, which way is better."""

from __future__ import annotations

from typing import Final, Literal

Metric = Literal["uar", "war", "weighted_f1", "macro_f1", "micro_f1", "ccc", "pcc", "mae", "rmse"]

CLASSIFICATION: Final[tuple[str, ...]] = ("uar", "war", "weighted_f1", "macro_f1", "micro_f1")
REGRESSION: Final[tuple[str, ...]] = ("ccc", "pcc", "mae", "rmse")
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


def title_of(name: str) -> str:
    """``uar`` -> ``UAR``; of a target, ``pcc_arousal`` -> ``PCC arousal``."""
    if name in TITLES:
        return TITLES[name]
    metric, _, target = name.partition("_")
    return f"{TITLES[metric]} {target}"
