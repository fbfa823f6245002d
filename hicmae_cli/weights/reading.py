"""Read metadata and cards of weights without torch and without loading the tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import WeightsError, first_line
from hicmae_cli.onnx_runtime import open_session
from hicmae_cli.weights.catalogue import find_weight, read_catalogue
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS


def read_info(name_or_path: str) -> WeightInfo:
    """Read the metadata of a weight by name or path. For a path, exactly that file is read.

    Raises:
        WeightsError: there is no such weight, or it is not readable.
    """
    given = Path(name_or_path).suffix
    for suffix in sorted(METADATA_READERS, key=lambda suffix: suffix != given):  # a given file's own format first
        if path := find_weight(name_or_path, suffix):
            return WeightInfo.from_metadata(METADATA_READERS[suffix](path), path)
    raise AssertionError("find_weight raises for unknown weights")


def _read_safetensors_metadata(path: Path) -> dict[str, str] | None:
    try:
        with safe_open(path, framework="np") as file:
            metadata: dict[str, str] | None = file.metadata()
            return metadata
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {error}") from error


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of an ``.onnx`` file.

    Raises:
        WeightsError: ONNX Runtime cannot load the file.
    """
    session = open_session(path)
    return dict(session.get_modelmeta().custom_metadata_map)


METADATA_READERS: Final[dict[str, Callable[[Path], dict[str, str] | None]]] = {
    SAFETENSORS: _read_safetensors_metadata,
    ONNX: read_onnx_metadata,
}
"""Suffix of a format -> the function that reads a file's metadata; in the order in which they are tried for a name."""


def read_card(name: str) -> str | None:
    """Read the model card of a bundled weight, as Markdown; None for other weights.

    Raises:
        WeightsError: the card is missing or is not text.
    """
    entry = next((entry for entry in read_catalogue() if entry.name == name), None)
    if entry is None or entry.card is None:
        return None
    card: Path = find_bundled_dir() / entry.card
    try:
        return card.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{card}: the model card cannot be read: {first_line(error)}") from error
