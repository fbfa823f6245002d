"""The files of a check: its document, a page, and the weight's probabilities as those of a peer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hicmae_cli.evaluation.real_check.result import RealCheck
from hicmae_cli.report.files import make_folder, to_csv, to_json, write_text

DECISIONS: Final = "decisions.csv"


def save_check(result: RealCheck, folder: Path) -> None:
    """Write ``result.json``, ``result.md`` and ``decisions.csv`` into a folder.

    The last one has the format of a peer, so another weight can be compared with this one.

    Raises:
        HicmaeError: the folder or a file cannot be written.
    """
    make_folder(folder)
    write_text(folder / "result.json", to_json(result.to_dict()))
    write_text(folder / "result.md", result.to_markdown())
    rows = [[name, *row] for name, row in result.decisions.items()]
    write_text(folder / DECISIONS, to_csv([["file", *result.info.labels], *rows]))
