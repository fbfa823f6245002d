"""Read metadata and cards of weights without torch and without loading the tensors."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import WeightsError, first_line
from hicmae_cli.onnx_runtime import open_session
from hicmae_cli.weights.catalogue import find_weight, read_catalogue
from hicmae_cli.weights.info import WeightInfo


def read_info(name_or_path: str) -> WeightInfo:
    """Read the metadata of a weight by name or path. For a path, exactly that file is read.

    Raises:
        WeightsError: there is no such weight, or it is not readable.
    """
    path = None if name_or_path.endswith(".onnx") else find_weight(name_or_path, ".safetensors")
    if path is not None:
        try:
            with safe_open(path, framework="np") as file:
                return WeightInfo.from_metadata(file.metadata(), path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: cannot be read as a safetensors file: {error}") from error
    path = find_weight(name_or_path, ".onnx")
    assert path is not None, "find_weight raises for unknown weights"
    return WeightInfo.from_metadata(read_onnx_metadata(path), path)


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of an ``.onnx`` file.

    Raises:
        WeightsError: ONNX Runtime cannot load the file.
    """
    session = open_session(path)
    return dict(session.get_modelmeta().custom_metadata_map)


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
