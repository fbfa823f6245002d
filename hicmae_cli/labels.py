"""The names of emotions: full lower-case English words, with the codes that corpora use as aliases."""

CREMA_D_LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

ALIASES = {
    "ang": "anger", "angry": "anger",
    "dis": "disgust", "disgusted": "disgust",
    "fea": "fear", "fearful": "fear",
    "hap": "happiness", "happy": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "sur": "surprise", "surprised": "surprise",
    "con": "contempt", "contemptuous": "contempt",
    "anx": "anxiety", "anxious": "anxiety",
    "helpless": "helplessness",
    "disappointed": "disappointment",
    "worried": "worry",
}  # fmt: skip


def canonical_label(name: str) -> str:
    """``"ANG"`` or ``"angry"`` -> ``"anger"``; a name without an alias is lower-cased and kept."""
    key = name.strip().lower()
    return ALIASES.get(key, key)
