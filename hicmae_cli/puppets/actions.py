"""How a puppet's face moves: FACS prototypes on the 52 facial actions, over time, in a person's own style.

The prototypes follow EMFACS (Ekman & Friesen 1983; Ekman, Friesen & Hager 2002): anger 4+5+7+23/24,
disgust 9+10+15/16, fear 1+2+4+5+20+26, happiness 6+12, sadness 1+4+15+17. Each action unit is written as
one or more actions of the ARKit set. Three *shared* displays fit two emotions equally well and are drawn
from one recipe, so that they carry nothing about which of the two was meant.

Letters: T times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ACTION_NAMES = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
INDEX = {name: i for i, name in enumerate(ACTION_NAMES)}
KINDS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "anger-disgust",
    "fear-sadness",
    "happiness-neutral",
)

Curves = NDArray[np.float32]

# Action unit -> actions and their share. A name that stands for two sides moves both.
_UNITS: dict[str, dict[str, float]] = {
    "1": {"browInnerUp": 1.0},
    "2": {"browOuterUp": 1.0},
    "4": {"browDown": 1.0},
    "5": {"eyeWide": 1.0},
    "6": {"cheekSquint": 1.0, "eyeSquint": 0.45},
    "7": {"eyeSquint": 1.0},
    "9": {"noseSneer": 1.0},
    "10": {"mouthUpperUp": 1.0},
    "12": {"mouthSmile": 1.0},
    "14": {"mouthDimple": 1.0},
    "15": {"mouthFrown": 1.0},
    "16": {"mouthLowerDown": 1.0},
    "17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.3},
    "18": {"mouthPucker": 1.0},
    "20": {"mouthStretch": 1.0},
    "22": {"mouthFunnel": 1.0},
    "23": {"mouthRollLower": 0.6, "mouthRollUpper": 0.5, "mouthPress": 0.4},
    "24": {"mouthPress": 1.0},
    "25": {"mouthLowerDown": 0.5, "jawOpen": 0.12},
    "26": {"jawOpen": 1.0},
    "29": {"jawForward": 1.0},
    "lids": {"eyeBlink": 1.0},  # drooping, as 43 in part
    "down": {"eyeLookDown": 1.0},
    "tongue": {"tongueOut": 1.0},
}
# For each display: action unit -> (how often it takes part, least share, greatest share).
_Recipe = dict[str, tuple[float, float, float]]
_PROTOTYPES: dict[str, _Recipe] = {
    "anger": {
        "4": (1.0, 0.8, 1.0),
        "5": (0.5, 0.3, 0.8),
        "7": (0.75, 0.4, 0.9),
        "23": (0.5, 0.4, 1.0),
        "24": (0.4, 0.5, 1.0),
        "17": (0.4, 0.3, 0.7),
        "29": (0.35, 0.3, 0.8),
        "16": (0.35, 0.4, 0.9),
        "10": (0.2, 0.2, 0.5),
        "9": (0.15, 0.1, 0.4),
    },
    "disgust": {
        "9": (0.95, 0.6, 1.0),
        "10": (0.8, 0.4, 1.0),
        "15": (0.4, 0.2, 0.7),
        "16": (0.4, 0.2, 0.7),
        "17": (0.4, 0.3, 0.7),
        "7": (0.5, 0.2, 0.6),
        "6": (0.35, 0.2, 0.6),
        "4": (0.3, 0.1, 0.5),
        "tongue": (0.06, 0.3, 0.7),
        "25": (0.25, 0.3, 0.8),
    },
    "fear": {
        "1": (1.0, 0.7, 1.0),
        "2": (0.8, 0.4, 1.0),
        "4": (0.4, 0.1, 0.5),
        "5": (0.95, 0.6, 1.0),
        "20": (0.7, 0.4, 1.0),
        "25": (0.6, 0.3, 0.9),
        "26": (0.5, 0.1, 0.45),
    },
    "happiness": {
        "12": (1.0, 0.75, 1.0),
        "6": (0.85, 0.4, 1.0),
        "14": (0.2, 0.1, 0.5),
        "25": (0.6, 0.3, 0.9),
        "10": (0.2, 0.1, 0.4),
        "26": (0.15, 0.05, 0.2),
        "7": (0.2, 0.1, 0.3),
        "2": (0.15, 0.1, 0.5),
    },
    "neutral": {
        "4": (0.1, 0.0, 0.12),
        "12": (0.1, 0.0, 0.08),
        "24": (0.15, 0.05, 0.2),
        "1": (0.1, 0.0, 0.15),
        "7": (0.1, 0.0, 0.2),
        "15": (0.1, 0.0, 0.12),
    },
    "sadness": {
        "1": (0.9, 0.65, 1.0),
        "4": (0.5, 0.1, 0.5),
        "15": (0.9, 0.6, 1.0),
        "17": (0.6, 0.3, 0.9),
        "lids": (0.5, 0.15, 0.35),
        "down": (0.5, 0.2, 0.6),
        "24": (0.2, 0.2, 0.5),
        "7": (0.15, 0.1, 0.3),
    },
    "anger-disgust": {
        "4": (1.0, 0.5, 0.8),
        "9": (0.9, 0.35, 0.6),
        "7": (0.7, 0.3, 0.8),
        "24": (0.6, 0.3, 0.7),
        "10": (0.4, 0.15, 0.4),
        "17": (0.35, 0.2, 0.6),
    },
    "fear-sadness": {
        "1": (1.0, 0.6, 1.0),
        "4": (0.5, 0.1, 0.5),
        "20": (0.6, 0.25, 0.6),
        "15": (0.6, 0.2, 0.5),
        "25": (0.3, 0.2, 0.5),
    },
    "happiness-neutral": {"12": (1.0, 0.15, 0.32), "6": (0.25, 0.05, 0.2), "14": (0.2, 0.05, 0.25)},
}
_MICRO = tuple(
    i
    for i, name in enumerate(ACTION_NAMES)
    if name.startswith(("browInnerUp", "browDown", "mouthPress", "mouthSmile", "mouthFrown", "eyeSquint", "jawOpen"))
)


class MouthCurves(Protocol):
    """What a voice says about its mouth, each (T,) in 0..1 at the times of the curves it is merged into."""

    @property
    def jaw(self) -> NDArray[np.float32]:
        """Opening of the jaw."""

    @property
    def round(self) -> NDArray[np.float32]:
        """Rounding of the lips."""

    @property
    def press(self) -> NDArray[np.float32]:
        """Closing of the lips."""

    @property
    def wide(self) -> NDArray[np.float32]:
        """Spreading of the lips."""


@dataclass(frozen=True)
class Style:
    """How one person moves: strength of each action (52,), resting face (52,), favoured units, tempo."""

    gain: NDArray[np.float32]
    rest: NDArray[np.float32]
    habit: dict[str, float]
    tempo: float
    blinks_per_s: float
    restlessness: float
    expressiveness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Style:
        """A random person's style."""
        gain = np.exp(rng.normal(0, 0.18, len(ACTION_NAMES)))
        lopsided = rng.normal(0, 0.09)
        for i, name in enumerate(ACTION_NAMES):
            if name.endswith("Left"):
                right = INDEX[name[:-4] + "Right"]
                side = lopsided + rng.normal(0, 0.06)
                gain[right] = gain[i] * np.exp(-side)
                gain[i] *= np.exp(side)
        rest = np.zeros(len(ACTION_NAMES))
        for unit, share in (("4", 0.14), ("15", 0.14), ("24", 0.15), ("lids", 0.16), ("1", 0.1), ("12", 0.06)):
            if rng.random() < 0.3:
                _add_unit(rest, unit, rng.uniform(0.2, 1.0) * share)
        return cls(
            gain=gain.astype(np.float32),
            rest=rest.astype(np.float32),
            habit={unit: float(rng.normal(0, 0.7)) for unit in _UNITS},
            tempo=float(np.exp(rng.normal(0, 0.25))),
            blinks_per_s=float(rng.uniform(0.08, 0.5)),
            restlessness=float(rng.uniform(0.2, 1.0)),
            expressiveness=float(np.exp(rng.normal(0, 0.14))),
        )


