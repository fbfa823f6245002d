"""What is said of the datasets, on the pages and on the command line, is what the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hicmae_cli.corpora.card import make_card, make_title
from hicmae_cli.corpora.catalogue import DATASETS

PAGES = Path(__file__).parents[2] / "docs" / "datasets"


def cards_of(page: Path) -> dict[str, str]:
    """What stands between the markers of a page, by dataset."""
    found = re.findall(r"<!-- card: (\S+) -->\n(.*?)<!-- end of card -->", page.read_text("utf-8"), re.DOTALL)
    return dict(found)


@pytest.mark.parametrize("name", DATASETS)
def test_the_page_of_a_dataset_shows_its_card(name: str) -> None:
    shown = cards_of(PAGES / f"{DATASETS[name].folder}.md")
    assert shown[name] == make_card(DATASETS[name]), "run `python scripts/dataset_pages.py`"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_pages_name_datasets_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(r"hicmae prepare ([a-z][\w-]*)|--dataset ([a-z][\w-]*)|<!-- card: (\S+)", text)
    assert {name for names in named for name in names if name} <= set(DATASETS)
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).resolve().is_file(), link


def test_every_page_is_in_the_list() -> None:
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text("utf-8")))
    assert listed == {page.stem for page in PAGES.glob("*.md")} - {"README"} == {d.folder for d in DATASETS.values()}


@pytest.mark.parametrize("name", DATASETS)
def test_a_card_holds_every_fact(name: str) -> None:
    dataset = DATASETS[name]
    text = make_card(dataset)
    facts = [
        make_title(dataset),
        dataset.name,
        *dataset.labels,
        *dataset.codes,
        dataset.fold_rule,
        *dataset.layout.splitlines(),
        *dataset.excluded,
        *dataset.choices,
        dataset.licence,
        dataset.access,
        dataset.citation,
    ]
    for fact in facts:
        assert fact in text
    for published_fold in dataset.published.values():
        assert f"| {published_fold.train} | {published_fold.test} |" in text
    for score in dataset.scores.values():
        assert f" {100 * score:.2f} " in text


def test_a_card_in_full() -> None:
    assert make_card(DATASETS["avcaffe-valence"]).splitlines()[:9] == [
        "### AVCAffe, valence (`avcaffe-valence`)",
        "",
        "- Task: classification, 5 classes",
        "- Recordings: spontaneous: people solve tasks in pairs over video calls",
        "- Labels, in order: pleasant (Pleasant), pleased (Pleased), neutral (Neutral), unsatisfied (Unsatisfied), "
        "unpleasant (Unpleasant)",
        "- Split: fixed: test on the official 20 validation people, train on the other 86",
        "- Metrics: weighted F1 chooses the epoch; the paper reports weighted F1",
        "- Decisions: one for all clips whose ids start with the same 3 fields, separated by `_`",
        "- Sampling rate: 4 (every fourth frame)",
    ]
