"""Results of a prediction: files hold tracks (people), and tracks hold windows (times)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from hicmae_cli import __version__
from hicmae_cli.json_text import Collect
from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.speech import Speech
from hicmae_cli.runtime.timings import Timings
from hicmae_cli.runtime.window_table import WindowTable

SCHEMA: Final = "hicmae.predict/1"
VOICE_TRACK: Final = 0
"""Id of the track of windows that are predicted from the sound alone because they show no face."""


@dataclass(frozen=True)
class Track:
    """One person over the input (or, with id 0, the sound of windows without a face).

    Attributes:
        id: 1, 2 … in order of appearance; 0 for the sound.
        windows: at least one, in order of time; kept as a `WindowTable`.
        face_coverage: share of the input's sampled pictures with this face.
        face_size_px: mean size of the face in the picture, 0 for the sound.
        name: of the person, where it is known; else empty.
    """

    id: int
    windows: Sequence[Window]
    face_coverage: float
    face_size_px: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError(f"track {self.id}: expected at least one window")
        if not isinstance(self.windows, WindowTable):
            object.__setattr__(self, "windows", WindowTable(self.windows))

    @property
    def table(self) -> WindowTable:
        """The windows as what they are, for its columns."""
        assert isinstance(self.windows, WindowTable)
        return self.windows

    @property
    def scores(self) -> Scores:
        """Mean over the windows."""
        # Column by column, so that the sum does not depend on the other outputs.
        means = np.array([column.mean() for column in np.ascontiguousarray(self.table.outputs.T)])
        return Scores.of(self.table.names, means, self.table.task)

    @property
    def modality(self) -> str:
        """Modality of most of the windows; of two equally frequent ones, the one with more streams."""
        return max(MODALITIES, key=self.table.modalities.count)

    def to_dict(self, collect: Collect = list) -> dict[str, Any]:
        """Return the track as in the JSON document; ``collect`` makes what holds the windows."""
        return {
            "id": self.id,
            "name": self.name,
            "start_s": round(float(self.table.spans_s[:, 0].min()), 3),
            "end_s": round(float(self.table.spans_s[:, 1].max()), 3),
            "face_coverage": round(self.face_coverage, 4),
            **self.scores.to_dict(),
            "face_size_px": round(self.face_size_px, 1),
            "windows": collect(window.to_dict() for window in self.windows),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Track:
        """Read what `to_dict` wrote; its windows may be a table already."""
        number, held = int(fields["id"]), fields["windows"]
        try:
            windows = held if isinstance(held, WindowTable) else WindowTable(map(Window.from_dict, held))
        except ValueError as error:
            raise ValueError(f"track {number}, {error}") from error
        coverage, size_px = float(fields["face_coverage"]), float(fields.get("face_size_px", 0.0))
        return cls(number, windows, coverage, size_px, str(fields.get("name", "")))


@dataclass(frozen=True)
class FileResult:
    """Result of one input.

    Attributes:
        path: the file; of an input without a file, a name for it.
        status: ``ok``, ``no-face`` or ``error``.
        message: what a reader should know; the cause of an error. It names Python parameters; see ``errors.py``.
        duration_s: length of the input; None if it is unknown, and for a photograph.
        fps: mean frame rate; None if it is unknown or there is no video.
        tracks: the people, and the sound without a face.
        size_bytes: size of the file; None if it was not recorded.
        sha256: hash of the file in hexadecimal; None if it was not recorded.
        width_px: width of the upright picture with square pixels; None without video.
        height_px: its height; None without video.
        is_photograph: whether it is one picture without a clock. Each person then has one window, from 0 to one step
            of the sampling grid.
        timings: where the time went; None if nobody asked.
        speech: the stretches of voice with who speaks, in order of time, disjoint; None if it was not tested.
        hicmae_version: of the hicmae that predicted it; None if it was not recorded.
        folder: where a relative ``path`` starts; None if it was not recorded, and for an input without a file.
    """

    path: Path
    status: str
    message: str = ""
    duration_s: float | None = None
    fps: float | None = None
    tracks: tuple[Track, ...] = field(default=())
    size_bytes: int | None = None
    sha256: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    is_photograph: bool = False
    timings: Timings | None = field(default=None, compare=False, repr=False)
    speech: tuple[Speech, ...] | None = field(default=None, repr=False)
    hicmae_version: str | None = __version__
    folder: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return not self.tracks

    @property
    def main_track(self) -> Track | None:
        """The track with the highest face coverage, then the largest face; a result from its document has the same."""
        return max(
            self.tracks, key=lambda t: (round(round(t.face_coverage, 4), 2), round(t.face_size_px, 1)), default=None
        )

    def to_dict(self, collect: Collect = list) -> dict[str, Any]:
        """Return the result as in the JSON document; ``collect`` makes what holds the tracks, and their windows."""
        main = self.main_track
        return {
            "path": str(self.path),
            "photograph": self.is_photograph,
            "status": self.status,
            "message": self.message,
            "duration_s": self.duration_s if self.duration_s is None else round(self.duration_s, 3),
            "fps": self.fps if self.fps is None else round(self.fps, 3),
            "width_px": self.width_px,
            "height_px": self.height_px,
            "modality": main.modality if main else None,
            "summary": main.scores.to_dict() if main else None,
            "tracks": collect(track.to_dict(collect) for track in self.tracks),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            **({} if self.speech is None else {"speech": [each.to_dict() for each in self.speech]}),
            "hicmae_version": self.hicmae_version,
            "folder": None if self.folder is None else str(self.folder),
            **({} if self.timings is None else {"timings": self.timings.to_dict()}),
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
                width_px=fields.get("width_px"),
                height_px=fields.get("height_px"),
                is_photograph=bool(fields.get("photograph", False)),
                timings=Timings.from_dict(fields["timings"]) if "timings" in fields else None,
                speech=tuple(map(Speech.from_dict, fields["speech"])) if "speech" in fields else None,
                hicmae_version=fields.get("hicmae_version"),
                folder=None if fields.get("folder") is None else Path(fields["folder"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"expected the result of a file: {type(error).__name__} {error}") from error
        except ValueError as error:
            raise ValueError(f"{fields['path']}, {error}") from error
