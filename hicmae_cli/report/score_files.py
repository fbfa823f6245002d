"""The files of an evaluation: its document, a page, tables and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hicmae_cli.errors import SettingsError
from hicmae_cli.metric_names import TITLES
from hicmae_cli.report.figures import PICTURE_SUFFIXES
from hicmae_cli.report.files import make_folder, to_json, write_text
from hicmae_cli.report.score_plots import plot_confusion, plot_reliability, plot_robustness, plot_scatter
from hicmae_cli.report.score_tables import write_tables
from hicmae_cli.report.scores import name_clips, name_tested, picture_title, scores_markdown


def write_scores(
    document: dict[str, Any], weights: str, json_file: Path | None, markdown: Path | None, confusion: Path | None
) -> None:
    """Write the files of an evaluation; a None is skipped.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        weights: the weight, as the user named it.
        json_file: where the document goes.
        markdown: where the page of tables and warnings goes.
        confusion: where the picture of the confusion matrix goes.

    Raises:
        HicmaeError: a file cannot be written.
        OSError: the picture cannot be written.
    """
    if json_file is not None:
        write_text(json_file, to_json(document))
    if markdown is not None:
        write_text(markdown, scores_markdown(document, weights))
    if confusion is not None:
        plot_confusion(document["confusion"], document["labels"], confusion, title=picture_title(document))


def save_scores(document: dict[str, Any], weights: str, folder: Path, figure_format: str = "png") -> None:
    """Write all files of an evaluation into a folder: ``result.json``, ``result.md``, ``scores.csv``, ``scores.tex``.

    The pictures beside them are those that the document has numbers for: ``confusion`` and ``reliability`` for classes,
    ``scatter`` for values, ``robustness`` for degraded clips.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        weights: the weight, as the user named it.
        folder: made if it is missing.
        figure_format: ``png``, ``svg`` or ``pdf``.

    Raises:
        SettingsError: another format.
        HicmaeError: a file cannot be written.
        OSError: a picture cannot be written.
    """
    check_figure_format(figure_format)
    make_folder(folder)
    pictures = {
        name: folder / f"{name}.{figure_format}" for name in ("confusion", "reliability", "scatter", "robustness")
    }
    confusion = pictures["confusion"] if document.get("confusion") else None
    write_scores(document, weights, folder / "result.json", folder / "result.md", confusion)
    for suffix in (".csv", ".tex"):
        write_tables(document, folder / f"scores{suffix}")
    title = picture_title(document)
    if calibration := document.get("calibration"):
        plot_reliability(calibration, pictures["reliability"], title=title)
    if document["task"] == "regression":
        truth, predicted = (
            np.array([sample[key] for sample in document["samples"]], np.float64) for key in ("label", "prediction")
        )
        plot_scatter(truth, predicted, document["labels"], document["metrics"], pictures["scatter"], title=title)
    if curves := document.get("robustness"):
        metric = "ccc" if document["task"] == "regression" else "uar"
        interval = document["intervals"]
        bands = f"bands are {100 * interval['level']:.0f} % intervals over {interval['resampled']}s"
        # A legend names the streams if there are several.
        tested = name_clips if len({curve["modality"] for curve in curves}) > 1 else name_tested
        first = f"{tested(document)}: {TITLES[metric]}; {bands}"
        plot_robustness(curves, metric, pictures["robustness"], title="\n".join([first, *title.splitlines()[1:]]))


def check_figure_format(figure_format: str) -> None:
    """Refuse an unknown format of pictures, before the work whose result they show.

    Raises:
        SettingsError: the format is unknown.
    """
    known = [suffix[1:] for suffix in PICTURE_SUFFIXES]
    if figure_format not in known:
        raise SettingsError(f"figure_format={figure_format!r}: expected {', '.join(known)}")
