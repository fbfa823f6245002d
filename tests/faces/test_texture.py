"""Textures: alike in any light, unlike for other faces, and not fooled by noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces.linker import SAME_TEXTURE
from hicmae_cli.faces.texture import describe_texture


def portrait(seed: int) -> NDArray[np.uint8]:
    """A made-up face (160, 160, 3) with coarse and fine structure, different for every seed."""
    rng = np.random.default_rng(seed)
    levels = np.full((160, 160), 120.0)
    for cells, contrast in ((6, 30), (16, 16), (40, 8)):
        rough = rng.normal(0, contrast, (cells, cells)).astype(np.float32)
        levels += cv2.resize(rough, (160, 160), interpolation=cv2.INTER_CUBIC)
    return np.asarray((levels[..., None] * np.array([1.0, 0.85, 0.75])).clip(0, 255), np.uint8)


def change(face: NDArray[np.uint8], gain: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (face * gain).clip(0, 255).astype(np.uint8)


def test_it_has_unit_length_and_a_flat_face_has_none() -> None:
    assert np.linalg.norm(describe_texture(portrait(1))) == pytest.approx(1, abs=1e-5)
    assert np.abs(describe_texture(np.full((160, 160, 3), 90, np.uint8))).max() < 0.01
    with pytest.raises(ValueError, match=r"expected a face \(160, 160, 3\)"):
        describe_texture(np.zeros((100, 100, 3), np.uint8))


@pytest.mark.parametrize(
    "gain",
    [np.array([0.6, 0.6, 0.6]), np.array([1.1, 1.0, 0.7]), np.linspace(1.2, 0.5, 160)[None, :, None]],
    ids=["darker", "warmer", "from one side"],
)
def test_other_light_changes_little(gain: NDArray[np.float64]) -> None:
    for seed in range(4):
        face = portrait(seed)
        similarity = describe_texture(face) @ describe_texture(change(face, gain))
        assert similarity > SAME_TEXTURE + 0.1


def test_other_faces_are_unlike() -> None:
    textures = np.stack([describe_texture(portrait(seed)) for seed in range(12)])
    others = (textures @ textures.T)[~np.eye(12, dtype=bool)]
    assert others.max() < SAME_TEXTURE - 0.2


def test_noise_and_blur_make_nobody_alike() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (160, 160, 3), np.uint8) for _ in range(2)]
    assert describe_texture(noise[0]) @ describe_texture(noise[1]) < 0.2
    grainy = [np.clip(portrait(seed) + rng.normal(0, 25, (160, 160, 3)), 0, 255).astype(np.uint8) for seed in (1, 2)]
    assert describe_texture(grainy[0]) @ describe_texture(grainy[1]) < SAME_TEXTURE - 0.2
    soft = [np.asarray(cv2.GaussianBlur(portrait(seed), (0, 0), 4), np.uint8) for seed in (1, 2)]
    assert describe_texture(soft[0]) @ describe_texture(soft[1]) < SAME_TEXTURE - 0.1
