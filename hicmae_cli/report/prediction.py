"""The document of one call of `predict`: it prints, tabulates and saves itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hicmae_cli.errors import HicmaeError, MissingDependencyError
from hicmae_cli.json_text import Collect
from hicmae_cli.report.console import prediction_text
from hicmae_cli.report.files import make_folder
from hicmae_cli.report.formats import DEFAULT_FORMATS, find_formats, write_prediction
from hicmae_cli.report.saved import check_file, read_document, refuse_document
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import SCHEMA, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.timings import Timings
from hicmae_cli.timeline import make_timelines

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Prediction:
    """Results of one or several inputs, and how they were made.

    Attributes:
        model: the weight and the engine that ran it.
        settings: streams, windows, number of people, part of the inputs.
        files: one result per input, in the order given. Those of a long run may be read one at a time.
        timings: where the time of the whole call went; None if nobody asked.
    """

    model: ModelRecord
    settings: PredictSettings
    files: Sequence[FileResult]
    timings: Timings | None = field(default=None, compare=False)

    @property
    def failures(self) -> tuple[FileResult, ...]:
        """Inputs without a result."""
        return tuple(file for file in self.files if file.failed)

    def windows(self) -> Iterator[tuple[FileResult, Track, Window]]:
        """Iterate over every window, with its input and its track."""
        return chain.from_iterable(map(_list_windows, self.files))

    def __str__(self) -> str:
        return prediction_text(self.files, self.model.name, self.model.info)

    def __repr__(self) -> str:
        count = len(self.files)
        return f"<Prediction of {count} input{'' if count == 1 else 's'} by {self.model.name}>"

    def to_dict(self, collect: Collect = list) -> dict[str, Any]:
        """Return the document that ``hicmae predict --json`` prints.

        Args:
            collect: makes what holds the files, their tracks and windows; with ``iter`` they are made when they are
                read, once, so that the document need not fit into memory.
        """
        return {
            "schema": SCHEMA,
            "weights": self.model.to_dict(),
            "settings": self.settings.to_dict(),
            "files": collect(map(partial(self._file_to_dict, collect), self.files)),
            **({} if self.timings is None else {"timings": self.timings.to_dict()}),
        }

    def _file_to_dict(self, collect: Collect, file: FileResult) -> dict[str, Any]:
        """Return a file with the timeline of each track."""
        timed = zip(file.tracks, make_timelines(file, self.settings), strict=True)
        tracks = collect(track.to_dict(collect) | timeline.to_dict() for track, timeline in timed)
        return {**file.to_dict(iter), "tracks": tracks}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Prediction:
        """Read what `to_dict` wrote, for example from ``predictions.json``.

        Raises:
            ValueError: the document has another schema, or is malformed.
        """
        try:
            if document["schema"] != SCHEMA:
                raise ValueError(f"expected a document of the schema {SCHEMA}, got {document['schema']}")
            model = ModelRecord.from_dict(document["weights"])
            settings = PredictSettings.from_dict(document["settings"])
            files = tuple(check_file(FileResult.from_dict(file), model.info) for file in document["files"])
            timings = Timings.from_dict(document["timings"]) if "timings" in document else None
            return cls(model, settings, files, timings)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"expected a prediction's document: {type(error).__name__} {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> Prediction:
        """Read ``predictions.json``, or the output of ``hicmae predict --json``.

        Raises:
            HicmaeError: the file cannot be read, or is not such a document.
        """
        document = read_document(Path(path))
        try:
            return cls.from_dict(document)
        except (ValueError, HicmaeError) as error:
            raise refuse_document(Path(path), error) from error

    def with_timeline(self, smooth_s: float | None = None, abstain: float | None = None) -> Prediction:
        """Return the same predictions with other timelines.

        Args:
            smooth_s: width of a centred mean over the windows, in seconds; None for that of ``settings``.
            abstain: smallest probability of a label; None for that of ``settings``.

        Raises:
            SettingsError: a value out of range.
        """
        return replace(self, settings=self.settings.retime(smooth_s, abstain))

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas table with one row per window of every track.

        Columns: file, track, name (empty if unknown), start_s, end_s, label (not for a regression), one for each
        label's probability or each target's value, face_coverage, modality, voice (share of the window with one) and
        speaker (both empty where they were not tested).

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("to_frame needs pandas: pip install pandas") from error
        info = self.model.info
        label = ["label"] if info.task != "regression" else []
        columns = ["file", "track", "name", "start_s", "end_s", *label, *info.labels]
        columns += ["face_coverage", "modality", "voice", "speaker"]
        rows = [
            [str(file.path), track.id, track.name, window.start_s, window.end_s, *(window.scores.label for _ in label)]
            + [window.scores.by_name[name] for name in info.labels]
            + [window.face_coverage, window.modality, window.voice, window.speaker]
            for file, track, window in self.windows()
        ]
        return pandas.DataFrame(rows, columns=columns)

    def save(self, folder: str | Path, formats: Sequence[str] = DEFAULT_FORMATS) -> tuple[Path, ...]:
        """Write the results to a folder, which is made if it is missing -> the files.

        Args:
            folder: where to.
            formats: names from ``report.formats.FORMATS``, or ``all``.

        Raises:
            SettingsError: an unknown format.
            HicmaeError: the folder or a file cannot be written.
        """
        chosen = find_formats(formats)
        make_folder(Path(folder))
        return write_prediction(self, Path(folder), chosen)


def _list_windows(file: FileResult) -> Iterator[tuple[FileResult, Track, Window]]:
    return ((file, track, window) for track in file.tracks for window in track.windows)
