"""Cues of a face: drawn people whose expression is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.clips.prepared import PreparedClip, read_prepared_clip
from hicmae_cli.faces import FaceFinder, align_face
from hicmae_cli.faces.nets import BLENDSHAPES
from hicmae_cli.media import Frame
from hicmae_cli.preparing.face_cues import FACE_CUES, NUM_FRAMES, measure_face_cues, pick_faces
from tests.corpora.toys import tone


@pytest.fixture(scope="module")
def people() -> dict[str, list[np.ndarray]]:
    """The crops of two drawn people for each of two displays."""
    pytest.importorskip("moderngl")
    from hicmae_cli.puppets.expression import animate_expression
    from hicmae_cli.puppets.identity import Identity
    from hicmae_cli.puppets.render import Renderer

    crops: dict[str, list[np.ndarray]] = {"happiness": [], "anger": []}
    times_s = np.arange(1) * 0.16 + 1.0
    with Renderer() as renderer, FaceFinder(num_faces=1) as finder:
        for display, found in crops.items():
            for seed in (1, 5):
                rng = np.random.default_rng(seed)
                identity = Identity.draw(rng)
                curves = animate_expression(display, 1.0, identity.style, rng, times_s)
                (frame,) = renderer.render_clip(identity, curves, rng, times_s)
                (face,) = finder.detect(Frame(time_s=0.0, rgb=frame))
                found.append(align_face(frame, face.landmarks_px))
    return crops


def test_cues_are_blendshapes_without_a_side() -> None:
    assert list(FACE_CUES) == sorted(FACE_CUES)
    for cue in FACE_CUES:
        assert cue in BLENDSHAPES or {f"{cue}Left", f"{cue}Right"} <= set(BLENDSHAPES)


def test_a_smile_and_a_frown_are_read_from_drawn_people(people: dict[str, list[np.ndarray]]) -> None:
    happy, angry = (measure_face_cues(people[display]) for display in ("happiness", "anger"))
    assert list(happy) == list(FACE_CUES)
    assert all(0 <= value <= 1 for value in (*happy.values(), *angry.values()))
    assert happy["mouthSmile"] > angry["mouthSmile"] + 0.2
    assert angry["browDown"] > happy["browDown"] + 0.1


def test_a_flipped_face_has_nearly_the_same_cues(people: dict[str, list[np.ndarray]]) -> None:
    for faces in people.values():
        straight, flipped = measure_face_cues(faces), measure_face_cues([face[:, ::-1] for face in faces])
        differences = [abs(straight[name] - flipped[name]) for name in FACE_CUES]
        assert np.mean(differences) < 0.04


def test_frames_without_a_face_do_not_count(people: dict[str, list[np.ndarray]]) -> None:
    face, black = people["happiness"][0], np.zeros((160, 160, 3), np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    assert measure_face_cues([face, black, noise]) == pytest.approx(measure_face_cues([face]), abs=1e-3)
    assert measure_face_cues([black, noise]) == measure_face_cues([]) == {}


def test_frames_are_picked_evenly(tmp_path: Path) -> None:
    frames = np.repeat(np.arange(40, dtype=np.uint8), 160 * 160 * 3).reshape(40, 160, 160, 3)
    assert [int(face[0, 0, 0]) for face in pick_faces(PreparedClip(frames, None))] == [5, 15, 25, 35]
    assert len(pick_faces(PreparedClip(frames[: NUM_FRAMES - 1], None))) == NUM_FRAMES - 1
    assert pick_faces(PreparedClip(None, np.zeros(16000, np.float32))) == ()
    for index in range(6):
        Image.fromarray(frames[index * 6]).save(tmp_path / f"{index}.png")
    assert [int(face[0, 0, 0]) for face in pick_faces(read_prepared_clip(tmp_path, None))] == [0, 12, 18, 30]


def test_a_still_is_one_frame_that_does_not_move(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "still.png")
    soundfile.write(tmp_path / "sound.wav", tone(1.0), 16_000)
    for sound in (None, tmp_path / "sound.wav"):
        (face,) = pick_faces(read_prepared_clip(tmp_path / "still.png", sound))
        assert np.array_equal(face, picture)
