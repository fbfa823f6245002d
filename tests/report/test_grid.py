"""Tables of texts on a narrow terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hicmae_cli.report.grid import Grid, fit_columns

WIDE = Grid(
    "by speaker, av",
    ("speaker", "clips", "UAR [95 %]", "WAR [95 %]", "notes"),
    (
        ("puppet-17000000", "10", "1.0000 [1.000,1.000]", "1.0000 [1.000,1.000]", "fewer than 20 clips; 2 people"),
        ("puppet-17000001", "10", "0.7778 [0.583,1.000]", "0.8000 [0.500,1.000]", "fewer than 20 clips; 2 people"),
    ),
)


def draw(grid: Grid, cells: int) -> str:
    console = Console(width=cells, file=io.StringIO(), color_system=None)
    console.print(grid)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_no_word_is_cut_on_80_cells() -> None:
    text = draw(WIDE, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert all(word in text for row in WIDE.rows for cell in row for word in cell.split())


def test_a_table_with_room_has_a_line_for_each_row() -> None:
    assert len(draw(WIDE, 120).splitlines()) == 1 + 3 + len(WIDE.rows) + 1


def test_nothing_is_lost_even_without_room_for_the_words() -> None:
    text = draw(Grid("t", ("", "a"), (("x" * 50, "0.5"),)), 40)
    assert max(map(len, text.splitlines())) <= 40 and text.count("x") == 50 and "…" not in text


@pytest.mark.parametrize(
    ("longest", "words", "cells", "widths"),
    [
        ([5, 9], [3, 4], 14, [5, 9]),
        ([5, 9], [3, 4], 12, [5, 7]),
        ([9, 9], [9, 2], 12, [9, 3]),
        ([9, 9], [9, 9], 8, [4, 4]),
    ],
)
def test_the_widest_columns_are_narrowed_down_to_their_words(
    longest: list[int], words: list[int], cells: int, widths: list[int]
) -> None:
    assert fit_columns(longest, words, cells) == widths
