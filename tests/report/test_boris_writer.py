from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.report.readers import write
from tests.report.toys import blends, hostile, labelled, prediction
from tests.runtime.stubs import track, window


def read(path: Path) -> list[tuple[Decimal, str, str, str, str, str]]:
    """As BORIS reads its clipboard: an observation of media has six columns in each line, and the first is a number."""
    rows = [line.split("\t") for line in path.read_text("utf-8").split("\n")]
    assert {len(row) for row in rows} == {6}
    return [(Decimal(row[0]), row[1], row[2], row[3], row[4], row[5]) for row in rows]


def test_an_episode_starts_and_stops(tmp_path: Path) -> None:
    made = prediction(labelled((1001, 2500, "anger"), (2500, 3000, "neutral")), labelled((0, 9000, "anger"), number=2))
    assert read(write(made, tmp_path, "boris")) == [
        (Decimal("0.000"), "person 2", "anger", "", "probability 0.80", "NA"),
        (Decimal("1.001"), "person 1", "anger", "", "probability 0.80", "NA"),
        (Decimal("2.500"), "person 1", "anger", "", "", "NA"),  # before the next one starts
        (Decimal("2.500"), "person 1", "neutral", "", "probability 0.80", "NA"),
        (Decimal("3.000"), "person 1", "neutral", "", "", "NA"),
        (Decimal("9.000"), "person 2", "anger", "", "", "NA"),
    ]


def test_a_label_of_two_sets_is_one_event(tmp_path: Path) -> None:
    rows = read(write(blends(), tmp_path, "boris"))
    assert [(float(time), label) for time, _, label, *_ in rows] == [
        (0, "anger"),
        (0, "fear"),
        (4, "anger"),
        (8, "fear"),
    ]


def test_two_episodes_with_a_pause_are_two_events(tmp_path: Path) -> None:
    rows = read(write(prediction(track(1, window(0, 1), window(2, 3))), tmp_path, "boris"))
    assert [float(time) for time, *_ in rows] == [0, 1, 2, 3]


def test_no_name_adds_a_column_or_a_row(tmp_path: Path) -> None:
    assert len(read(write(hostile(), tmp_path, "boris"))) == 26
