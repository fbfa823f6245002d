"""How files are looked at: windows, streams, people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hicmae_cli.errors import SettingsError
from hicmae_cli.modalities import MODALITIES
from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S

_CHOICES = ("auto", *MODALITIES)
DEFAULT_HOP_S = WINDOW_S / 4
"""Four windows see every moment: an average over fewer moves when another frame rate moves a sampled picture."""


@dataclass(frozen=True)
class PredictSettings:
    """How a file is looked at.

    Attributes:
        modality: ``auto`` uses what is there; ``av``, ``video`` and ``audio`` insist.
        window_s: length of a window; the models were trained on 2.56 s.
        hop_s: time between the starts of two windows, rounded to the sampling grid of window / 16.
        max_faces: people followed at once.
    """

    modality: str = "auto"
    window_s: float = WINDOW_S
    hop_s: float = DEFAULT_HOP_S
    max_faces: int = 4

    def __post_init__(self) -> None:
        if self.modality not in _CHOICES:
            raise SettingsError(f"--modality {self.modality}: expected one of {', '.join(_CHOICES)}")
        if not 0.16 <= self.window_s <= 60:
            raise SettingsError(f"--window {self.window_s}: expected 0.16 to 60 seconds")
        if not 0 < self.hop_s <= self.window_s:
            raise SettingsError(f"--hop {self.hop_s}: expected more than 0 and at most the window, {self.window_s} s")
        if not 1 <= self.max_faces <= 32:
            raise SettingsError(f"--faces {self.max_faces}: expected 1 to 32")

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        return asdict(self)

    @property
    def step_s(self) -> float:
        """Time between two sampled frames."""
        return self.window_s / CLIP_FRAMES

    @property
    def hop_frames(self) -> int:
        """Hop in steps of the sampling grid."""
        return max(1, round(self.hop_s / self.step_s))
