"""Compare the puppets' facial actions with those that MediaPipe, which was trained on real people, reads from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S
from hicmae_cli.puppets.actions import ACTION_NAMES, DISPLAYS, INDEX
from hicmae_cli.puppets.expression import animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.world import FILM, World

CHECKED_ACTIONS = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "brow down": ("browDownLeft", "browDownRight"),
    "inner brow up": ("browInnerUp",),
    "jaw open": ("jawOpen",),
    "eye wide": ("eyeWideLeft", "eyeWideRight"),
}
FACES_WANTED = 0.99
CORRELATION_WANTED = 0.5


@dataclass(frozen=True)
class ReadbackReport:
    """How well MediaPipe reads the puppets.

    Attributes:
        num_clips: number of clips, each of another person.
        num_frames: number of frames.
        faces_found: share of frames in which a face was found, 0..1.
        correlations: Spearman's rank correlation of drawn and read actions, per group of `CHECKED_ACTIONS`.
        all_actions: the same for each single action.
    """

    num_clips: int
    num_frames: int
    faces_found: float
    correlations: dict[str, float]
    all_actions: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether faces and every checked action reach their limits."""
        return self.faces_found >= FACES_WANTED and min(self.correlations.values()) >= CORRELATION_WANTED

    def __str__(self) -> str:
        lines = [
            f"{self.num_clips} puppets, {self.num_frames} frames, read by MediaPipe",
            f"faces found     {self.faces_found:7.2%}   wanted {FACES_WANTED:.0%}",
        ]
        for name, value in self.correlations.items():
            lines.append(f"{name:<15} {value:7.2f}   wanted {CORRELATION_WANTED:.2f}")
        lines.append("passed" if self.passed else "FAILED")
        return "\n".join(lines)


def read_back(num_clips: int = 96, seed: int = 0, world: World = FILM) -> ReadbackReport:
    """Draw clips of random people of a world and of random displays, and read them with MediaPipe's face landmarker.

    Displays and intensities (0 to 1) are random. Each clip also moves most of the checked actions by random amounts,
    so that they cover their range independently of the displays.
    """
    from hicmae_cli.faces import FaceFinder
    from hicmae_cli.media import Frame

    times_s = np.arange(CLIP_FRAMES) * (WINDOW_S / CLIP_FRAMES)
    meant: list[NDArray[np.float32]] = []
    read: list[list[float]] = []
    missed = 0
    with Renderer(world=world) as renderer, FaceFinder(num_faces=1, blendshapes=True) as detector:
        for clip in range(num_clips):
            rng = world.make_rng(seed, clip)
            identity = Identity.draw(rng, world)
            display = str(rng.choice(DISPLAYS))
            curves = animate_expression(display, float(rng.uniform(0, 1)), identity.style, rng, times_s)
            curves = _add_random_actions(curves, rng)
            frames = renderer.render_clip(identity, curves, rng, times_s)
            for t, rgb in enumerate(frames):
                faces = detector.detect(Frame(time_s=clip * 10 + float(times_s[t]), rgb=rgb))
                if not faces or faces[0].blendshapes is None:
                    missed += 1
                    continue
                meant.append(curves[t])
                read.append([faces[0].blendshapes.get(name, 0.0) for name in ACTION_NAMES])
    meant_array, read_array = np.array(meant), np.array(read)

    def correlate(names: tuple[str, ...]) -> float:
        columns = [INDEX[n] for n in names]
        return _correlate_ranks(meant_array[:, columns].mean(1), read_array[:, columns].mean(1))

    return ReadbackReport(
        num_clips=num_clips,
        num_frames=num_clips * CLIP_FRAMES,
        faces_found=1 - missed / max(num_clips * CLIP_FRAMES, 1),
        correlations={name: correlate(names) for name, names in CHECKED_ACTIONS.items()},
        all_actions={name: correlate((name,)) for name in ACTION_NAMES},
    )


def _add_random_actions(curves: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    out = curves.copy()
    time = np.linspace(0, 1, len(curves))
    # These two are antagonists: a face does only one of them.
    skipped = str(rng.choice(["brow down", "inner brow up"]))
    for name, names in CHECKED_ACTIONS.items():
        if name == skipped:
            continue
        amount = rng.uniform(0, 1) * (rng.random() < 0.9)
        wave = amount * np.clip(np.sin(np.pi * (time * rng.uniform(0.5, 1.5) + rng.uniform(0, 0.5))), 0, 1)
        for action in names:
            out[:, INDEX[action]] = np.maximum(out[:, INDEX[action]], wave)
    return out


def _correlate_ranks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Compute Spearman's rank correlation; ties share their mean rank."""
    ranks = []
    for values in (a, b):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[inverse])
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
