"""The streams that a model gets: faces and sound, or only one of them."""

from __future__ import annotations

from typing import Final, Literal, get_args

Modality = Literal["av", "video", "audio"]
"""``av`` is both streams."""

MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)
