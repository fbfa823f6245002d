from __future__ import annotations

import numpy as np

from hicmae_cli.puppets.actions import INDEX
from hicmae_cli.puppets.head import HEAD_FILE, LEFT_EYE, LOWER_TEETH, SKIN, load_head


def test_the_file_is_small_and_complete() -> None:
    head = load_head()
    assert HEAD_FILE.stat().st_size < 4e6
    assert head.actions.shape == (52, len(head.mean), 3)
    assert head.triangles.max() == len(head.mean) - 1 and head.triangles.min() == 0
    assert set(np.unique(head.part)) == set(range(8))
    assert head.occlusion.min() >= 0 and head.occlusion.max() <= 1


def test_normals_point_outwards() -> None:
    head = load_head()
    normals = head.compute_normals(head.mean)
    nose = np.argmax(np.where(head.part == SKIN, head.mean[:, 2], -1))
    assert normals[nose, 2] > 0
    eye = head.part == LEFT_EYE
    outwards = head.mean[eye] - head.mean[eye].mean(0)
    assert (np.einsum("vi,vi->v", normals[eye], outwards) > 0).mean() > 0.95


def test_the_jaw_takes_the_lower_teeth_down() -> None:
    head = load_head()
    curves = np.zeros((2, 52), np.float32)
    curves[1, INDEX["jawOpen"]] = 1
    rest, opened = head.pose(head.mean, curves)
    moved = (opened - rest)[head.part == LOWER_TEETH, 1]
    assert (moved < -0.005).all()
    assert np.array_equal(rest, head.mean)


def test_raising_and_lowering_the_brows_work_against_each_other() -> None:
    head = load_head()
    curves = np.zeros((2, 52), np.float32)
    curves[:, :2] = 1
    curves[1, INDEX["browInnerUp"]] = 1
    alone, both = head.pose(head.mean, curves)
    assert curves[1, 0] == 1  # the caller's array is left alone
    assert both[:, 1].sum() > alone[:, 1].sum()


def test_faces_follow_their_attributes() -> None:
    head = load_head()
    ancestry = np.array([0.0, 0.0, 1.0])

    def mean_face(female: float, age: float) -> np.ndarray:
        faces = [head.draw_latent(female, age, ancestry, np.random.default_rng(s)) for s in range(30)]
        return np.asarray(np.mean(faces, axis=0))

    assert np.linalg.norm(mean_face(1, 0.7) - mean_face(0, 0.7)) > 1
    assert np.linalg.norm(mean_face(0, 1.0) - mean_face(0, 0.6)) > 1
