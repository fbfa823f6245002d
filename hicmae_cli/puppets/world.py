"""Worlds of puppets: each draws and speaks in its own way, while the same expressions and manners mean the same.

``film`` imitates filmed people who speak with the vowels of English. ``comic`` draws flat colours and dark outlines,
and speaks in short, even syllables with the five vowels of Japanese. What a model has learned in one world it can be
tested on in the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError

Colour = tuple[float, float, float]
"""sRGB, 0..1."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vowel:
    """A vowel: first three formants of an adult male in Hz, and the mouth (jaw opening, rounding, spreading), 0..1."""

    formants_hz: tuple[float, float, float]
    jaw: float
    rounded: float
    wide: float


@dataclass(frozen=True)
class Speech:
    """Voices and language of a world.

    Attributes:
        vowels: all equally frequent.
        consonants: shares of syllables that begin with a stop, a hiss, a nasal, or no consonant.
        coda: share of syllables that end in a nasal.
        rate_scale: factor on the syllables per second.
        unevenness: spread of the length of syllables, as the deviation of its logarithm.
        pulse: flow through the glottis, 0..1, over one period (time 0..1).
        pitch_hz: usual pitch of a man and of a woman.
        pitch_spread: of people, as the deviation of its logarithm.
        tract_scale: factor on the formants of a man and of a woman.
    """

    vowels: tuple[Vowel, ...]
    consonants: tuple[float, float, float, float]
    coda: float
    rate_scale: float
    unevenness: float
    pulse: Callable[[Floats], Floats]
    pitch_hz: tuple[float, float]
    pitch_spread: float
    tract_scale: tuple[float, float]


@dataclass(frozen=True)
class Palette:
    """Colours of flat drawings; each person has one of each."""

    skin: tuple[Colour, ...]
    hair: tuple[Colour, ...]
    eyes: tuple[Colour, ...]
    cloth: tuple[Colour, ...]
    paper: tuple[Colour, ...]


@dataclass(frozen=True)
class World:
    """A world.

    Attributes:
        name: as options and ``corpus.json`` have it.
        people: what its people are called in manifests, before their number.
        seeds: added to the seeds of people and clips, so that equal seeds give other people in another world.
        speech: voices and language.
        palette: colours of flat drawings with outlines; None draws skin, light and camera like those of a film.
        caricature: factor on what tells a face from the average face.
        hair_volume: from flat to full.
    """

    name: str
    people: str
    seeds: tuple[int, ...]
    speech: Speech
    palette: Palette | None = None
    caricature: float = 1.0
    hair_volume: tuple[float, float] = (0.1, 1.0)

    def make_rng(self, *seeds: int) -> np.random.Generator:
        """Make the generator for some seeds in this world."""
        return np.random.default_rng([*seeds, *self.seeds])


def _pulse_smoothly(time: Floats) -> Floats:
    """Open and close along cosines (Rosenberg 1971, shape B); 40 % of the period are closed."""
    flow = np.where(time < 0.4, 0.5 - 0.5 * np.cos(np.pi * time / 0.4), np.cos(np.pi * (time - 0.4) / 0.4))
    return np.where(time < 0.6, flow, 0.0)


def _pulse_sharply(time: Floats) -> Floats:
    """Open and close along straight lines (Rosenberg 1971, shape A); 30 % of the period are closed."""
    return np.maximum(0.0, np.minimum(time / 0.58, (0.7 - time) / 0.12))


FILM: Final = World(
    name="film",
    people="puppet",
    seeds=(),
    speech=Speech(
        # Means of Peterson & Barney 1952.
        vowels=(
            Vowel((270, 2290, 3010), 0.25, 0.0, 1.0),  # i
            Vowel((530, 1840, 2480), 0.55, 0.0, 0.6),  # e
            Vowel((660, 1720, 2410), 0.85, 0.0, 0.5),  # ae
            Vowel((730, 1090, 2440), 1.0, 0.0, 0.0),  # a
            Vowel((570, 840, 2410), 0.6, 0.7, 0.0),  # o
            Vowel((300, 870, 2240), 0.3, 1.0, 0.0),  # u
            Vowel((490, 1350, 1690), 0.45, 0.4, 0.0),  # er
        ),
        consonants=(0.35, 0.25, 0.25, 0.15),
        coda=0.0,
        rate_scale=1.0,
        unevenness=0.15,
        pulse=_pulse_smoothly,
        pitch_hz=(112, 205),
        pitch_spread=0.1,
        tract_scale=(1.0, 1.17),
    ),
)
COMIC: Final = World(
    name="comic",
    people="comic",
    seeds=(1,),
    speech=Speech(
        # First and second formant: means over words of Japanese men (Jo, thesis, Kyoto University 1999, table 4.3).
        # It has no third one; these are ours. The vowel u is not rounded, but compressed.
        vowels=(
            Vowel((753, 1385, 2550), 1.0, 0.0, 0.2),  # a
            Vowel((315, 2172, 3000), 0.2, 0.0, 1.0),  # i
            Vowel((367, 1332, 2350), 0.2, 0.25, 0.0),  # u
            Vowel((500, 1947, 2600), 0.5, 0.0, 0.6),  # e
            Vowel((520, 997, 2500), 0.55, 0.8, 0.0),  # o
        ),
        consonants=(0.5, 0.2, 0.1, 0.2),
        coda=0.25,
        rate_scale=1.25,
        unevenness=0.04,
        pulse=_pulse_sharply,
        pitch_hz=(158, 285),
        pitch_spread=0.14,
        tract_scale=(1.1, 1.26),
    ),
    palette=Palette(
        skin=(
            (1.00, 0.80, 0.62),
            (1.00, 0.90, 0.50),
            (0.78, 0.93, 0.74),
            (0.76, 0.88, 1.00),
            (0.88, 0.80, 1.00),
            (1.00, 0.68, 0.74),
            (1.00, 0.68, 0.40),
            (0.72, 0.46, 0.30),
        ),
        hair=(
            (0.10, 0.09, 0.16),
            (0.86, 0.14, 0.14),
            (1.00, 0.42, 0.68),
            (0.48, 0.20, 0.70),
            (0.12, 0.32, 0.80),
            (0.05, 0.58, 0.56),
            (0.20, 0.62, 0.22),
            (1.00, 0.82, 0.16),
            (0.94, 0.94, 0.98),
        ),
        eyes=((0.16, 0.62, 0.30), (0.12, 0.42, 0.90), (0.56, 0.26, 0.80), (0.80, 0.50, 0.08), (0.62, 0.14, 0.10)),
        cloth=((0.90, 0.20, 0.20), (0.15, 0.35, 0.85), (0.98, 0.78, 0.12), (0.14, 0.60, 0.36), (0.95, 0.95, 0.95)),
        paper=(
            (0.98, 0.94, 0.82),
            (0.70, 0.88, 0.96),
            (0.98, 0.74, 0.66),
            (0.76, 0.92, 0.72),
            (0.88, 0.80, 0.96),
            (0.22, 0.26, 0.46),
            (0.96, 0.86, 0.40),
        ),
    ),
    caricature=1.25,
    # Flat hair would let a long forehead through.
    hair_volume=(0.8, 1.6),
)
WORLDS: Final = {world.name: world for world in (FILM, COMIC)}


def find_world(name: str) -> World:
    """Find a world by its name.

    Raises:
        SettingsError: there is none of this name.
    """
    if name not in WORLDS:
        raise SettingsError(f"world={name!r}: expected {' or '.join(WORLDS)}")
    return WORLDS[name]
