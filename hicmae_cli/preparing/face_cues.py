"""Cues in an aligned face: how far each part of it moves, by MediaPipe's blendshapes, left and right averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.clip import find_black_frames
from hicmae_cli.clips.prepared import PreparedClip
from hicmae_cli.clips.views import View
from hicmae_cli.faces.nets import BLENDSHAPES, Region, read_blendshapes, read_landmarks

_NAMES: Final = """
browDown browInnerUp browOuterUp eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide jawOpen
mouthClose mouthDimple mouthFrown mouthFunnel mouthLowerDown mouthPress mouthPucker mouthRollLower mouthRollUpper
mouthShrugLower mouthShrugUpper mouthSmile mouthStretch mouthUpperUp
"""
FACE_CUES: Final = tuple(_NAMES.split())
"""Blendshapes without their side, in alphabetical order.

`_neutral` is no movement. `cheekPuff`, `cheekSquint`, `jawForward` and `noseSneer` hardly move: on 4,521 faces of real
people, their standard deviation is below 0.003. `jawLeft`, `jawRight`, `mouthLeft` and `mouthRight` have no meaning
without a side.
"""
_SIDES: Final = {cue: [name for name in BLENDSHAPES if name in (cue, f"{cue}Left", f"{cue}Right")] for cue in FACE_CUES}
NUM_FRAMES: Final = 4
"""Number of frames of a clip that are read, evenly spaced."""
# An aligned crop shows the face alone, which a face finder may miss. Symmetric, so that a flipped crop has the same
# region; of the sides from 150 to 255 px, those from 210 to 255 px agree best with photographs that are read whole.
_REGION: Final = Region(79.5, 81.0, 230.0, 230.0, 0.0)
_LEAST_PRESENCE: Final = 0.5


def measure_face_cues(faces: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """Measure the cues of aligned faces, 0 to 1, as means over the faces.

    Args:
        faces: each (160, 160, 3).

    Returns:
        All of `FACE_CUES`; nothing if no face can be read.

    Raises:
        WeightsError: a net's file is missing or damaged.
    """
    if not len(faces):
        return {}
    visible = np.stack(faces)[~find_black_frames(np.stack(faces))]
    landmarks, presence = read_landmarks(list(visible), [_REGION] * len(visible))
    shapes = read_blendshapes(landmarks[presence > _LEAST_PRESENCE])
    if not shapes:
        return {}
    return {cue: float(np.mean([shape[name] for shape in shapes for name in names])) for cue, names in _SIDES.items()}


def pick_faces(clip: PreparedClip) -> Sequence[NDArray[np.uint8]]:
    """Decode a few evenly spaced frames (160, 160, 3) of a clip; a still has one, and a clip without faces none.

    Raises:
        MediaError: a picture cannot be read.
    """
    if clip.frames is None:
        return ()
    count = len(clip.frames)
    if count <= NUM_FRAMES:
        whole = clip.decode_all().frames
        assert isinstance(whole, np.ndarray)
        return list(whole)
    places = tuple((2 * index + 1) * count // (2 * NUM_FRAMES) for index in range(NUM_FRAMES))
    faces = clip.decode_faces(View(places, 0, 0))
    assert faces is not None
    return list(faces)
