from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.clips.clip import find_black_frames

FACES = np.zeros((16, 160, 160, 3), np.uint8)
MEL = np.zeros((256, 128), np.float32)


def test_a_missing_stream_is_fed_as_zeros() -> None:
    video, audio = stack_clips([Clip(FACES, None), Clip(None, MEL + 1)])
    assert video.shape == (2, 3, 16, 160, 160)
    assert audio.shape == (2, 1, 256, 128)
    assert (audio[0] == 0).all()
    assert (audio[1] == 1).all()
    assert (video[1] == 0).all()
    # Black is far from what a missing stream is.
    np.testing.assert_allclose(video[0, :, 0, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-5)


def test_pixels_keep_their_place() -> None:
    faces = FACES.copy()
    faces[3, 20, 30, 1] = 255
    video, _ = stack_clips([Clip(faces, None)])
    changed = np.argwhere(video[0] != stack_clips([Clip(FACES, None)])[0][0])
    assert changed.tolist() == [[1, 3, 20, 30]]


@pytest.mark.parametrize(
    ("video", "audio"),
    [
        (None, None),
        (FACES[:15], MEL),
        (FACES.astype(np.float32), MEL),
        (FACES, MEL.T),
        (FACES, MEL.astype(np.float64)),
        (FACES, np.full_like(MEL, np.nan)),
    ],
)
def test_misshapen_clips_are_refused(video: np.ndarray | None, audio: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="clip"):
        Clip(video, audio)


@pytest.mark.parametrize(("clip", "modality"), [((FACES, MEL), "av"), ((FACES, None), "video"), ((None, MEL), "audio")])
def test_modality_names_what_is_there(clip: tuple[np.ndarray, np.ndarray], modality: str) -> None:
    assert Clip(*clip).modality == modality


def test_only_frames_without_a_face_are_black() -> None:
    faces = np.zeros((4, 160, 160, 3), np.uint8)
    faces[1] = 15  # what compression leaves of black
    faces[2, 80, 80, 1] = 16
    faces[3] = 90
    assert find_black_frames(faces).tolist() == [True, True, False, False]
