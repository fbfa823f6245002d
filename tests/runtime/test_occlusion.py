"""What moved an answer, on models whose reasons are planted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.clips import Clip
from hicmae_cli.runtime.engine import score_batches
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.occlusion import FACE_GRID, VOICE_GRID, explain_clip
from hicmae_cli.runtime.outputs import Scores, Window
from tests.runtime.stubs import ToyEngine

FACES = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3)).astype(np.uint8)
MEL = np.random.default_rng(1).normal(size=(256, 128)).astype(np.float32)


class Planted:
    """Its first logit is the contrast in one part of the face (row 1, column 3) and one of the sound, weighed."""

    name, device, info = "planted", "cpu", ToyEngine.info
    providers: tuple[str, ...] = ()

    def __init__(self, face: float = 3.0, voice: float = 1.0) -> None:
        self.weights = face, voice

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.zeros((len(video), len(self.info.labels)), np.float32)
        # High pitch, third eighth of the window.
        seen, heard = video[:, :, :, 32:64, 96:128].std(axis=(1, 2, 3, 4)), audio[:, 0, 64:96, 96:].std(axis=(1, 2))
        rows[:, 0] = self.weights[0] * seen + self.weights[1] * heard
        return rows


def test_the_planted_parts_and_streams_are_found() -> None:
    found = explain_clip(Planted(), Clip(FACES, MEL))
    assert found.face is not None and found.voice is not None and found.face > found.voice > 0
    for grid, shape, place in ((found.face_map, FACE_GRID, (1, 3)), (found.voice_map, VOICE_GRID, (0, 2))):
        numbers = np.array(grid)
        assert numbers.shape == shape
        assert int(numbers.argmax()) == place[0] * shape[1] + place[1]
        numbers[place] = 0
        np.testing.assert_allclose(numbers, 0, atol=1e-9)


def test_the_numbers_are_differences_of_probabilities() -> None:
    engine = Planted()

    def score(clip: Clip) -> float:
        return float(score_batches(engine, [clip], temperatures=[2.0])[0, 0])

    found = explain_clip(engine, Clip(FACES, MEL), temperature=2.0)
    both = score(Clip(FACES, MEL))
    assert found.voice == pytest.approx(both - score(Clip(FACES, None)), abs=1e-6)
    assert found.face == pytest.approx(both - score(Clip(None, MEL)), abs=1e-6)


def test_what_speaks_against_an_answer_is_negative() -> None:
    found = explain_clip(Planted(face=0.5, voice=-0.2), Clip(FACES, MEL))
    assert found.name == Planted().info.labels[0]
    assert found.voice is not None and found.voice < 0 and np.array(found.voice_map).min() < -0.01


@pytest.mark.parametrize("clip", [Clip(FACES, None), Clip(None, MEL)])
def test_one_stream_has_a_map_and_nothing_to_compare(clip: Clip) -> None:
    found = explain_clip(Planted(), clip)
    assert found.face is None and found.voice is None
    assert (found.face_map is None) == (clip.video is None) and (found.voice_map is None) == (clip.audio is None)


def test_a_window_keeps_it_in_its_document() -> None:
    scores = Scores({"anger": 0.25, "happiness": 0.75})
    given = explain_clip(Planted(), Clip(FACES, None))
    window = Window(0.0, 2.56, scores, 1.0, "video", explanation=given)
    read = Window.from_dict(window.to_dict()).explanation
    assert read is not None and read.name == given.name and read.voice_map is None
    np.testing.assert_allclose(np.array(read.face_map), np.array(given.face_map), atol=1e-4)
    assert "explanation" not in Window(0.0, 2.56, scores, 1.0, "video").to_dict()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("face_map", [[0.1] * 5] * 65),
        ("face_map", [0.1]),
        ("face_map", [[math.inf] * 5] * 5),
        ("voice", math.nan),
        ("voice_map", "map"),
    ],
)
def test_a_damaged_one_is_refused(key: str, value: object) -> None:
    fields = explain_clip(Planted(), Clip(FACES, MEL)).to_dict()
    with pytest.raises(ValueError, match=r"expected|could not convert"):
        Explanation.from_dict({**fields, key: value})
