"""The 52 facial actions, and the FACS prototypes of emotions on them.

The prototypes follow EMFACS (Ekman & Friesen 1983; Ekman, Friesen & Hager 2002): anger 4+5+7+23/24,
disgust 9+10+15/16, fear 1+2+4+5+20+26, happiness 6+12, sadness 1+4+15+17. Each action unit is written as one or more
actions of the ARKit set. Three *shared* displays fit two emotions equally well: both emotions use the same prototype,
so that such a display does not reveal which of the two was meant.
"""

from __future__ import annotations

_NAMES = """
browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight
eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft
eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward
jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel
mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight tongueOut
"""
ACTION_NAMES = tuple(_NAMES.split())
INDEX = {name: i for i, name in enumerate(ACTION_NAMES)}

# Action unit -> actions and their share. A name without a side moves both sides.
UNITS: dict[str, dict[str, float]] = {
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
    # Drooping: a part of 43.
    "lids": {"eyeBlink": 1.0},
    "down": {"eyeLookDown": 1.0},
    "tongue": {"tongueOut": 1.0},
}
# For each display: action unit -> (probability of taking part, least share, greatest share).
PROTOTYPES: dict[str, dict[str, tuple[float, float, float]]] = {
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
DISPLAYS = tuple(PROTOTYPES)