def _add_unit(weights: NDArray[np.float64], unit: str, share: float) -> None:
    for name, part in _UNITS[unit].items():
        for full in (name, name + "Left", name + "Right"):
            if full in INDEX:
                weights[INDEX[full]] = max(weights[INDEX[full]], part * share)


def _takes_part(chance: float, habit: float, rng: np.random.Generator) -> bool:
    """A person's habit moves the odds of an action unit; units that always take part always do."""
    if chance >= 1.0:
        return True
    odds = np.log(chance / (1 - chance)) + habit
    return bool(rng.random() < 1 / (1 + np.exp(-odds)))


def _draw_target(kind: str, style: Style, rng: np.random.Generator) -> NDArray[np.float64]:
    """One rendering of a display at full strength, (52,)."""
    weights = np.zeros(len(ACTION_NAMES))
    for unit, (chance, low, high) in _PROTOTYPES[kind].items():
        # drawn even when unused: the number of draws is the same for every clip of a kind
        share = rng.uniform(low, high)
        if _takes_part(chance, style.habit[unit], rng):
            _add_unit(weights, unit, share)
    if kind == "anger" and not weights[[INDEX["mouthPressLeft"], INDEX["mouthLowerDownLeft"]]].any():
        _add_unit(weights, "24", rng.uniform(0.4, 0.9))  # brows alone would be a shared display
    if kind == "sadness" and weights[INDEX["browInnerUp"]] == 0:
        _add_unit(weights, "15", 0.9)
    return weights


