"""Films of several people, composed from drawn people: calls with tiles, people who come and go, hard cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets import scene
from hicmae_cli.puppets.expression import animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.render import Renderer

FPS = 10
WIDTH_PX, HEIGHT_PX = 448, 240


@dataclass(frozen=True)
class Part:
    """A person in a film.

    Attributes:
        person: who.
        start: first frame.
        end: frame after the last one.
        left_px: left edge of the square at the start.
        sizes_px: side of the square at the start and at the end.
        drift_px: how far the square moves to the right until the end.
    """

    person: int
    start: int
    end: int
    left_px: int
    sizes_px: tuple[int, int] = (200, 200)
    drift_px: int = 0

    def locate(self, frame: int) -> tuple[int, int, int]:
        """Return left edge, top edge and side in a frame."""
        share = (frame - self.start) / max(1, self.end - self.start - 1)
        side = round(self.sizes_px[0] + share * (self.sizes_px[1] - self.sizes_px[0]))
        return round(self.left_px + share * self.drift_px), (HEIGHT_PX - side) // 2, side


class Cast:
    """Drawn people, each drawn once: ``pictures(person, take)`` is a second or more of one of them."""

    def __init__(self, frames: int = 40) -> None:
        self._frames = frames
        self._drawn: dict[tuple[int, int | None], NDArray[np.uint8]] = {}
        self._renderer = Renderer()

    def close(self) -> None:
        self._renderer.close()

    def pictures(self, person: int, backdrop: int | None = None) -> NDArray[np.uint8]:
        """(frames, 224, 224, 3); with a backdrop, in front of the same wall as others with it."""
        key = person, backdrop
        if key not in self._drawn:
            rng = np.random.default_rng([77, person])
            identity = Identity.draw(rng)
            times_s = np.arange(self._frames) / FPS
            curves = animate_expression("neutral", 0.8, identity.style, rng, times_s)
            draw = scene._draw_background
            if backdrop is not None:
                wall = draw(np.random.default_rng([78, backdrop]))
                scene._draw_background = lambda rng: wall
            try:
                self._drawn[key] = self._renderer.render_clip(identity, curves, rng, times_s)
            finally:
                scene._draw_background = draw
        return self._drawn[key]


def compose(cast: Cast, parts: Sequence[Part], length: int, backdrop: int | None = None) -> list[NDArray[np.uint8]]:
    """Draw the frames (240, 448, 3) of a film; a later part covers an earlier one."""
    wall = np.random.default_rng(len(parts)).integers(50, 110, (6, 10, 3), np.uint8)
    ground = cv2.resize(wall, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    film = []
    for frame in range(length):
        picture = ground.copy()
        for part in parts:
            if part.start <= frame < part.end:
                left, top, side = part.locate(frame)
                pictures = cast.pictures(part.person, backdrop)
                small = cv2.resize(pictures[frame % len(pictures)], (side, side), interpolation=cv2.INTER_AREA)
                picture[top : top + side, left : left + side] = small
        film.append(picture)
    return film
