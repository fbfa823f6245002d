"""The 3D head that all puppets share: mesh, identity space and facial actions, from `head.npz`.

`scripts/distil_head.py` made it from CC0 assets (`head.LICENCE.md`). Metres; x to the subject's left, y up,
z towards the viewer; the origin is between the eyes.

Letters: V vertices, F triangles, K identity components, A attributes, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets.actions import ACTION_NAMES

HEAD_FILE = Path(__file__).with_name("head.npz")
SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, LASHES, HAIR = range(8)

Floats = NDArray[np.float32]

# Actions that go farther in real faces than in the Face Units; measured with MediaPipe, one action at a time.
_STRENGTH = {
    "browDown": 2.4,
    "browInnerUp": 1.9,
    "browOuterUp": 1.2,
    "cheekSquint": 1.3,
    "eyeWide": 2.4,
    "mouthFrown": 1.8,
    "mouthPress": 1.7,
    "mouthSmile": 1.35,
    "mouthStretch": 1.6,
    "mouthUpperUp": 1.3,
    "noseSneer": 1.5,
}


@dataclass(frozen=True, eq=False)
class HeadModel:
    """The head's arrays, and functions on them.

    Attributes:
        mean: (V, 3) the average head at rest.
        triangles: (F, 3) vertex indices; counter-clockwise from outside.
        part: (V,) `SKIN` ... `HAIR`.
        components: (K, V, 3) one standard deviation each.
        regression: (A', K) from attributes, with products and squares, to component coordinates.
        cholesky: (K, K) Cholesky factor of the coordinates' covariance that the attributes do not explain.
        actions: (52, V, 3) full excursions, in the order of `ACTION_NAMES`.
        masks: (V, 5) lips, eyelids, ears, inside of the mouth, face; 0..1.
        occlusion: (V,) share of the light that reaches a point at rest, 0..1.
    """

    mean: Floats
    triangles: NDArray[np.int32]
    part: NDArray[np.uint8]
    components: Floats
    regression: Floats
    cholesky: Floats
    actions: Floats
    masks: Floats
    occlusion: Floats

    def draw_latent(self, female: float, age: float, ancestry: NDArray[np.float64], rng: np.random.Generator) -> Floats:
        """Draw a random face's coordinates (K,): female 0 or 1, age 0.55 (young) to 1 (old), ancestry shares (3,)."""
        weight, muscle = rng.beta(2.5, 2.5), rng.beta(3, 3)
        attributes = np.array([female, age, *ancestry, weight, muscle])
        design = np.concatenate([[1.0], attributes, [female * age, age**2]])
        normal = np.clip(rng.normal(size=len(self.cholesky)), -2.2, 2.2) * 0.85
        # einsum, here and below: the last bits of a BLAS product depend on the number of threads.
        free = np.einsum("ij,j->i", self.cholesky, normal)
        return np.asarray(np.einsum("a,ak->k", design, self.regression) + free, np.float32)

    def build_neutral(self, latent: Floats) -> Floats:
        """Build the resting head (V, 3) from a face's coordinates."""
        return np.asarray(self.mean + np.einsum("k,kvi->vi", latent, self.components), np.float32)

    def pose(self, neutral: Floats, curves: Floats) -> Floats:
        """Pose one face under actions (T, 52) -> heads (T, V, 3)."""
        curves = np.array(curves, np.float32)
        inner_up = curves[:, ACTION_NAMES.index("browInnerUp"), None]
        # Raising and lowering the brows work against each other.
        curves[:, :2] *= 1 - 0.55 * np.minimum(inner_up, 1)
        flat = np.einsum("ta,af->tf", curves, self.actions.reshape(len(ACTION_NAMES), -1))
        return np.asarray(neutral + flat.reshape(len(curves), -1, 3), np.float32)

    @cached_property
    def _incidence(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        corners = self.triangles.ravel()
        order = np.argsort(corners, kind="stable")
        starts = np.searchsorted(corners[order], np.arange(len(self.mean)))
        return order // 3, starts

    def compute_normals(self, positions: Floats) -> Floats:
        """Compute the outward normals (V, 3) of one head (V, 3); the shader scales them to unit length."""
        a, b, c = (positions[self.triangles[:, i]] for i in range(3))
        u, v = b - a, c - a
        face = np.empty_like(u)
        face[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
        face[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
        face[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        triangles, starts = self._incidence
        return np.add.reduceat(face[triangles], starts, axis=0)


@cache
def load_head() -> HeadModel:
    """Read the head, once per process."""
    with np.load(HEAD_FILE, allow_pickle=False) as data:
        names = [str(n) for n in data["action_names"]]
        assert tuple(names) == ACTION_NAMES
        count = len(data["mean"])
        strength = [_STRENGTH.get(n.removesuffix("Left").removesuffix("Right"), 1.0) for n in names]
        return HeadModel(
            mean=data["mean"].astype(np.float32),
            triangles=data["triangles"].astype(np.int32),
            part=data["part"],
            components=data["components"].astype(np.float32),
            regression=data["regression"].astype(np.float32),
            cholesky=data["cholesky"].astype(np.float32),
            actions=data["actions"].astype(np.float32) * np.array(strength, np.float32)[:, None, None],
            masks=np.stack([data[n] for n in ("lips", "eyelids", "ears", "inside_mouth", "face")], 1).astype(
                np.float32
            ),
            occlusion=data["occlusion"].astype(np.float32) if "occlusion" in data else np.ones(count, np.float32),
        )
