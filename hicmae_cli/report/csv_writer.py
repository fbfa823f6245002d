"""A prediction as a flat table, one row per window of every track."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from hicmae_cli.report.files import write_pieces
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import FileResult, Track


def write_csv(prediction: Prediction, path: Path) -> None:
    """Write the table, row by row.

    Raises:
        HicmaeError: the file cannot be written.
    """
    write_pieces(path, csv_lines(prediction))


def csv_lines(prediction: Prediction) -> Iterator[str]:
    """Yield the lines: a label and its probabilities or, of a regression, the values; then who speaks."""
    info = prediction.model.info
    label = ["label"] if info.task != "regression" else []
    head = ["path", "track", "name", "start_s", "end_s", *label, "face_coverage", "modality", *info.labels]

    def make_line(row: tuple[FileResult, Track, Window]) -> str:
        file, track, window = row
        fields = window.to_dict()
        facts = [str(file.path), track.id, track.name, fields["start_s"], fields["end_s"]]
        facts += [fields[name] for name in label]
        numbers = [_rounded(window.scores.by_name[name], info.task) for name in info.labels]
        heard = [fields["voice"], fields["speaker"]]  # None is an empty cell
        return _csv_line([*facts, fields["face_coverage"], fields["modality"], *numbers, *heard])

    yield _csv_line([*head, "voice", "speaker"])
    # Not a loop, whose variables would keep a file alive while the next one is read.
    yield from map(make_line, prediction.windows())


def _rounded(number: float, task: str) -> float:
    """Round to six decimals or, for values of unknown size, to six digits."""
    return round(number, 6) if task != "regression" else float(f"{number:.6g}")


def _csv_line(fields: Sequence[object]) -> str:
    """One row that ends in a line feed; a field with a carriage return is quoted, too, as in RFC 4180."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(fields)
    return out.getvalue().removesuffix("\r\n") + "\n"
