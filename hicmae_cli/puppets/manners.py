"""Manners of speaking: how emotion changes a voice.

Emotion changes pitch, range, contour, rate, loudness, attack, breathiness and spectral tilt as research on vocal
expression reports (Banse & Scherer 1996; Juslin & Laukka 2003).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """One way of speaking.

    Attributes:
        pitch_st: mean pitch above the speaker's own, in semitones.
        range_st: spread of the pitch over syllables, in semitones.
        slope_st: drift of the pitch over the utterance, in semitones per second.
        arch_st: rise and fall of the pitch within a syllable, in semitones.
        rate_hz: syllables per second.
        loudness_db: level above neutral.
        attack_s: rise time of a syllable.
        tilt_db: spectral tilt of the source above neutral, in dB per octave; positive is brighter, pressed.
        breath: share of aspiration noise.
        jitter: irregularity of the pitch from moment to moment, in semitones.
        tremor_st: tremor at 6 to 8 Hz, in semitones.
        creak: share of every second pulse that is lost.
        pauses: probability of a pause after a syllable.
        held: share of its time slot that a syllable fills.
    """

    pitch_st: float = 0.0
    range_st: float = 2.0
    slope_st: float = -0.5
    arch_st: float = 0.5
    rate_hz: float = 4.2
    loudness_db: float = 0.0
    attack_s: float = 0.04
    tilt_db: float = 0.0
    breath: float = 0.06
    jitter: float = 0.1
    tremor_st: float = 0.0
    creak: float = 0.05
    pauses: float = 0.08
    held: float = 0.8


NEUTRAL = Manner()
# Columns, as above: pitch_st, range_st, slope_st, arch_st, rate_hz, loudness_db, attack_s, tilt_db, breath, jitter,
# tremor_st, creak, pauses, held.
MANNERS = {
    "anger": Manner(5, 3.5, -1, -2.5, 5.4, 9, 0.012, 4.5, 0.03, 0.3, 0, 0.05, 0.03, 0.75),
    "disgust": Manner(-3, 2, -1.5, -1.5, 2.9, 0, 0.07, 0.5, 0.12, 0.3, 0, 0.8, 0.1, 0.95),
    "fear": Manner(8.5, 2, 1, 0.5, 6.6, -1, 0.02, -1, 0.32, 0.8, 1.1, 0.05, 0.3, 0.65),
    "happiness": Manner(6, 5.5, 0.5, 5, 4.9, 4, 0.035, 1.5, 0.08, 0.15, 0, 0.05, 0.04, 0.85),
    "neutral": NEUTRAL,
    "sadness": Manner(-1.5, 1, -2, -0.8, 2.5, -8, 0.1, -5, 0.4, 0.25, 0.25, 0.05, 0.3, 0.9),
    # Shared by two emotions, so that the voice does not reveal which of them was meant.
    "anger-happiness": Manner(5.2, 4.2, -0.2, 0.7, 5.1, 6.5, 0.024, 3, 0.05, 0.2, 0, 0.05, 0.04, 0.8),
    "disgust-fear": Manner(2.5, 2, -0.5, -0.5, 4.6, -1, 0.045, -0.5, 0.22, 0.6, 0.5, 0.4, 0.2, 0.8),
    "neutral-sadness": Manner(-0.8, 1.4, -1.2, -0.2, 3.4, -4, 0.07, -2.5, 0.2, 0.15, 0, 0.05, 0.18, 0.8),
}
# Standard deviation of a rendering around its manner.
SPREAD = Manner(0.5, 0.3, 0.3, 0.4, 0.25, 1, 0.004, 0.5, 0.02, 0.05, 0.05, 0.05, 0.02, 0.04)
# Lower bounds of a rendering.
LEAST = Manner(-8, 0.2, -5, -5, 1.8, -16, 0.006, -9, 0, 0.02, 0, 0, 0, 0.5)
