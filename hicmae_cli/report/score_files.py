"""The files of an evaluation: JSON, Markdown and a picture of the confusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_scores(
    document: dict[str, Any], weights: str, json_file: Path | None, markdown: Path | None, confusion: Path | None
) -> None:
    """The files that were asked for."""
    from hicmae_cli.report.files import to_json, write_text
    from hicmae_cli.report.plots import plot_confusion
    from hicmae_cli.report.scores import confusion_title, scores_markdown

    if json_file is not None:
        write_text(json_file, to_json(document))
    if markdown is not None:
        write_text(markdown, scores_markdown(document, weights))
    if confusion is not None:
        plot_confusion(document["confusion"], document["labels"], confusion, title=confusion_title(document))
