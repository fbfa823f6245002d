"""Spectacle frames: tubes round both eyes, a bridge and temples, fitted to a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets.head import LEFT_EYE, RIGHT_EYE, SKIN, load_head
from hicmae_cli.puppets.identity import Identity

_SIDES = 6
_ROUNDNESS = {"round": 2.0, "oval": 2.3, "square": 4.5}
_HEIGHT = {"round": 0.95, "oval": 0.68, "square": 0.74}
Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]


def build_glasses(identity: Identity) -> Mesh | None:
    """Build vertices (N, 6: position, normal) and triangles (M, 3) in head coordinates; None without glasses."""
    if identity.glasses == "none":
        return None
    head = load_head()
    left = identity.neutral[head.part == LEFT_EYE].mean(0)
    right = identity.neutral[head.part == RIGHT_EYE].mean(0)
    between = float(left[0] - right[0])
    half = 0.40 * between * identity.glasses_size
    tall = half * _HEIGHT[identity.glasses]
    skin = identity.neutral[head.part == SKIN]
    # Cheeks and brows, not the nose.
    behind = np.zeros(len(skin), bool)
    for eye in (left, right):
        away = np.abs(skin - eye)
        behind |= (away[:, 0] < 0.75 * half) & (away[:, 1] < 1.1 * tall + 0.004) & (skin[:, 2] > eye[2])
    front = float(skin[behind, 2].max()) + 0.004
    # Frames are as thick as the hair, which saves a random number.
    thick = 0.0012 + 0.0014 * identity.hair_volume
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    power = 2 / _ROUNDNESS[identity.glasses]
    outline = np.stack(
        [
            half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power,
            tall * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power - 0.005,
            np.zeros(32),
        ],
        1,
    )
    tubes: list[tuple[NDArray[np.float64], bool]] = []
    for eye, side in ((left, 1.0), (right, -1.0)):
        ring = outline + np.array([eye[0], eye[1], front])
        ring[:, 2] -= 0.10 * np.abs(ring[:, 0] - (left[0] + right[0]) / 2)
        tubes.append((ring, True))
        corner = np.array([eye[0] + side * half, eye[1] + 0.006, front - 0.10 * (between / 2 + half)])
        ear = np.array([eye[0] + side * (half + 0.012), eye[1] - 0.004, front - 0.125])
        tubes.append((np.linspace(corner, ear, 5), False))
    inner = [[e[0] - s * half, e[1] + 0.003, front - 0.003] for e, s in ((left, 1), (right, -1))]
    middle = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + 0.007, front + 0.001]
    tubes.append((np.array([inner[0], middle, inner[1]]), False))
    vertices, triangles, start = [], [], 0
    for path, closed in tubes:
        points, faces = _build_tube(path, thick, closed)
        vertices.append(points)
        triangles.append(faces + start)
        start += len(points)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32)


def _build_tube(
    path: NDArray[np.float64], radius: float, closed: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    count = len(path)
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-12
    up = np.where(np.abs(ahead[:, 2:]) > 0.7, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    side = np.cross(ahead, up)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-12
    other = np.cross(side, ahead)
    turn = np.arange(_SIDES) * 2 * np.pi / _SIDES
    normals = side[:, None] * np.cos(turn)[None, :, None] + other[:, None] * np.sin(turn)[None, :, None]
    points = path[:, None] + normals * radius
    i, j = np.meshgrid(np.arange(count if closed else count - 1), np.arange(_SIDES), indexing="ij")
    a, b = i * _SIDES + j, i * _SIDES + (j + 1) % _SIDES
    c, d = ((i + 1) % count) * _SIDES + j, ((i + 1) % count) * _SIDES + (j + 1) % _SIDES
    faces = np.stack([a, b, c, b, d, c], -1).reshape(-1, 3)
    return np.concatenate([points, normals], 2).reshape(-1, 6), faces