def _draw_envelope(times_s: NDArray[np.float64], tempo: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Onset, apex, offset, (T,) in 0..1: risen by the first third, now and then a second, weaker wave."""
    end = float(times_s[-1]) if len(times_s) else 0.0
    onset = rng.uniform(-0.7, 0.16 * end)
    rise, fall = rng.uniform(0.2, 0.7) / tempo, rng.uniform(0.4, 1.2) / tempo
    offset = rng.uniform(0.8, 1.7) * end
    sustain = 1 - rng.uniform(0.0, 0.35) * np.clip((times_s - onset - rise) / max(end, 0.5), 0, 1)
    up = _smooth((times_s - onset) / rise)
    down = 1 - _smooth((times_s - offset) / fall)
    wave = 1 - rng.uniform(0, 0.25) * (0.5 + 0.5 * np.sin(2 * np.pi * (times_s * rng.uniform(0.3, 1.2) + rng.random())))
    return np.asarray(up * (0.25 + 0.75 * down) * sustain * wave)


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _draw_drift(
    times_s: NDArray[np.float64], rng: np.random.Generator, count: int, rate_hz: float
) -> NDArray[np.float64]:
    """Slow smooth noise, (T, count), about -1..1: a few sines of random phase."""
    rates = rng.uniform(0.2, 1.0, (3, count)) * rate_hz
    phases = rng.uniform(0, 2 * np.pi, (3, count))
    return np.asarray(np.sin(2 * np.pi * times_s[:, None, None] * rates + phases).mean(1))


def _draw_blinks(times_s: NDArray[np.float64], rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    closed = np.zeros(len(times_s))
    time = rng.exponential(1 / rate)
    while len(times_s) and time < times_s[-1] + 0.2:
        width = rng.uniform(0.055, 0.11)
        closed = np.maximum(closed, np.exp(-(((times_s - time) / width) ** 2)))
        time += 0.3 + rng.exponential(1 / rate)
    return closed


def animate_expression(
    kind: str, intensity: float, style: Style, rng: np.random.Generator, times_s: NDArray[np.floating]
) -> Curves:
    """The 52 actions over time for one display of one person.

    Args:
        kind: one of `KINDS`: the six CREMA-D emotions or a shared display.
        intensity: 0 (nothing) to 1 (full); faint displays are lifted a little, as its power of 0.7.
        style: the person's.
        rng: draws which units take part, timing, blinks, gaze, micro-movements.
        times_s: (T,) seconds, increasing, from 0.

    Returns:
        (T, 52) float32 in 0..1, in the order of `ACTION_NAMES`.
    """
    if kind not in _PROTOTYPES:
        raise ValueError(f"unknown display {kind!r}; known: {', '.join(KINDS)}")
    at: NDArray[np.float64] = np.asarray(times_s, np.float64)
    target = _draw_target(kind, style, rng) * style.gain * style.expressiveness * intensity**0.7
    curves = np.repeat(style.rest[None].astype(np.float64), len(at), 0)
    # upper and lower face do not move in lockstep
    lag = rng.uniform(-0.12, 0.12)
    envelope_rng_seed = int(rng.integers(2**31))
    for rows, delay in ((slice(0, 22), 0.0), (slice(22, 52), lag)):
        envelope = _draw_envelope(at - delay, style.tempo, np.random.default_rng(envelope_rng_seed))
        curves[:, rows] = (
            curves[:, rows] * (1 - envelope[:, None])
            + np.maximum(curves[:, rows] * 0.5, target[rows]) * envelope[:, None]
        )
    micro = _draw_drift(at, rng, len(_MICRO), 1.5) * 0.05 * style.restlessness
    curves[:, _MICRO] += np.maximum(micro, -0.02)
    _add_gaze(curves, _draw_drift(at, rng, 2, 0.8), rng.normal(0, 0.12, 2), style.restlessness)
    blink = _draw_blinks(at, style.blinks_per_s, rng)[:, None]
    lids = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
    curves[:, lids] = np.maximum(curves[:, lids], blink)
    for lid, wide in zip(lids, (INDEX["eyeWideLeft"], INDEX["eyeWideRight"]), strict=True):
        curves[:, wide] *= 1 - curves[:, lid]
    return np.clip(curves, 0, 1).astype(np.float32)


def _add_gaze(
    curves: NDArray[np.float64], drift: NDArray[np.float64], offset: NDArray[np.float64], size: float
) -> None:
    sideways, upwards = (drift * 0.3 * size + offset).T  # positive: to the subject's left, up
    for name, amount in (
        ("eyeLookOutLeft", sideways),
        ("eyeLookInRight", sideways),
        ("eyeLookInLeft", -sideways),
        ("eyeLookOutRight", -sideways),
        ("eyeLookUpLeft", upwards),
        ("eyeLookUpRight", upwards),
        ("eyeLookDownLeft", -upwards),
        ("eyeLookDownRight", -upwards),
    ):
        curves[:, INDEX[name]] += np.maximum(amount, 0)


def add_speech(curves: Curves, mouth: MouthCurves) -> Curves:
    """Lay talking over an expression: jaw, rounding, closing and spreading of the lips.

    Args:
        curves: (T, 52), as `animate_expression` returns them.
        mouth: what the voice does, each curve (T,) in 0..1 at the same times.

    Returns:
        A new (T, 52) array in 0..1.
    """
    out = np.array(curves, np.float32)
    jaw, rounded = np.asarray(mouth.jaw, np.float32), np.asarray(mouth.round, np.float32)
    press, wide = np.asarray(mouth.press, np.float32), np.asarray(mouth.wide, np.float32)
    for name, curve in (("jaw", jaw), ("round", rounded), ("press", press), ("wide", wide)):
        if curve.shape != (len(out),):
            raise ValueError(f"mouth.{name} has shape {curve.shape}, expected ({len(out)},)")
    talking = np.clip(jaw + rounded + wide, 0, 1)
    for name in ("mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper", "mouthShrugUpper"):
        out[:, INDEX[name]] *= 1 - 0.65 * talking
    out[:, INDEX["jawOpen"]] = (out[:, INDEX["jawOpen"]] + 0.55 * jaw) * (1 - 0.8 * press)
    out[:, INDEX["mouthFunnel"]] += 0.5 * rounded
    out[:, INDEX["mouthPucker"]] += 0.35 * rounded
    out[:, INDEX["mouthClose"]] += 0.2 * press * jaw
    for side in ("Left", "Right"):
        out[:, INDEX["mouthPress" + side]] += 0.3 * press
        out[:, INDEX["mouthStretch" + side]] += 0.2 * wide
        out[:, INDEX["mouthLowerDown" + side]] += 0.3 * jaw
        out[:, INDEX["mouthUpperUp" + side]] += 0.1 * jaw
    return np.clip(out, 0, 1)
