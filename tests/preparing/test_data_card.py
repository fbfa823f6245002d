"""What a data card says of a prepared corpus."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli import __version__
from hicmae_cli.corpora.dataset import Item
from hicmae_cli.preparing.clip import VERSION
from hicmae_cli.preparing.data_card import DataCard, Spread, make_data_card, write_data_card
from hicmae_cli.preparing.dataset import prepare
from hicmae_cli.preparing.journal import Entry, OtherClip
from hicmae_cli.preparing.listing import list_rows
from hicmae_cli.preparing.measuring import ClipFacts, Source
from tests.corpora.toys import SquareDetector, make_items, toy_dataset


def test_every_prepared_corpus_has_a_card(tmp_path: Path) -> None:
    items = make_items(tmp_path, 3)
    items[1].video.write_bytes(b"broken")
    dataset = replace(toy_dataset(items), licence="CC0", citation="Someone: Squares", excluded={"x": "by the authors"})
    done = prepare(dataset, tmp_path, output=tmp_path / "out", workers=0, make_detector=SquareDetector)
    facts = json.loads(done.card.with_suffix(".json").read_text())
    assert done.card == tmp_path / "out" / "toy-card.md" and done.to_dict()["card"] == str(done.card)
    expected = {
        "dataset": "toy",
        "licence": "CC0",
        "citation": "Someone: Squares",
        "hicmae": __version__,
        "clip_version": VERSION,
        "items": 3,
        "clips": 2,
        "labels": {"anger": 2},
        "folds": {"0": 1, "1": 1},
        "splits": {},
        "speakers": 2,
        "unnamed": 0,
        "total_s": 1.0,
        "length_s": {"least": 0.5, "mean": 0.5, "median": 0.5, "most": 0.5},
        "fps": {"10": 2},
        "people_seen": {"1": 2},
        "doubtful": 0,
        "skipped": {"unreadable": 1},
        "excluded": {"x": "by the authors"},
    }
    assert {name: facts[name] for name in expected} == expected
    assert facts["causes"]["s0/01"] == done.skipped[0].cause
    assert facts["command"] == f"hicmae prepare toy --root {tmp_path} --output {tmp_path / 'out'}"
    text = done.card.read_text()
    for line in (
        "# Data card: Toy (`toy`)",
        "- Clips: 2 of 3 recordings, 0.0 minutes",
        "- Licence: CC0",
        "| anger | 2 |",
        "| unreadable | 1 |",
        "- x: by the authors",
        "- Frames with the face: 1 to 1, mean 1, median 1",
    ):
        assert line in text.splitlines()


def make_card(items: list[Item], entries: dict[str, Entry], keep_people: str = "one") -> DataCard:
    dataset = toy_dataset(items)
    sources = {item.id: Source(item.video) for item in items}
    rows = list_rows(items, sources, entries, Path("store"), keep_people)  # type: ignore[arg-type]
    return make_data_card(dataset, items, rows, entries, "hicmae prepare toy")


ITEMS = [Item(str(number), "fear", "anna" * (number < 2), Path(f"{number}.mkv"), split="train") for number in range(3)]
ENTRIES = {
    "0": Entry("v", ClipFacts(1.0, 2.0, 2.0, is_silent=True, people_seen=1, identity_switches=0, fps=25.0), 9),
    "1": Entry(
        "v",
        ClipFacts(0.8, 4.0, 0.0, is_silent=False, people_seen=2, identity_switches=3, fps=12.5),
        9,
        others=(OtherClip(0.3, 8),),
    ),
    "2": Entry("v", ClipFacts(0.4, 3.0, 3.0, is_silent=False, fps=12.5), 9),  # of an earlier version
}


def test_facts_are_counted_over_clips_and_recordings() -> None:
    card = make_card(ITEMS, ENTRIES)
    assert (card.clips, card.total_s, card.length_s) == (3, 9.0, Spread(2.0, 3.0, 3.0, 4.0))
    assert (card.fps, card.splits) == ({"12.5": 2, "25": 1}, {"train": 3})
    assert (card.speakers, card.unnamed, card.without_sound, card.silent, card.low_coverage) == (1, 1, 1, 1, 1)
    assert (card.people_seen, card.doubtful, card.identity_switches) == ({"1": 1, "2": 1}, 1, 3)
    assert "1 named, 1 clips without a name" in str(card)
    everyone = make_card(ITEMS, ENTRIES, "all")
    assert (everyone.clips, everyone.items, everyone.total_s) == (4, 3, 13.0)
    assert (everyone.low_coverage, everyone.identity_switches) == (2, 3)


def test_a_card_that_says_the_same_stays(tmp_path: Path) -> None:
    card, path = replace(make_card(ITEMS, ENTRIES), date="2026-01-02"), tmp_path / "toy-card.md"
    write_data_card(card, path)
    before = path.read_text(), path.with_suffix(".json").read_text()
    write_data_card(replace(card, date="2026-02-03"), path)
    assert (path.read_text(), path.with_suffix(".json").read_text()) == before
    write_data_card(replace(card, date="2026-02-03", clips=9), path)
    assert "2026-02-03" in path.read_text() and "2026-01-02" not in path.with_suffix(".json").read_text()


def test_names_do_not_break_the_page() -> None:
    card = replace(make_card(ITEMS, ENTRIES), labels={"a|b\n# c": 1})
    assert "| a\\|b\\\\n# c | 1 |" in str(card).splitlines()


@pytest.mark.parametrize("values", [[], [2.0], [1.0, 2.0, 6.0, 3.0]])
def test_spreads(values: list[float]) -> None:
    spread = Spread.measure(values)
    if not values:
        assert spread is None
    else:
        assert spread is not None
        assert (spread.least, spread.mean, spread.most) == (min(values), sum(values) / len(values), max(values))
