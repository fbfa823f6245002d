"""The files of one input, read by programs that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pysubs2
from praatio import textgrid
from pympi.Elan import Eaf

from hicmae_cli.report.formats import FORMATS, write_prediction
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.timeline import make_timelines

Spans = dict[str, list[tuple[int, int, str]]]
"""By name of the person: start and end in milliseconds, and the text."""


def write(made: Prediction, folder: Path, name: str) -> Path:
    """Write the only file of a format."""
    (path,) = write_prediction(made, folder, [FORMATS[name]])
    return path


def files_in(folder: Path) -> list[Path]:
    """The files of a folder but for the record of what hicmae wrote."""
    return sorted(path for path in folder.iterdir() if path.name != ".hicmae-outputs.json")


def expected(made: Prediction) -> Spans:
    """The episodes of the first file."""
    return {
        timeline.name: [
            (round(each.start_s * 1000), round(each.end_s * 1000), each.label)
            for each in timeline.episodes
            if each.label is not None
        ]
        for timeline in make_timelines(made.files[0], made.settings)
    }


def read_subtitles(path: Path) -> Spans:
    """Read SRT or VTT with pysubs2."""
    found: Spans = {}
    for event in pysubs2.load(str(path), encoding="utf-8"):
        name, _, text = event.plaintext.rpartition(": ")
        found.setdefault(name, []).append((event.start, event.end, text.rpartition(" ")[0]))
    return found


def read_elan(path: Path) -> Spans:
    """Read the tiers with pympi."""
    document = Eaf(str(path))
    return {
        name: sorted(
            (start_ms, end_ms, text) for start_ms, end_ms, text, *_ in document.get_annotation_data_for_tier(name)
        )
        for name in document.get_tier_names()
    }


def read_textgrid(path: Path) -> Spans:
    """Read the tiers with praatio; empty intervals are left out."""
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    return {
        tier.name: [(round(start * 1000), round(end * 1000), text) for start, end, text in tier.entries]
        for tier in grid.tiers
    }


def read_rttm(path: Path) -> list[dict[str, Any]]:
    """Read the turns with pandas, as tools of diarization do."""
    names = ["type", "file", "channel", "start", "duration", "text", "kind", "name", "confidence", "lookahead"]
    table = pandas.read_csv(path, sep=" ", names=names, header=None, keep_default_na=False)
    return list(table.to_dict("records"))
