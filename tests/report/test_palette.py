"""Colours: different for everybody, and strong enough on their background."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.report.palette import COLOURS, contrast, ink_on, label_colours, to_rgb

# Machado, Oliveira, Fernandes: "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
# severity 1.0, for linear RGB.
_SIGHT = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _lab(colour: str, sight: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of a colour as somebody sees it."""
    share = np.array(to_rgb(colour)) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = _TO_XYZ @ np.clip(sight @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", _SIGHT.values(), ids=list(_SIGHT))
@pytest.mark.parametrize("shade", ["light", "dark"])
def test_everybody_can_tell_the_colours_apart(sight: NDArray[np.float64], shade: str) -> None:
    seen = {name: _lab(getattr(colour, shade), sight) for name, colour in COLOURS.items()}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    assert min(distances.values()) > 12, min(distances, key=distances.__getitem__)


@pytest.mark.parametrize(("shade", "background"), [("light", "#ffffff"), ("dark", "#1a1e24")])
def test_colours_stand_out(shade: str, background: str) -> None:
    shades = [getattr(colour, shade) for colour in label_colours([*COLOURS, *"abcdef"])]
    assert all(contrast(each, background) >= 3 for each in shades)
    assert all(contrast(each, ink_on(each)) >= 4.5 for each in shades)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_label_keeps_its_colour_beside_others() -> None:
    assert label_colours(["joy", "anger", "hope"])[1] == COLOURS["anger"] == label_colours(["anger"])[0]
    assert len(set(label_colours([*"abcdef"]))) == 6
    assert len(label_colours([*"abcdefghij"])) == 10
