"""Random scenes."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.puppets.head import SKIN, load_head
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.scene import Scene, draw_scene

TIMES_S = np.linspace(0, 0.64, 5)


def draw(seed: int) -> tuple[Identity, Scene]:
    rng = np.random.default_rng(seed)
    identity = Identity.draw(rng)
    return identity, draw_scene(identity, TIMES_S, rng, 224)


@pytest.mark.parametrize("seed", range(5))
def test_turns_are_rotations(seed: int) -> None:
    _, scene = draw(seed)
    for turns in (scene.head_turns, scene.body_turns):
        np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (5, 1, 1)), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(turns), 1)
    np.testing.assert_allclose(np.linalg.norm(scene.light_to, axis=1), 1)


def test_the_face_fills_its_share_of_the_frame() -> None:
    head = load_head()
    front = (head.part == SKIN) & (np.abs(head.mean[:, 0]) < 0.012) & (head.mean[:, 2] > -0.02)
    marks = [front & (np.abs(head.mean[:, 1] - y) < reach) for y, reach in ((-0.115, 0.006), (0.072, 0.008))]
    for seed in range(10):
        identity, scene = draw(seed)
        shown = []
        for mark in marks:
            point = np.append(identity.neutral[mark].mean(0), 1.0)
            point[2] = 0.03  # the depth that the camera is aimed at
            clip = scene.camera @ scene.views[0] @ point
            shown.append(clip[1] / clip[3] / 2)
        assert 0.45 < shown[1] - shown[0] < 0.86, seed


def test_the_same_generator_draws_the_same() -> None:
    first, second, other = draw(3)[1], draw(3)[1], draw(4)[1]
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in vars(first))
    assert not np.array_equal(first.background, other.background)
