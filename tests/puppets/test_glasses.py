"""Spectacle frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hicmae_cli.puppets.glasses import build_glasses
from hicmae_cli.puppets.head import LEFT_EYE, RIGHT_EYE, load_head
from hicmae_cli.puppets.identity import GLASSES_SHAPES, Identity

PERSON = Identity.draw(np.random.default_rng(0))


@pytest.mark.parametrize("shape", GLASSES_SHAPES)
def test_frames_fit_the_face(shape: str) -> None:
    mesh = build_glasses(replace(PERSON, glasses=shape))
    if shape == "none":
        assert mesh is None
        return
    assert mesh is not None
    vertices, triangles = mesh
    assert set(np.unique(triangles)) == set(range(len(vertices)))
    np.testing.assert_allclose(np.linalg.norm(vertices[:, 3:], axis=1), 1, atol=1e-5)
    head = load_head()
    for part in (LEFT_EYE, RIGHT_EYE):  # both eyes are inside the frames' outline
        x, y, z = PERSON.neutral[head.part == part].mean(0)
        near = vertices[np.abs(vertices[:, 0] - x) < 0.02]
        assert near[:, 1].min() < y < near[:, 1].max() and near[:, 2].max() > z


def test_size_is_a_factor() -> None:
    small, large = (build_glasses(replace(PERSON, glasses="round", glasses_size=size)) for size in (0.9, 1.2))
    assert small is not None and large is not None
    assert np.ptp(large[0][:, 0]) > np.ptp(small[0][:, 0])
