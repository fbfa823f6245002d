"""Charts of studies as pictures, and on a page that a browser draws."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hicmae_cli.report.figures import save_figure
from hicmae_cli.studies import figures
from hicmae_cli.studies.page import render_page
from hicmae_cli.studies.result import Chart, Series
from tests.web.browser import CHROMIUM, open_browser

EVIL = "</script><b>$\\frac$&"
HALF = Series(EVIL, (0.5, math.nan, 0.51), (0.4, math.nan, 0.5), (0.6, math.nan, 0.52))
LAYERS = Chart(
    "layers", EVIL, "layer", "UAR", (1.0, 2.0, 3.0), (HALF, Series("b", (0.5, 0.5, 0.5))), False, (0.2, EVIL)
)
NAMED = Chart("named", "t", EVIL, "d", ("a", "b " * 50, "c" * 90), (HALF,), zero=True)
EMPTY = Chart("empty", "t", "", "d", ("a", "b"), (Series("a", (math.nan, math.nan)),))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def keep(figure: Any, path: Path, dpi: int) -> None:
        found.append(figure)
        save_figure(figure, path, dpi)

    monkeypatch.setattr(figures, "save_figure", keep)
    return found


def test_the_axis_reaches_to_the_reference_and_has_its_numbers(tmp_path: Path, drawn: list[Any]) -> None:
    figures.draw_chart(LAYERS, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert axes.get_ylim()[0] < 0.2
    assert [text.get_text() for text in axes.texts] == ["</script><b>$\\\nfrac$&"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    first, second = (container.lines[0].get_xdata() for container in axes.containers)
    assert list(second - first) == pytest.approx([0.06] * 3)


@pytest.mark.parametrize("chart", [NAMED, EMPTY])
def test_long_names_and_missing_values_are_drawn(tmp_path: Path, drawn: list[Any], chart: Chart) -> None:
    figures.draw_chart(chart, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 1008
    assert len(drawn[0].legends) == 0


def test_a_chart_in_json_has_its_reference() -> None:
    assert LAYERS.to_dict()["reference"] == {"y": 0.2, "name": EVIL}
    assert NAMED.to_dict()["reference"] is None
    json.dumps(NAMED.to_dict(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_narrow_browser_draws_the_page(tmp_path: Path) -> None:
    charts = (LAYERS, NAMED, EMPTY)
    document = {
        "charts": [chart.to_dict() for chart in charts],
        "data": {"name": "toys", "clips": {"train": 1}},
        "budget": {"name": "trial"},
        "runs": [],
        "machines": [],
        "limits": [],
        "answer": None,
        **{"check": None, "claims": [], "tables": [], "pictures": []},
        "study": {"title": "Toy", "question": "?"},
        **{"jobs": 1, "compute_s": 1.0, "version": "1", "device": "cpu", "command": ""},
    }
    page = tmp_path / "report.html"
    page.write_text(render_page(document, tmp_path), "utf-8")
    with open_browser(tmp_path / "home") as browser:
        screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.send("Emulation.setDeviceMetricsOverride", screen, browser.page)
        browser.open(page.as_uri())
        boxes = "[...document.querySelectorAll('figure > div > svg')].map((svg) => svg.viewBox.baseVal.width)"
        widths = browser.run(boxes)
        assert len(widths) == 2 and all(320 <= width < 400 for width in widths)
        assert browser.run("document.documentElement.scrollWidth") <= 400
        assert browser.run("document.querySelectorAll('.legend').length") == 1
        assert EVIL in browser.run("document.querySelector('figure .mark').getAttribute('aria-label')")
        wide = "Math.max(...[...document.querySelectorAll('svg text')].map((t) => t.getBoundingClientRect().right))"
        assert browser.run(wide) <= 400
        browser.send("Emulation.setDeviceMetricsOverride", {**screen, "width": 900}, browser.page)
        browser.wait(f"{boxes}.every((width) => width > 700)")
        assert browser.said == []
