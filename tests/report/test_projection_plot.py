"""Points of both streams, with the names of their colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hicmae_cli.report import projection_plot


def test_the_first_row_names_the_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(projection_plot, "save_figure", lambda figure, *_, **__: drawn.append(figure))
    points = {layer: np.zeros((4, 2)) for layer in (3, 4)}
    numbers = {3: 0.5, 4: 0.25}
    projection_plot.plot_projection(
        points, ["joy", ""], ["ann", "bob"], numbers, numbers, tmp_path / "a.png", title="Toy"
    )
    legends = [axes.get_legend() for axes in drawn[0].axes]
    assert [[text.get_text() for text in legend.get_texts()] for legend in legends[:3]] == [
        ["faces", "voices"],
        ["joy", "unknown"],
        ["ann", "bob"],
    ]
    assert legends[3:] == [None, None, None]
    assert drawn[0].axes[3].get_xlabel() == "modality gap 0.250, recall@1 0.250"
