"""The files of an evaluation: its document, a page of tables, and a picture of the confusion matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hicmae_cli.report.files import to_json, write_text
from hicmae_cli.report.plots import plot_confusion
from hicmae_cli.report.scores import confusion_title, scores_markdown


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
        plot_confusion(document["confusion"], document["labels"], confusion, title=confusion_title(document))
