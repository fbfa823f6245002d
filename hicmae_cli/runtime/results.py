"""What a prediction is: files hold tracks (people), tracks hold windows (moments)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.weights.info import WeightInfo

SCHEMA = "hicmae.predict/1"
VOICE_TRACK = 0
"""Id of the track of windows in which nobody's face was seen and only the sound was judged."""


@dataclass(frozen=True)
class Scores:
    """Probabilities by label name; they are checked to be a distribution."""

    probabilities: dict[str, float]

    def __post_init__(self) -> None:
        total = sum(self.probabilities.values())
        if not math.isclose(total, 1, abs_tol=1e-3):
            raise ValueError(f"probabilities sum to {total}, expected 1: {self.probabilities}")

    @property
    def label(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @classmethod
    def mean(cls, rows: Sequence[Scores]) -> Scores:
        """Average of several, label by label."""
        return cls({k: float(np.mean([row.probabilities[k] for row in rows])) for k in rows[0].probabilities})

    @classmethod
    def of(cls, labels: Sequence[str], row: NDArray[np.float64]) -> Scores:
        """Name a row of probabilities (C,)."""
        return cls({label: float(p) for label, p in zip(labels, row, strict=True)})


@dataclass(frozen=True)
class Window:
    """One look of the model: ``start_s`` to ``end_s`` on the video's clock."""

    start_s: float
    end_s: float
    scores: Scores
    face_coverage: float
    modality: str

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "label": self.scores.label,
            "probabilities": self.scores.probabilities,
            "face_coverage": round(self.face_coverage, 4),
            "modality": self.modality,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Window:
        """Read what `to_dict` wrote."""
        scores = Scores({str(label): float(p) for label, p in fields["probabilities"].items()})
        start_s, end_s, coverage = (float(fields[name]) for name in ("start_s", "end_s", "face_coverage"))
        if not (math.isfinite(start_s) and math.isfinite(end_s) and math.isfinite(coverage)):
            raise ValueError(f"expected finite times, got {start_s} to {end_s}, coverage {coverage}")
        return cls(start_s, end_s, scores, coverage, str(fields["modality"]))


@dataclass(frozen=True)
class Track:
    """One person over the file (or, with id 0, the sound where no face was seen).

    Attributes:
        face_coverage: share of the file's sampled frames in which this face was found.
        face_size_px: mean size of the face in the picture, 0 for the voice.
    """

    id: int
    windows: tuple[Window, ...]
    face_coverage: float
    face_size_px: float = 0.0

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError(f"track {self.id}: expected at least one window")

    @property
    def scores(self) -> Scores:
        """Mean over the windows."""
        return Scores.mean([window.scores for window in self.windows])

    @property
    def modality(self) -> str:
        """What most of its windows were judged by."""
        kinds = [window.modality for window in self.windows]
        return max(MODALITIES, key=kinds.count)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        scores = self.scores
        return {
            "id": self.id,
            "start_s": round(min(w.start_s for w in self.windows), 3),
            "end_s": round(max(w.end_s for w in self.windows), 3),
            "face_coverage": round(self.face_coverage, 4),
            "label": scores.label,
            "probabilities": scores.probabilities,
            "face_size_px": round(self.face_size_px, 1),
            "windows": [window.to_dict() for window in self.windows],
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Track:
        """Read what `to_dict` wrote."""
        windows = tuple(Window.from_dict(window) for window in fields["windows"])
        return cls(int(fields["id"]), windows, float(fields["face_coverage"]), float(fields.get("face_size_px", 0.0)))


@dataclass(frozen=True)
class FileResult:
    """Everything about one file.

    Attributes:
        status: ``ok``, ``no-face`` or ``error``.
        message: what a reader should know; of an error, its cause.
        size_bytes: size of the file; None where it could not be read.
        sha256: hash of the file in hexadecimal; None where it could not be read.
    """

    path: Path
    status: str
    message: str = ""
    duration_s: float | None = None
    fps: float | None = None
    tracks: tuple[Track, ...] = field(default=())
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def failed(self) -> bool:
        """Whether nothing could be said about the file."""
        return not self.tracks

    @property
    def main_track(self) -> Track | None:
        """The most covered track, then the largest face."""
        return max(self.tracks, key=lambda t: (round(t.face_coverage, 2), t.face_size_px), default=None)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        main = self.main_track
        scores = main.scores if main else None
        return {
            "path": str(self.path),
            "status": self.status,
            "message": self.message,
            "duration_s": self.duration_s if self.duration_s is None else round(self.duration_s, 3),
            "fps": self.fps if self.fps is None else round(self.fps, 3),
            "modality": main.modality if main else None,
            "summary": {"label": scores.label, "probabilities": scores.probabilities} if scores else None,
            "tracks": [track.to_dict() for track in self.tracks],
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> FileResult:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: the fields are not those of a file's result.
        """
        try:
            return cls(
                path=Path(fields["path"]),
                status=fields["status"],
                message=fields["message"],
                duration_s=fields["duration_s"],
                fps=fields["fps"],
                tracks=tuple(Track.from_dict(track) for track in fields["tracks"]),
                size_bytes=fields.get("size_bytes"),
                sha256=fields.get("sha256"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a file's result: {type(error).__name__} {error}") from error


@dataclass(frozen=True)
class Model:
    """What judged: a weight and the engine that ran it.

    Attributes:
        name: the weight's name or path, as given.
        info: what the weight says of itself.
        engine: ``onnx`` or ``torch``.
        device: where it ran.
        sha256: hash of the weight file in hexadecimal.
    """

    name: str
    info: WeightInfo
    engine: str
    device: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        facts = {"engine": self.engine, "device": self.device, "sha256": self.sha256}
        return {"name": self.name, **self.info.to_dict(), **facts}


@dataclass(frozen=True)
class Prediction:
    """One run over one or many files."""

    model: Model
    settings: PredictSettings
    files: tuple[FileResult, ...]

    @property
    def failures(self) -> tuple[FileResult, ...]:
        """Files about which nothing could be said."""
        return tuple(file for file in self.files if file.failed)

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae predict --json`` prints."""
        return {
            "schema": SCHEMA,
            "weights": self.model.to_dict(),
            "settings": self.settings.to_dict(),
            "files": [file.to_dict() for file in self.files],
        }
