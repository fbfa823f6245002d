"""The live view."""

from __future__ import annotations

import io

from rich.console import Console

from hicmae_cli.report.live import LiveView
from tests.runtime.stubs import TOY_MODEL, TOY_REGRESSION, valued, window


def draw(view: LiveView) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(view.render())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_waits_then_shows_each_person_with_bars_and_words() -> None:
    view = LiveView("camera [0]\x1b", TOY_MODEL.info)
    assert "camera [0]\\x1b: waiting for the first window" in draw(view)
    view.add(1, window(0.0, 2.56), 0.4)
    view.add(2, window(0.0, 2.56, (0.6, 0.3, 0.1), "video"), 0.5)
    drawn = draw(view)
    assert "person 1  face + voice" in drawn and "person 2  face" in drawn
    assert "▸ happiness" in drawn and "▸ anger" in drawn and "70%" in drawn and "█" in drawn
    assert "0:00:02.6 · 0.5 s late · Ctrl-C ends" in drawn
    assert view.line(2) == "0:00:02.6  person 2  anger 60%  (face, 0.5 s late)"


def test_who_has_left_is_marked_and_then_gone() -> None:
    view = LiveView("stdin", TOY_MODEL.info)
    view.add(1, window(0.0, 2.56), 0.0)
    view.add(0, window(3.0, 5.56, modality="audio"), 0.0)
    assert "person 1" in draw(view) and "3 s ago" in draw(view) and "voice  voice" in draw(view)
    view.add(0, window(3661.0, 3663.56, modality="audio"), 0.0)
    assert "person 1" not in draw(view) and "1:01:03.6" in draw(view)


def test_a_regression_shows_its_values() -> None:
    view = LiveView("stdin", TOY_REGRESSION.info)
    view.add(1, valued(0.25, -0.5), 0.1)
    assert "arousal" in draw(view) and "-0.50" in draw(view)
    assert view.line(1) == "0:00:02.6  person 1  arousal 0.25, valence -0.50  (face + voice, 0.1 s late)"
