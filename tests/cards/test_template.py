from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hicmae_cli.report.weight_card import CardTable, bound_share, make_tables, render_card

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.facts import HeldOutScore
from hicmae_cli.weights.info import WeightInfo
from tests.runtime.stubs import LABELS, ToyEngine

TEMPLATE = Path(__file__).parents[2] / "scripts" / "cards" / "hicmae-nano.md"
# Made up.
DOCUMENT: dict[str, Any] = {
    "labels": list(LABELS),
    "metrics": {"uar": 0.625, "war": 0.65},
    "intervals": {"level": 0.95, "bounds": {"uar": [0.5, 0.75], "war": [0.5, 0.75]}},
    "classes": {label: {"recall": 0.5, "precision": None, "f1": 0.5, "support": 4} for label in LABELS},
    "confusion": [[2, 1, 1], [0, 2, 2], [2, 0, 2]],
    "calibration": {
        "before": {"ece": 0.2, "brier": 0.5, "nll": 1.0},
        "temperature": 1.5,
        "after": {"ece": 0.125, "brier": 0.5, "nll": None},
    },
    "groups": [
        {
            "column": "source",
            "metric": "uar",
            "groups": [
                {"group": "press", "metrics": {"uar": 0.75}, "intervals": {"bounds": {}}, "decisions": 8},
                {"group": "film", "metrics": {"uar": 0.25}, "intervals": {"bounds": {"uar": [0, 1]}}, "decisions": 4},
            ],
        }
    ],
}


@pytest.fixture
def info() -> WeightInfo:
    facts: dict[str, Any] = {
        "trained_on": "drawn people, real photos and real voices",
        "cannot_judge": "any single person",
        "intended_use": "Research.",
        "licence": "research use only",
        "held_out": (HeldOutScore(what="photos", metric="accuracy", value=0.875, chance=0.5, n=12),),
    }
    return ToyEngine.info.model_copy(update=facts)


def test_the_template_of_the_default_weight_takes_an_evaluation(info: WeightInfo) -> None:
    card = render_card(TEMPLATE.read_text("utf-8"), "hicmae-nano", info, make_tables(DOCUMENT))
    assert card.startswith("# hicmae-nano\n\n**Research use only.**") and "{{" not in card
    for line in (
        "| UAR | 0.62 | 0.50 to 0.75 |",
        "| anger | 0.50 | 0.15 to 0.85 | - | 4 |",
        "| film | 0.25 | 0.00 to 1.00 | 4 |",
        "| happiness | 0 | 2 | 2 |",
        "| expected calibration error | 0.20 | 0.12 |",
        "- photos: accuracy 0.88 (chance 0.50, 12 clips)",
        "| Licence | research use only |",
    ):
        assert line in card.splitlines(), line


def test_a_card_neither_invents_nor_hides(info: WeightInfo) -> None:
    table = CardTable(("a",), ((1,),))
    with pytest.raises(WeightsError, match=r"nothing to fill in for \{\{table: scores\}\}"):
        render_card("{{table: scores}}", "w", info, {})
    with pytest.raises(WeightsError, match=r"nothing to fill in for \{\{trained_on\}\}"):
        render_card("{{trained_on}}", "w", ToyEngine.info, {})
    with pytest.raises(WeightsError, match="no place for the tables extra"):
        render_card("# {{name}}", "w", info, {"extra": table})
    with pytest.raises(ValueError, match="rows of 1 cells"):
        CardTable(("a",), ((1, 2),))


def test_several_evaluations_have_keys_of_their_own() -> None:
    assert {"faces-recall", "faces-by-source", "faces-calibration"} <= set(make_tables(DOCUMENT, "faces-"))


def test_an_interval_is_wilsons() -> None:
    """Against statsmodels' proportion_confint(5, 10, method="wilson") and the closed form for 0 of n."""
    assert bound_share(5, 10) == "0.24 to 0.76"
    assert bound_share(0, 10) == "0.00 to 0.28"
    assert bound_share(0, 0) == "-"
