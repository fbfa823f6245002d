"""How a puppet's face moves: a display over time, in a person's own style, and talking on top of it.

Letters: T times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.puppets.actions import ACTION_NAMES, DISPLAYS, INDEX, PROTOTYPES, UNITS

Curves = NDArray[np.float32]

_MICRO = tuple(
    i
    for i, name in enumerate(ACTION_NAMES)
    if name.startswith(("browInnerUp", "browDown", "mouthPress", "mouthSmile", "mouthFrown", "eyeSquint", "jawOpen"))
)


class MouthCurves(Protocol):
    """The mouth of a speaker: curves (T,) in 0..1, at the times of the expression."""

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
        """Draw a random person's style."""
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
            habit={unit: float(rng.normal(0, 0.7)) for unit in UNITS},
            tempo=float(np.exp(rng.normal(0, 0.25))),
            blinks_per_s=float(rng.uniform(0.08, 0.5)),
            restlessness=float(rng.uniform(0.2, 1.0)),
            expressiveness=float(np.exp(rng.normal(0, 0.14))),
        )


def _add_unit(weights: NDArray[np.float64], unit: str, share: float) -> None:
    for name, part in UNITS[unit].items():
        for full in (name, name + "Left", name + "Right"):
            if full in INDEX:
                weights[INDEX[full]] = max(weights[INDEX[full]], part * share)


def _takes_part(chance: float, habit: float, rng: np.random.Generator) -> bool:
    """Draw whether an action unit takes part. A person's habit shifts its odds, unless it always takes part."""
    if chance >= 1.0:
        return True
    odds = np.log(chance / (1 - chance)) + habit
    return bool(rng.random() < 1 / (1 + np.exp(-odds)))


def _draw_target(display: str, style: Style, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw one rendering of a display at full strength, (52,)."""
    weights = np.zeros(len(ACTION_NAMES))
    for unit, (chance, low, high) in PROTOTYPES[display].items():
        # Drawn even if unused, so that the number of draws is the same for every clip of a display.
        share = rng.uniform(low, high)
        if _takes_part(chance, style.habit[unit], rng):
            _add_unit(weights, unit, share)
    # Brows alone would be a shared display.
    if display == "anger" and not weights[[INDEX["mouthPressLeft"], INDEX["mouthLowerDownLeft"]]].any():
        _add_unit(weights, "24", rng.uniform(0.4, 0.9))
    if display == "sadness" and weights[INDEX["browInnerUp"]] == 0:
        _add_unit(weights, "15", 0.9)
    return weights


def _draw_envelope(times_s: NDArray[np.float64], tempo: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw onset, apex and offset, (T,) in 0..1: risen by the first third, sometimes with a second, weaker wave."""
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
    """Draw slow, smooth noise, (T, count), about -1..1: a few sines of random phase."""
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
    display: str, intensity: float, style: Style, rng: np.random.Generator, times_s: NDArray[np.floating]
) -> Curves:
    """Animate one display of one person as 52 actions over time.

    Args:
        display: one of `DISPLAYS`: one of CREMA-D's six emotions, or a shared display.
        intensity: 0 (none) to 1 (full); its power of 0.7 makes faint displays a little stronger.
        style: the person's style.
        rng: draws which units take part, timing, blinks, gaze and micro-movements.
        times_s: (T,) seconds, increasing, from 0.

    Returns:
        (T, 52) float32 in 0..1, in the order of `ACTION_NAMES`.

    Raises:
        ValueError: the display is unknown.
    """
    if display not in PROTOTYPES:
        raise ValueError(f"unknown display {display!r}; known: {', '.join(DISPLAYS)}")
    at: NDArray[np.float64] = np.asarray(times_s, np.float64)
    target = _draw_target(display, style, rng) * style.gain * style.expressiveness * intensity**0.7
    curves = np.repeat(style.rest[None].astype(np.float64), len(at), 0)
    # Upper and lower face do not move in lockstep.
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
    # Positive: to the subject's left, and up.
    sideways, upwards = (drift * 0.3 * size + offset).T
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
    """Add talking to an expression: jaw, rounding, closing and spreading of the lips.

    Args:
        curves: (T, 52), as `animate_expression` returns them.
        mouth: the speaker's mouth at the same times.

    Returns:
        A new (T, 52) array in 0..1.

    Raises:
        ValueError: a curve of the mouth has another length.
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
