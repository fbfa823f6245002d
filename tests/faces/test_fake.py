"""Scripted faces."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.faces import FaceDetector, align_face
from hicmae_cli.media import Frame
from tests.faces.fake import FakeDetector, FakeFace, fake_face


def _frame(time_s: float) -> Frame:
    return Frame(time_s, np.zeros((90, 160, 3), np.uint8))


def test_script_is_followed() -> None:
    script = [FakeFace(0.0, 1.0, (40, 40), 30), FakeFace(0.5, 2.0, (100, 40), 50, velocity_px_s=(10, 0))]
    detector: FaceDetector = FakeDetector(script)
    with detector:
        assert [len(detector.detect(_frame(t))) for t in (0.0, 0.4, 0.5, 0.99, 1.0, 2.0)] == [1, 1, 2, 2, 1, 0]
        largest = detector.detect(_frame(0.5))[0]
        later = detector.detect(_frame(1.5))[0]
    assert largest.centre_px[0] == pytest.approx(100, abs=2)
    assert later.centre_px[0] - largest.centre_px[0] == pytest.approx(10, abs=1e-3)
    with pytest.raises(ValueError, match="closed"):
        detector.detect(_frame(0.0))


def test_aligning_a_fake_face_cuts_its_square() -> None:
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[100:260, 60:220] = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).repeat(8, 0).repeat(8, 1)
    crop = align_face(picture, fake_face((60 + 79.5, 100 + 79.5), 160).landmarks_px)
    inner = np.abs(crop.astype(int) - picture[100:260, 60:220])
    assert inner.mean() < 8  # 160 -> 256 -> 160 softens the edges of the checks
