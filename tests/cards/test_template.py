from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.cards.template import render_card
from hicmae_cli.errors import WeightsError
from hicmae_cli.report.scores import describe_intervals, name_grids
from hicmae_cli.weights.facts import FORBIDDEN_USE, HeldOutScore
from hicmae_cli.weights.info import WeightInfo
from tests.cards.test_card import planted, sheet_of
from tests.runtime.stubs import ToyEngine

TEMPLATE = Path(__file__).parents[2] / "scripts" / "cards" / "hicmae-nano.md"


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


@pytest.fixture
def document(info: WeightInfo) -> dict[str, Any]:
    found = planted(info.model_copy(update={"temperature": 1.5}))
    source = {sample.id: ("press", "film")[number % 2] for number, sample in enumerate(found.samples)}
    return sheet_of(found, source=source).to_dict()


def test_the_template_of_the_default_weight_takes_an_evaluation(info: WeightInfo, document: dict[str, Any]) -> None:
    card = render_card(TEMPLATE.read_text("utf-8"), "hicmae-nano", info, {"": document})
    assert card.startswith("# hicmae-nano\n\n**Research use only.**") and "{{" not in card
    assert FORBIDDEN_USE in card and describe_intervals(document["intervals"]) in card
    for grid in name_grids(document).values():
        assert "\n".join(grid.to_markdown()) in card
    for line in ("- photos: accuracy 0.88 (chance 0.50, 12 clips)", "| Licence | research use only |"):
        assert line in card.splitlines(), line


def test_a_card_neither_invents_nor_hides(info: WeightInfo, document: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"nothing to fill in for \{\{table: scores\}\}"):
        render_card("{{table: scores}}", "w", info, {})
    with pytest.raises(WeightsError, match=r"nothing to fill in for \{\{trained_on\}\}"):
        render_card("{{trained_on}}", "w", ToyEngine.info, {})
    with pytest.raises(WeightsError, match="no place for the tables scores, confusion, classes"):
        render_card("# {{name}}", "w", info, {"": document})


def test_several_evaluations_have_keys_of_their_own(info: WeightInfo, document: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"the tables faces-scores, .*, faces-by-source, voices-scores"):
        render_card("# {{name}}", "w", info, {"faces-": document, "voices-": document})
