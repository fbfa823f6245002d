"""A puppet's identity: face shape, skin, hair, beard, brows, glasses, clothes, and its style of moving."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets.expression import Style
from hicmae_cli.puppets.head import SKIN, load_head
from hicmae_cli.puppets.world import FILM, Colour, Palette, World

_SKIN_TONES = np.array(
    [
        [0.94, 0.78, 0.69],
        [0.88, 0.69, 0.57],
        [0.78, 0.58, 0.44],
        [0.61, 0.43, 0.31],
        [0.43, 0.29, 0.21],
        [0.28, 0.19, 0.14],
    ]
)
_HAIR_TONES = {
    "black": (0.06, 0.05, 0.05),
    "dark brown": (0.15, 0.09, 0.06),
    "brown": (0.29, 0.18, 0.11),
    "light brown": (0.45, 0.31, 0.19),
    "blond": (0.72, 0.57, 0.36),
    "red": (0.50, 0.21, 0.09),
    "grey": (0.55, 0.54, 0.53),
    "white": (0.85, 0.84, 0.82),
}
_EYE_TONES = {
    "brown": (0.28, 0.16, 0.08),
    "dark": (0.13, 0.08, 0.05),
    "hazel": (0.42, 0.32, 0.16),
    "green": (0.36, 0.45, 0.30),
    "blue": (0.32, 0.48, 0.64),
    "grey": (0.48, 0.54, 0.58),
}
HAIR_STYLES = ("bald", "shaved", "short", "full", "bob", "long", "bun")
GLASSES_SHAPES = ("none", "round", "oval", "square")


@dataclass(frozen=True)
class Look:
    """Everything that is painted on the head. Numbers are 0..1 unless noted; the shader reads them by name."""

    skin: Colour
    lips: Colour
    eyes: Colour
    hair: Colour
    brows: Colour
    cloth: Colour
    blush: float
    freckles: float
    mottle: float
    shine: float
    wrinkles: float
    under_eyes: float
    lid_shade: float
    brow_width: float
    brow_density: float
    brow_lift: float  # in 1.5 mm
    lashes: float
    stubble: float
    beard: float
    moustache: float
    hairline: float  # -1 low .. 1 receding
    fringe: float
    # How far loose hair covers the cheeks.
    frame_face: float
    pattern_seed: float


@dataclass(frozen=True, eq=False)
class Identity:
    """One person: `neutral` (V, 3) is the face at rest, in metres."""

    female: bool
    age_years: float
    # African, Asian, European shares.
    ancestry: tuple[float, float, float]
    neutral: NDArray[np.float32]
    look: Look
    style: Style
    hair_style: str
    hair_volume: float
    hair_length: float
    glasses: str
    glasses_colour: Colour
    glasses_size: float

    @classmethod
    def draw(cls, rng: np.random.Generator, world: World = FILM) -> Identity:
        """Draw a random person of a world. The same generator state gives the same person."""
        female = bool(rng.random() < 0.5)
        age_years = float(rng.uniform(17, 75))
        age = float(np.interp(age_years, [12, 25, 80], [0.5, 0.667, 1.0]))
        ancestry = rng.dirichlet([0.4, 0.4, 0.5])
        head = load_head()
        neutral = head.build_neutral(head.draw_latent(float(female), age, ancestry, rng))
        if world.caricature != 1:
            neutral = head.mean + np.float32(world.caricature) * (neutral - head.mean)
        hair_style = _draw_hair_style(female, age_years, rng)
        has_glasses = rng.random() < 0.2 + 0.15 * (age_years > 45)
        look = _draw_look(female, age_years, ancestry, _measure_brow_height_m(neutral), rng)
        if world.palette is not None:
            look = _repaint(look, world.palette, rng)
        return cls(
            female=female,
            age_years=age_years,
            ancestry=(float(ancestry[0]), float(ancestry[1]), float(ancestry[2])),
            neutral=neutral,
            look=look,
            style=Style.draw(rng),
            hair_style=hair_style,
            hair_volume=float(rng.uniform(*world.hair_volume)),
            hair_length=float(rng.uniform(0.0, 1.0)),
            glasses=str(rng.choice(GLASSES_SHAPES[1:])) if has_glasses else "none",
            glasses_colour=_to_colour(
                rng.choice([0.04, 0.1, 0.3, 0.7], p=[0.5, 0.2, 0.15, 0.15]) + rng.uniform(0, 0.15, 3)
            ),
            glasses_size=float(rng.uniform(0.85, 1.25)),
        )


def _to_colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = np.clip(values, 0, 1)
    return float(red), float(green), float(blue)


def _draw_hair_style(female: bool, age_years: float, rng: np.random.Generator) -> str:
    if female:
        odds = [0.01, 0.02, 0.15, 0.15, 0.22, 0.3, 0.15]
    else:
        odds = [0.08 + 0.12 * (age_years > 45), 0.15, 0.35, 0.25, 0.04, 0.06, 0.02]
    share = np.array(odds) / sum(odds)
    return str(rng.choice(HAIR_STYLES, p=share))


def _measure_brow_height_m(neutral: NDArray[np.float32]) -> float:
    """Measure how much higher the brow ridge is than on the mean face."""
    head = load_head()
    x, y, z = head.mean.T
    ridge = (head.part == SKIN) & (np.abs(np.abs(x) - 0.03) < 0.015) & (np.abs(y - 0.018) < 0.006) & (z > 0)
    return float((neutral[ridge, 1] - y[ridge]).mean())


def _draw_look(
    female: bool, age_years: float, ancestry: NDArray[np.float64], brow_height_m: float, rng: np.random.Generator
) -> Look:
    african, asian, european = ancestry
    melanin = african * rng.uniform(0.55, 1.0) + asian * rng.uniform(0.1, 0.5) + european * rng.uniform(0.0, 0.4)
    place = np.clip(melanin + rng.normal(0, 0.04), 0, 1) * (len(_SKIN_TONES) - 1)
    skin = np.array([np.interp(place, range(len(_SKIN_TONES)), _SKIN_TONES[:, c]) for c in range(3)])
    skin *= 1 + rng.normal(0, 0.04) + rng.normal(0, 0.02, 3)

    light_hair = european * (1 - melanin)
    names = list(_HAIR_TONES)
    grey = max(0.0, (age_years - 38) / 40)
    odds = np.array(
        [
            0.3 + 1.5 * (1 - european),
            0.7,
            0.8 * european + 0.1,
            0.6 * light_hair,
            0.7 * light_hair,
            0.25 * light_hair,
            grey,
            0.5 * grey * (age_years > 55),
        ]
    )
    hair_name = str(rng.choice(names, p=odds / odds.sum()))
    hair = np.array(_HAIR_TONES[hair_name]) * np.exp(rng.normal(0, 0.15)) * (1 + rng.normal(0, 0.04, 3))
    if female and rng.random() < 0.06:
        hair = rng.uniform(0.05, 0.8, 3)  # dyed
    dark = np.array(_HAIR_TONES["dark brown"])
    brows = (
        0.55 * np.minimum(hair, [0.5, 0.42, 0.36]) + 0.45 * dark
        if hair_name not in ("grey", "white")
        else 0.5 * hair + 0.5 * dark
    )
    eye_odds = np.array(
        [0.9, 1.2 * (1 - european) + 0.1, 0.5 * european, 0.4 * light_hair, 0.9 * light_hair, 0.4 * light_hair]
    )
    eyes = np.array(_EYE_TONES[str(rng.choice(list(_EYE_TONES), p=eye_odds / eye_odds.sum()))])
    eyes = eyes * np.exp(rng.normal(0, 0.12))

    made_up = female and rng.random() < 0.5
    redder = np.array([0.98, 0.74, 0.74]) + rng.normal(0, 0.03, 3)
    lips = skin * redder * rng.uniform(0.82, 1.0)
    if made_up:
        paint = np.array([rng.uniform(0.5, 0.85), rng.uniform(0.1, 0.35), rng.uniform(0.15, 0.4)])
        lips = lips + (paint - lips) * rng.uniform(0.2, 0.9)
    bearded = not female and rng.random() < 0.4
    return Look(
        skin=_to_colour(skin),
        lips=_to_colour(lips),
        eyes=_to_colour(eyes),
        hair=_to_colour(hair),
        brows=_to_colour(brows),
        cloth=_to_colour(rng.uniform(0.04, 0.85) * (1 + rng.normal(0, 0.3, 3))),
        blush=float(rng.uniform(0.0, 0.6) + 0.25 * made_up),
        freckles=float(max(0.0, rng.uniform(-0.8, 0.7)) * (1 - melanin)),
        mottle=float(rng.uniform(0.2, 1.0)),
        shine=float(rng.uniform(0.1, 0.9)),
        wrinkles=float(np.clip((age_years - 25) / 50 + rng.normal(0, 0.12), 0, 1)),
        under_eyes=float(rng.uniform(0, 0.7)),
        lid_shade=float(rng.uniform(0.0, 0.35) + 0.4 * made_up * rng.random()),
        brow_width=float(rng.uniform(0.25, 0.75) if female else rng.uniform(0.4, 1.0)),
        brow_density=float(rng.uniform(0.55, 1.0)),
        # Brows are lower on a high ridge: people's resting brows differ less than their skulls.
        brow_lift=float(rng.normal(-0.2 if female else 0.0, 0.4) - 0.7 * brow_height_m / 0.0015),
        lashes=float(rng.uniform(0.4, 1.0) if female else rng.uniform(0.1, 0.6)),
        stubble=float(rng.uniform(0, 0.8) if not female else 0.0),
        beard=float(rng.uniform(0.5, 1.0) * bearded * (rng.random() < 0.7)),
        moustache=float(rng.uniform(0.5, 1.0) * bearded * (rng.random() < 0.85)),
        hairline=float(rng.normal(0, 0.35) + (0.6 * rng.random() * (age_years > 35) if not female else 0.0)),
        fringe=float(rng.uniform(0, 1) * (rng.random() < 0.5)),
        frame_face=float(rng.uniform(0, 1)),
        pattern_seed=float(rng.uniform(0, 50)),
    )


def _repaint(look: Look, palette: Palette, rng: np.random.Generator) -> Look:
    """Paint a person in flat colours: no spots, no shine, no stubble; lips and brows follow skin and hair."""
    groups = (palette.skin, palette.hair, palette.eyes, palette.cloth)
    skin, hair, eyes, cloth = (colours[int(rng.integers(len(colours)))] for colours in groups)
    return replace(
        look,
        skin=skin,
        lips=_to_colour(np.array(skin) * [0.86, 0.48, 0.5]),
        eyes=eyes,
        hair=hair,
        brows=_to_colour(np.array(hair) * 0.4),
        cloth=cloth,
        blush=0.0,
        freckles=0.0,
        mottle=0.0,
        shine=0.0,
        under_eyes=0.0,
        lid_shade=0.0,
        stubble=0.0,
        brow_density=1.0,
    )
