"""From a crop or a voice to inputs of the model, and the changes that test how steady a judgement of a voice is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, PreparedClip
from hicmae_cli.clips.stills import animate_still
from hicmae_cli.evaluation.degradations import DEGRADATIONS, Degrade

Samples = NDArray[np.float32]


def make_face_clip(crop: NDArray[np.uint8]) -> Clip:
    """Make the input of the model from a still (160, 160, 3): 16 frames that move a little, without sound."""
    return Clip(animate_still(crop), None)


def make_grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the colour of a crop (160, 160, 3); a grey crop stays as it is."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def make_voice_clips(samples: Samples, frame_stride: int | None) -> list[Clip]:
    """Make the inputs of the model from a voice: its test views, as for any sound-only clip."""
    return PreparedClip(None, samples).read_evaluation_clips(frame_stride, "audio")


def degrade_voice(samples: Samples, change: str, name: str) -> Samples:
    """Change a voice by one of ``CHANGES``; the name of its file seeds what is random."""
    changed = CHANGES[change].degrade_sound(PreparedClip(None, samples), name).samples
    assert changed is not None, "a degraded sound is still a sound"
    return changed


CHANGES: Final[Mapping[str, Degrade]] = {
    "12 dB louder": Degrade(DEGRADATIONS["loudness"], 12),
    "12 dB quieter": Degrade(DEGRADATIONS["loudness"], -12),
    "telephone band": Degrade(DEGRADATIONS["telephone"], 3400),
    "20 dB babble": Degrade(DEGRADATIONS["babble"], 20),
}
"""Name -> change of a voice."""
