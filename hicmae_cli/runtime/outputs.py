"""Outputs of the model: the numbers of each window, and where the face was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.tasks import Kind, join_labels, pick_labels

SPEAKERS: Final = ("yes", "no", "unsure")
"""Whether a person speaks in a window."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Output of the model: a probability per label or, from a regression model, a value per target.

    The probabilities of a classification sum to one; those of a multi-label model are independent.

    Attributes:
        by_name: the numbers by label or target, in the order of the model's outputs.
        task: what they are. Values have the scale of the training targets, and are not clipped.

    Raises:
        ValueError: probabilities that do not sum to one or, of a multi-label model, are not between 0 and 1; values
            that are not finite.
    """

    by_name: dict[str, float]
    task: Kind = "classification"

    def __post_init__(self) -> None:
        total = sum(self.by_name.values())
        if self.task == "classification" and not math.isclose(total, 1, abs_tol=1e-3):
            raise ValueError(f"probabilities sum to {total}, expected 1: {self.by_name}")
        if self.task == "multilabel" and not all(0 <= number <= 1 for number in self.by_name.values()):
            raise ValueError(f"expected probabilities between 0 and 1, got {self.by_name}")
        if not all(map(math.isfinite, self.by_name.values())):
            raise ValueError(f"expected finite values, got {self.by_name}")

    @property
    def label(self) -> str | None:
        """The most probable label; of a multi-label model, ``labels`` joined by ``+``; None for a regression."""
        return join_labels(self.labels) if self.labels else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The predicted class or set (``pick_labels``), in the order of the outputs; none for a regression."""
        if self.task == "multilabel":
            picked = pick_labels(tuple(self.by_name), tuple(self.by_name.values()))
            return tuple(name for name in self.by_name if name in picked)
        return (max(self.by_name, key=self.by_name.__getitem__),) if self.task == "classification" else ()

    @property
    def probabilities(self) -> dict[str, float]:
        """Probabilities by label; empty for a regression."""
        return self.by_name if self.task != "regression" else {}

    @property
    def values(self) -> dict[str, float]:
        """Values by target; empty for a model of labels."""
        return self.by_name if self.task == "regression" else {}

    @classmethod
    def of(cls, names: Sequence[str], row: NDArray[np.float64], task: Kind = "classification") -> Scores:
        """Name a row (C,) of the model's output."""
        return cls({name: float(number) for name, number in zip(names, row, strict=True)}, task)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON document: ``label`` and ``probabilities``, or ``values``.

        A multi-label model adds ``labels``.
        """
        if self.task == "regression":
            return {"values": self.by_name}
        if self.task == "multilabel":
            return {"label": self.label, "labels": list(self.labels), "probabilities": self.by_name}
        return {"label": self.label, "probabilities": self.by_name}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Scores:
        """Read what `to_dict` wrote."""
        task: Kind = "regression" if "values" in fields else "multilabel" if "labels" in fields else "classification"
        numbers = fields["values" if task == "regression" else "probabilities"]
        return cls({str(name): float(number) for name, number in numbers.items()}, task)


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face is in the picture on display at a time.

    Pixels count from the top left of the upright picture with square pixels, of the size that `FileResult` states.

    Attributes:
        time_s: when the picture was sampled.
        x_px: left edge.
        y_px: top edge.
        width_px: width.
        height_px: height.
    """

    time_s: float
    x_px: float
    y_px: float
    width_px: float
    height_px: float

    @property
    def size_px(self) -> float:
        """The longer side."""
        return max(self.width_px, self.height_px)

    def to_list(self) -> list[float]:
        """Return time, x, y, width and height, rounded as in the JSON document."""
        return [round(self.time_s, 3), *(round(n, 1) for n in (self.x_px, self.y_px, self.width_px, self.height_px))]

    @classmethod
    def from_list(cls, numbers: Sequence[float]) -> FaceBox:
        """Read what `to_list` wrote."""
        return _make_box(*map(float, numbers))


# A box is in each window over its moment: they share it, as they do where they are made.
_make_box = lru_cache(maxsize=256)(FaceBox)


@dataclass(frozen=True, slots=True)
class Window:
    """One output of the model.

    Attributes:
        start_s: start on the input's clock.
        end_s: end on the input's clock.
        scores: the output.
        face_coverage: share of the window's sampled pictures with the face.
        modality: streams that the model got: ``av``, ``video`` or ``audio``.
        boxes: where the face is, in each sampled picture that shows it.
        voice: share of the window's time with a voice; None if nobody listened for one.
        speaker: whether this person speaks: ``yes``, ``no`` or ``unsure``; None if it was not tested.
        explanation: what moved the answer; None if nobody asked.
        features: the embedding (4D,), the input of the model's head; empty if nobody asked.
    """

    start_s: float
    end_s: float
    scores: Scores
    face_coverage: float
    modality: str
    boxes: tuple[FaceBox, ...] = field(default=(), repr=False)
    voice: float | None = None
    speaker: str | None = None
    explanation: Explanation | None = field(default=None, repr=False)
    features: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            known = ", ".join(MODALITIES)
            raise ValueError(f"window at {self.start_s} s: modality {self.modality!r}, expected one of {known}")
        if self.speaker not in (None, *SPEAKERS):
            raise ValueError(f"speaker={self.speaker!r}: expected one of {', '.join(SPEAKERS)}, or None")

    def to_dict(self) -> dict[str, Any]:
        """Return the window as in the JSON document."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            **self.scores.to_dict(),
            "face_coverage": round(self.face_coverage, 4),
            "modality": self.modality,
            "voice": self.voice if self.voice is None else round(self.voice, 3),
            "speaker": self.speaker,
            "boxes": [box.to_list() for box in self.boxes],
            **({} if self.explanation is None else {"explanation": self.explanation.to_dict()}),
            **({"features": [round(number, 4) for number in self.features]} if self.features else {}),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Window:
        """Read what `to_dict` wrote."""
        start_s, end_s, coverage = (float(fields[name]) for name in ("start_s", "end_s", "face_coverage"))
        if not (math.isfinite(start_s) and math.isfinite(end_s) and math.isfinite(coverage)):
            raise ValueError(f"window: expected finite times, got {start_s} to {end_s}, coverage {coverage}")
        boxes = tuple(FaceBox.from_list(box) for box in fields.get("boxes", ()))
        voice = None if fields.get("voice") is None else float(fields["voice"])
        if voice is not None and not math.isfinite(voice):
            raise ValueError(f"window at {start_s} s: voice {voice}, expected a share")
        explained = Explanation.from_dict(fields["explanation"]) if "explanation" in fields else None
        features = tuple(map(float, fields.get("features", ())))
        scores, modality = Scores.from_dict(fields), str(fields["modality"])
        return cls(start_s, end_s, scores, coverage, modality, boxes, voice, fields.get("speaker"), explained, features)
