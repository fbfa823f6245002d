"""A prediction as the JSON document of ``hicmae predict --json``."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.report.files import to_json, write_text
from hicmae_cli.report.prediction import Prediction


def write_json(prediction: Prediction, path: Path) -> None:
    """Write the document.

    Raises:
        HicmaeError: the file cannot be written.
    """
    write_text(path, to_json(prediction.to_dict()))
