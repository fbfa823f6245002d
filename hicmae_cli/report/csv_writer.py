"""A prediction as a flat table, one row per window of every track."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.report.files import write_text
from hicmae_cli.report.prediction import Prediction


def write_csv(prediction: Prediction, path: Path) -> None:
    """Write the table.

    Raises:
        HicmaeError: the file cannot be written.
    """
    write_text(path, windows_csv(prediction))


def windows_csv(prediction: Prediction) -> str:
    """Return the table as text: a label and its probabilities or, of a regression, the values; then who speaks."""
    info = prediction.model.info
    label = ["label"] if info.task != "regression" else []
    head = ["path", "track", "name", "start_s", "end_s", *label, "face_coverage", "modality", *info.labels]
    lines = [_csv_line([*head, "voice", "speaker"])]
    for file, track, window in prediction.windows():
        row = window.to_dict()
        facts = [str(file.path), track.id, track.name, row["start_s"], row["end_s"], *(row[name] for name in label)]
        numbers = [_rounded(window.scores.by_name[name], info.task) for name in info.labels]
        heard = [row["voice"], row["speaker"]]  # None is an empty cell
        lines.append(_csv_line([*facts, row["face_coverage"], row["modality"], *numbers, *heard]))
    return "".join(lines)


def _rounded(number: float, task: str) -> float:
    """Round to six decimals or, for values of unknown size, to six digits."""
    return round(number, 6) if task != "regression" else float(f"{number:.6g}")


def _csv_line(fields: Sequence[object]) -> str:
    """One row that ends in a line feed; a field with a carriage return is quoted, too, as in RFC 4180."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(fields)
    return out.getvalue().removesuffix("\r\n") + "\n"
