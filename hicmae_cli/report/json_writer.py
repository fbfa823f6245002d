"""A prediction as the JSON document of ``hicmae predict --json``."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.json_text import stream_json
from hicmae_cli.report.files import write_pieces
from hicmae_cli.report.prediction import Prediction


def write_json(prediction: Prediction, path: Path) -> None:
    """Write the document, window by window.

    Raises:
        HicmaeError: the file cannot be written.
    """
    write_pieces(path, stream_json(prediction.to_dict(iter)))
