"""Names of emotions: full lower-case English words, with the codes that corpora use as aliases."""

PUPPETS_NAME = "puppets"
"""Name of the generated dataset, also in the metadata of weights trained on it."""

CREMA_D_LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

ALIASES = {
    "ang": "anger",
    "angry": "anger",
    "dis": "disgust",
    "disgusted": "disgust",
    "fea": "fear",
    "fearful": "fear",
    "hap": "happiness",
    "happy": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "sur": "surprise",
    "surprised": "surprise",
    "con": "contempt",
    "contemptuous": "contempt",
    "anx": "anxiety",
    "anxious": "anxiety",
    "helpless": "helplessness",
    "disappointed": "disappointment",
    "worried": "worry",
}
KNOWN_LABELS = frozenset({*CREMA_D_LABELS, *ALIASES.values(), "boredom", "calm"})
"""Names of emotions of the datasets that hicmae knows."""
_MAX_LETTERS = 64


def canonical_label(name: str) -> str:
    """Map ``"ANG"`` and ``"angry"`` to ``"anger"``; lower-case a name without an alias."""
    key = name.strip().lower()
    return ALIASES.get(key, key)


def is_label(name: str) -> bool:
    """Whether a name can be a label: printable, so that it cannot steer a terminal, and at most 64 characters."""
    return 0 < len(name) <= _MAX_LETTERS and name.isprintable()
