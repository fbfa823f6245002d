"""The scene of one clip: camera, head motion, lights, background, and the camera's flaws.

Letters: T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets.head import SKIN, load_head
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.world import FILM, Floats, Palette, World

# Nothing nearer or farther is drawn.
NEAR_M, FAR_M = 0.05, 6.0
_BACKDROP_PX = 192


@dataclass(frozen=True, eq=False)
class Scene:
    """One random scene; matrices act on column vectors, lights are in the camera's frame."""

    camera: Floats  # (4, 4)
    views: Floats  # (T, 4, 4)
    head_turns: Floats  # (T, 3, 3)
    body_turns: Floats  # (T, 3, 3)
    light_to: Floats  # (3, 3) unit vectors towards the lights
    light_colour: Floats  # (3, 3)
    ambient_up: Floats  # (3,)
    ambient_down: Floats  # (3,)
    background: NDArray[np.uint8]  # (192, 192, 3)
    backdrop_shifts: Floats  # (T, 2)
    roughness: float
    blur_px: float
    gamma: float
    cast: Floats  # (3,)
    vignette: float
    grain: float


def draw_scene(
    identity: Identity, times_s: Floats, rng: np.random.Generator, size_px: int, world: World = FILM
) -> Scene:
    """Draw a random scene; the face, from hairline to chin, fills 46 to 85% of the frame's height."""
    head = load_head()
    skin = head.part == SKIN
    front = skin & (np.abs(head.mean[:, 0]) < 0.012) & (head.mean[:, 2] > -0.02)
    chin = front & (np.abs(head.mean[:, 1] + 0.115) < 0.006)
    hairline = front & (np.abs(head.mean[:, 1] - 0.072) < 0.008)
    low, high = float(identity.neutral[chin, 1].mean()), float(identity.neutral[hairline, 1].mean())
    share = rng.uniform(0.46, 0.85)
    tall = (high - low) / share
    distance = rng.uniform(0.5, 1.7)
    slack = 1 - share
    centre = np.array([rng.normal(0, 0.04) * tall, (low + high) / 2 + rng.uniform(-0.12, 0.3) * slack * tall, 0.0])
    near, far, half = NEAR_M, FAR_M, tall / 2 / distance
    camera = np.array(
        [
            [1 / half, 0, 0, 0],
            [0, 1 / half, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    views = np.repeat(np.eye(4)[None], len(times_s), 0)
    sway = _draw_drift(times_s, rng, 2, 0.7) * 0.012 * rng.random()
    views[:, 0, 3] = -centre[0] + sway[:, 0] * tall
    views[:, 1, 3] = -centre[1] + sway[:, 1] * tall
    views[:, 2, 3] = -distance - 0.03

    liveliness = rng.uniform(0.2, 1.0)
    still = np.clip(rng.normal(0, [9, 5.5, 4]), [-20, -11, -9], [20, 11, 9])
    moved = (
        _draw_drift(times_s, rng, 3, 0.5) * [7, 5, 3.5] * liveliness
        + _draw_drift(times_s, rng, 3, 1.6) * [1.5, 2.0, 1] * liveliness
    )
    angles = np.clip(still + moved, [-25, -15, -10], [25, 15, 10])
    lights, colours, up, down = _draw_lights(rng)
    scene = Scene(
        camera=camera,
        views=views,
        head_turns=_build_turns(np.radians(angles)),
        body_turns=_build_turns(np.radians(angles * 0.3 + [rng.normal(0, 12), 0, 0])),
        light_to=lights,
        light_colour=colours,
        ambient_up=up,
        ambient_down=down,
        background=_draw_background(rng),
        backdrop_shifts=sway * 0.3 + rng.uniform(-0.04, 0.04, 2),
        roughness=float(rng.uniform(0, 1)),
        blur_px=float(max(0.42, rng.normal(0.45, 0.4)) * size_px / 224),
        gamma=float(np.exp(rng.normal(0, 0.18))),
        cast=rng.uniform(0.9, 1.08) * (1 + rng.normal(0, 0.035, 3)),
        vignette=float(rng.uniform(0, 0.35) * (rng.random() < 0.6)),
        grain=float(min(rng.exponential(0.01), 0.035)),
    )
    return scene if world.palette is None else _flatten(scene, world.palette, rng, size_px)


def _draw_drift(times_s: Floats, rng: np.random.Generator, count: int, rate_hz: float) -> Floats:
    rates = rng.uniform(0.25, 1.0, (3, count)) * rate_hz
    phases = rng.uniform(0, 2 * np.pi, (3, count))
    return np.asarray(np.sin(2 * np.pi * times_s[:, None, None] * rates + phases).mean(1))


def _build_turns(angles: Floats) -> Floats:
    """Build rotations (T, 3, 3) from yaw, pitch and roll (T, 3) in radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(angles).T, np.sin(angles).T
    one, zero = np.ones_like(cy), np.zeros_like(cy)

    def rows(*values: Floats) -> Floats:
        return np.stack(values, -1).reshape(-1, 3, 3)

    yaw = rows(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    pitch = rows(one, zero, zero, zero, cp, -sp, zero, sp, cp)
    roll = rows(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return yaw @ pitch @ roll


def _draw_lights(rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Draw a key, a fill and a rim light, warm or cool, and the light of the room."""
    around = rng.uniform(-80, 80), rng.uniform(-120, 120), rng.uniform(110, 250)
    above = rng.uniform(-5, 65), rng.uniform(-25, 50), rng.uniform(-10, 60)
    a, e = np.radians(around), np.radians(above)
    to = np.stack([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], 1)
    power = np.array([rng.uniform(0.5, 1.35), rng.uniform(0.0, 0.5), rng.uniform(0, 0.8) * (rng.random() < 0.5)])
    colours = np.stack([_draw_temperature(rng) for _ in range(3)]) * power[:, None]
    room = _draw_temperature(rng)
    level = rng.uniform(0.16, 0.55)
    return to, colours, room * level, room * level * rng.uniform(0.4, 0.9)


def _draw_temperature(rng: np.random.Generator) -> Floats:
    warm = rng.normal(0, 0.12)
    return np.asarray(np.clip([1 + warm, 1 + rng.normal(0, 0.03), 1 - warm], 0.5, 1.5))


def _draw_background(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a wall with falling light, or a room out of focus: gradients, soft boxes and blobs."""
    size = _BACKDROP_PX
    y, x = np.mgrid[0:size, 0:size] / size
    one, two = rng.uniform(0.03, 0.95, 3), rng.uniform(0.03, 0.95, 3)
    if rng.random() < 0.8:
        one, two = one.mean() + 0.15 * (one - one.mean()), two.mean() + 0.15 * (two - two.mean())  # greyish
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    image = one + (two - one) * ramp * rng.uniform(0.0, 1.0)
    for _ in range(rng.integers(0, 14) if rng.random() < 0.7 else 0):
        colour = rng.uniform(0, 1) + (rng.uniform(0, 1, 3) - 0.5) * rng.choice([0.15, 0.3, 0.8], p=[0.6, 0.25, 0.15])
        left, top = rng.uniform(-0.2, 1.0, 2)
        wide, high = rng.uniform(0.05, 0.5, 2)
        if rng.random() < 0.6:
            mask = (x > left) & (x < left + wide) & (y > top) & (y < top + high)
        else:
            mask = ((x - left) / wide) ** 2 + ((y - top) / high) ** 2 < 0.5
        image = np.where(mask[..., None], image + (colour - image) * rng.uniform(0.2, 0.9), image)
    small = (rng.normal(0, 1, (12, 12, 1)) + rng.normal(0, 0.3, (12, 12, 3))) * rng.uniform(0, 0.06)
    image = image + cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 9))
    return np.asarray(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _flatten(scene: Scene, palette: Palette, rng: np.random.Generator, size_px: int) -> Scene:
    """Put a scene on paper: a plain background, and none of a camera's flaws but the softness of a drawn line."""
    return replace(
        scene,
        background=_draw_paper(palette, rng),
        blur_px=0.45 * size_px / 224,
        gamma=1.0,
        cast=np.ones(3),
        vignette=0.0,
        grain=0.0,
    )


def _draw_paper(palette: Palette, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one colour, or two with a straight edge, in stripes or in rays between them."""
    y, x = np.mgrid[0:_BACKDROP_PX, 0:_BACKDROP_PX] / _BACKDROP_PX - 0.5
    one, two = (np.array(palette.paper[i]) for i in rng.permutation(len(palette.paper))[:2])
    angle, width, pattern = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.12), rng.integers(4)
    along = x * np.cos(angle) + y * np.sin(angle)
    # Stripes and rays take a paler or darker tone of the same colour: a face must stand out.
    near = one * 0.88
    if pattern == 0:
        image = np.where((along > rng.uniform(-0.2, 0.2))[..., None], one, two)
    elif pattern == 1:
        image = np.where((np.floor(along / width) % 2 == 0)[..., None], one, near)
    elif pattern == 2:
        image = np.where((np.floor(np.arctan2(y, x) * 8 / np.pi + angle) % 2 == 0)[..., None], one, near)
    else:
        image = np.broadcast_to(one, (_BACKDROP_PX, _BACKDROP_PX, 3))
    return np.asarray(image * 255).astype(np.uint8)
