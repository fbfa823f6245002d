"""Read the document of an evaluation from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.evaluation.results import SCHEMA


def read_document(path: Path) -> dict[str, Any]:
    """Read a document ``hicmae.evaluate/1``; only its schema is checked.

    Raises:
        ManifestError: the file cannot be read, or holds something else.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(one_line(f"{path}: cannot be read: {error.strerror}")) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(one_line(f"{path}: is not JSON: {error}")) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema", "none") if isinstance(document, dict) else "none"
        raise ManifestError(one_line(f"{path}: expected the schema {SCHEMA}, got {found}"))
    return document
