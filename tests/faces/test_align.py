"""The geometry of aligned crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import WeightsError
from hicmae_cli.faces import Face, align, align_face
from hicmae_cli.faces.align import fit_alignment, fit_similarity, read_template
from tests.faces.fake import fake_face


def _dotted(width: int, height: int, x: float, y: float, sigma: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * bump).astype(np.uint8)[..., None], 3, axis=2)


def _centre_of_mass(crop: NDArray[np.uint8]) -> tuple[float, float]:
    weights = crop[..., 0].astype(float)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    return float((columns * weights).sum() / weights.sum()), float((rows * weights).sum() / weights.sum())


def test_template_is_where_the_weights_expect_it() -> None:
    indices, points = read_template()
    assert len(set(indices.tolist())) == 68
    assert points[36:42].mean(axis=0) == pytest.approx((47, 42), abs=1.5)  # one eye
    assert points[42:48].mean(axis=0) == pytest.approx((113, 41), abs=1.5)  # the other
    assert points[30] == pytest.approx((81, 72), abs=4)  # tip of the nose
    assert points[8][1] == pytest.approx(157, abs=3)  # chin
    assert points.mean(axis=0) == pytest.approx((80, 80), abs=1)


def test_similarity_undoes_a_known_transform() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(68, 2))
    turn, scale, shift = 0.7, 2.5, np.array([3.0, -8.0])
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = fit_similarity(source, source @ rotation.T + shift)
    assert matrix == pytest.approx(np.column_stack([rotation, shift]))


def test_similarity_equals_umeyama() -> None:
    """Against the published solution by singular value decomposition, on points that do not fit exactly."""
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(68, 2)), rng.normal(size=(68, 2))
    target[:, 0] -= 2 * source[:, 0]  # a reflection would fit best
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (s * sign).sum() / (a**2).sum()
    expected = np.column_stack([scale * rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)])
    assert fit_similarity(source, target) == pytest.approx(expected)


def test_every_crop_size_cuts_the_same() -> None:
    face = fake_face((300.0, 200.0), 240.0, roll_deg=15)
    large, small = fit_alignment(face.landmarks_px, 256), fit_alignment(face.landmarks_px, 160)
    point = np.array([310.0, 190.0, 1.0])
    assert (large @ point + 0.5) / 256 == pytest.approx((small @ point + 0.5) / 160)


@pytest.mark.parametrize("size_px", [60.0, 160.0, 400.0, 900.0, 1400.0])
@pytest.mark.parametrize("roll_deg", [0.0, 30.0, -100.0])
def test_a_dot_lands_where_it_should(size_px: float, roll_deg: float) -> None:
    centre = (800.0, 760.0)
    face = fake_face(centre, size_px, roll_deg)
    scale = size_px / 160
    # A dot on the outer corner of the right eye's template position.
    turn = np.deg2rad(roll_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    x, y = rotation @ ((np.array([50.0, 110.0]) - 79.5) * scale) + centre
    crop = align_face(_dotted(1600, 1500, x, y, 4 * scale), face.landmarks_px)
    assert crop.shape == (160, 160, 3)
    assert crop.dtype == np.uint8
    assert _centre_of_mass(crop) == pytest.approx((50.0, 110.0), abs=0.15)


@pytest.mark.parametrize("size_px", [330.0, 700.0, 1300.0])
def test_a_large_face_does_not_alias(size_px: float) -> None:
    """A pattern too fine for the crop must become its mean, not another pattern."""
    rows, columns = np.mgrid[:1400, :1400]
    checks = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = align_face(checks, fake_face((700.3, 699.6), size_px, roll_deg=7).landmarks_px)
    assert crop.astype(float).std() < 20
    assert crop.mean() == pytest.approx(127.5, abs=6)


def test_outside_the_picture_is_black() -> None:
    white = np.full((200, 200, 3), 255, np.uint8)
    crop = align_face(white, fake_face((10.0, 100.0), 160.0).landmarks_px)
    assert (crop[40:120, :60] == 0).all()
    assert (crop[40:120, 80:] == 255).all()
    far = align_face(white, fake_face((5000.0, 5000.0), 900.0).landmarks_px)
    assert not far.any()
    assert not align_face(white, fake_face((5000.0, 5000.0), 90.0).landmarks_px).any()


def test_a_large_face_at_the_edge_is_black_outside() -> None:
    white = np.full((700, 700, 3), 255, np.uint8)
    crop = align_face(white, fake_face((0.0, 350.0), 700.0).landmarks_px)
    assert (crop[10:-10, :76] == 0).all()
    assert (crop[10:-10, 84:] == 255).all()


def test_other_crop_sizes() -> None:
    face = fake_face((100.0, 100.0), 100.0)
    picture = _dotted(200, 200, 100.0, 100.0, 5.0)
    for size_px in (32, 160, 224, 256, 320):
        crop = align_face(picture, face.landmarks_px, size_px)
        assert crop.shape == (size_px, size_px, 3)
        assert _centre_of_mass(crop) == pytest.approx(((size_px - 1) / 2,) * 2, abs=size_px / 300)


def test_impossible_landmarks() -> None:
    with pytest.raises(ValueError, match="expected different landmarks"):
        fit_alignment(np.zeros((478, 2), np.float32))
    with pytest.raises(ValueError, match=r"\(478, 2\)"):
        fit_alignment(np.zeros((68, 2), np.float32))
    with pytest.raises(ValueError, match="finite"):
        Face(np.full((478, 2), np.nan, np.float32))
    with pytest.raises(ValueError, match="landmarks_px"):
        Face(np.zeros((468, 2), np.float32))


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"mediapipe_indices": [1, 2], "points_160": [[0, 0]]}',
        b'{"mediapipe_indices": [500], "points_160": [[0, 0]]}',
    ],
)
def test_a_face_template_that_is_missing_or_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes | None
) -> None:
    if text is not None:
        (tmp_path / "face_template.json").write_bytes(text)
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    align._load_template.cache_clear()
    try:
        with pytest.raises(WeightsError, match=r"face_template\.json: the face template is missing or damaged"):
            align.read_template()
    finally:
        align._load_template.cache_clear()
