"""Read metadata and cards of weights, and choose between their files, without torch and without loading tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import WeightsError, first_line
from hicmae_cli.onnx_runtime import open_session
from hicmae_cli.weights.catalogue import find_weight, read_catalogue
from hicmae_cli.weights.info import PRECISIONS, STORAGE_KEY, ComputePrecision, Precision, WeightInfo
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


def find_parameters(name_or_path: str | Path, purpose: str) -> Path:
    """Find the file that torch reads the parameters of a weight from: ``.safetensors``, or else ``.onnx``.

    Args:
        name_or_path: see `find_weight`.
        purpose: what the file is for, as a verb for the message, such as ``start from``.

    Raises:
        WeightsError: as `find_weight`, or the weight has neither a ``.safetensors`` file nor an ``.onnx`` file that
            holds the parameters by name.
    """
    if file := find_weight(str(name_or_path), SAFETENSORS):
        return file
    file = find_weight(str(name_or_path), ONNX)
    if file is not None and has_parameters(read_onnx_metadata(file)):
        return file
    raise WeightsError(
        f"{name_or_path}: has no {SAFETENSORS} file to {purpose}, and its {ONNX} file does not hold the parameters by "
        "name"
    )


def has_parameters(metadata: Mapping[str, str]) -> bool:
    """Whether an ``.onnx`` file with these metadata holds every parameter by name."""
    return bool(_read_storage(metadata).get("parameters"))


def read_precision(name_or_path: str) -> ComputePrecision:
    """Read how a weight's file stores its parameters; of several files, the one that `read_info` reads.

    Raises:
        WeightsError: there is no such weight, or it is not readable.
    """
    given = Path(name_or_path).suffix
    for suffix in sorted(METADATA_READERS, key=lambda suffix: suffix != given):
        if path := find_weight(name_or_path, suffix):
            return _read_safetensors_precision(path) if suffix == SAFETENSORS else _read_onnx_precision(path)
    raise AssertionError("find_weight raises for unknown weights")


def _read_safetensors_precision(path: Path) -> Precision:
    try:
        with safe_open(path, framework="np") as file:
            types = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {error}") from error
    return "float16" if types == {"F16"} else "float32"


def _read_onnx_precision(path: Path) -> ComputePrecision:
    stored = _read_storage(read_onnx_metadata(path)).get("precision")
    return next((known for known in PRECISIONS if known == stored), "float32")


def _read_storage(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        storage = json.loads(metadata.get(STORAGE_KEY, "{}"))
    except (ValueError, RecursionError):
        return {}
    return storage if isinstance(storage, dict) else {}


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
