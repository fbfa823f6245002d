"""A table of embeddings: one row per clip or window, one matrix per layer, as ``.npz`` or Parquet."""

from __future__ import annotations

import importlib.util
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli import __version__
from hicmae_cli.errors import HicmaeError, MissingDependencyError, SettingsError, first_line, install_hint
from hicmae_cli.files import write_atomically
from hicmae_cli.weights.info import WeightInfo

SCHEMA: Final = "hicmae.embed/1"
COLUMNS: Final = ("id", "person", "start_s", "end_s", "modality", "label", "fold", "split", "speaker")
"""Columns of every table; texts, but for the times, which are seconds and nan for whole clips."""
_TIMES: Final = ("start_s", "end_s")
_ABOUT: Final = "about"
# A file from elsewhere may claim any size; the layers of a million windows need more than this.
_LARGEST_BYTES: Final = 1 << 36


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of clips or windows.

    Attributes:
        columns: each of ``COLUMNS`` -> its values (n,).
        layers: layer -> its embeddings (n, W) float32.
        about: the weight's metadata and how the embeddings were made; JSON values.
        failures: id or path -> why it has no embedding; not stored in files.

    Raises:
        ValueError: columns or layers of different lengths, or missing ones.
    """

    columns: Mapping[str, NDArray[Any]]
    layers: Mapping[str, NDArray[np.float32]]
    about: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.columns) != set(COLUMNS) or not self.layers:
            raise ValueError(f"embeddings: expected the columns {COLUMNS} and a layer, got {sorted(self.columns)}")
        sizes = {len(values) for values in (*self.columns.values(), *self.layers.values())}
        if len(sizes) != 1 or any(values.ndim != 2 for values in self.layers.values()):
            raise ValueError(f"embeddings: expected one row per clip everywhere, got lengths {sorted(sizes)}")

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[tuple[Mapping[str, Any], Mapping[str, NDArray[np.float32]]]],
        about: Mapping[str, Any],
        failures: Mapping[str, str],
    ) -> Embeddings:
        """Make a table of at least one row.

        Args:
            rows: for each clip or window, its columns (missing ones are empty) and its embedding (W,) by layer.
            about: how they were made.
            failures: id or path -> why it has no embedding.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name in COLUMNS:
            values = [facts.get(name, math.nan if name in _TIMES else "") for facts, _ in rows]
            columns[name] = np.array(values, np.float64 if name in _TIMES else np.str_)
        layers = {layer: np.stack([values[layer] for _, values in rows]) for layer in rows[0][1]}
        return cls(columns, layers, about, failures)

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __getitem__(self, layer: str) -> NDArray[np.float32]:
        """Return the embeddings (n, W) of a layer.

        Raises:
            SettingsError: there is no such layer.
        """
        if layer not in self.layers:
            raise SettingsError(f"layers={layer!r}: the embeddings have {', '.join(self.layers)}")
        return self.layers[layer]

    def save(self, path: str | Path) -> None:
        """Write the table, whole or not at all, in the format of the suffix: ``.npz`` or ``.parquet``.

        Raises:
            SettingsError: another suffix.
            MissingDependencyError: Parquet needs pyarrow.
            HicmaeError: the file cannot be written.
        """
        path = Path(path)
        check_table(path)
        try:
            with write_atomically(path) as temporary:
                _WRITERS[path.suffix.lower()](self, temporary)
        except OSError as error:
            raise HicmaeError(f"{path}: cannot be written: {first_line(error)}") from error


def describe_making(weights: str, info: WeightInfo, data: str) -> dict[str, Any]:
    """Return what a table says about its making: the weight with its metadata, the data, the version."""
    return {"created_with": f"hicmae {__version__}", "data": data, "weights": {"name": weights, **info.to_dict()}}


def check_table(path: Path) -> None:
    """Check that a table of embeddings can be written as a file with this suffix.

    Raises:
        SettingsError: another suffix than ``.npz`` and ``.parquet``.
        MissingDependencyError: Parquet needs pyarrow.
    """
    if path.suffix.lower() not in _WRITERS:
        raise SettingsError(f"{path}: expected a name that ends in {' or '.join(_WRITERS)}")
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingDependencyError(f"{path}: needs pyarrow: {install_hint('parquet')}; or write a .npz file")


def read_embeddings(path: str | Path) -> Embeddings:
    """Read a table of embeddings without running any code in it.

    Raises:
        HicmaeError: the file is missing, is no table of embeddings, or claims more than 64 GiB.
        SettingsError: another suffix than ``.npz`` and ``.parquet``.
        MissingDependencyError: Parquet needs pyarrow.
    """
    path = Path(path)
    check_table(path)
    if not path.is_file():
        raise HicmaeError(f"{path}: no such file; `hicmae embed` writes it")
    try:
        return _READERS[path.suffix.lower()](path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise HicmaeError(f"{path}: is not a table of embeddings: {first_line(error)}") from error


def _write_npz(table: Embeddings, path: Path) -> None:
    about = np.array(json.dumps({"schema": SCHEMA, **table.about}))
    arrays: dict[str, Any] = {_ABOUT: about, **table.columns, **table.layers}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _read_npz(path: Path) -> Embeddings:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_BYTES:
            raise ValueError("it claims more than 64 GiB")
    with np.load(path, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    about = _read_about(str(arrays.pop(_ABOUT)))
    columns = {name: arrays.pop(name) for name in COLUMNS}
    return Embeddings(columns, {name: values.astype(np.float32, copy=False) for name, values in arrays.items()}, about)


def _write_parquet(table: Embeddings, path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = {name: pyarrow.array(values.tolist()) for name, values in table.columns.items()}
    for name, values in table.layers.items():
        flat = pyarrow.array(np.ascontiguousarray(values).reshape(-1))
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
    about = json.dumps({"schema": SCHEMA, **table.about})
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata({_ABOUT: about}), path)


def _read_parquet(path: Path) -> Embeddings:
    from pyarrow import parquet

    found = parquet.read_table(path)
    about = _read_about((found.schema.metadata or {})[_ABOUT.encode()].decode())
    columns: dict[str, NDArray[Any]] = {}
    layers: dict[str, NDArray[np.float32]] = {}
    for name in found.column_names:
        column = found.column(name).combine_chunks()
        if name in COLUMNS:
            columns[name] = np.array(column.to_pylist(), np.float64 if name in _TIMES else np.str_)
        else:
            width = column.type.list_size
            layers[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(np.float32)
    return Embeddings(columns, layers, about)


def _read_about(text: str) -> dict[str, Any]:
    about = json.loads(text)
    if not isinstance(about, dict) or about.pop("schema", None) != SCHEMA:
        raise ValueError(f"expected the schema {SCHEMA}")
    return about


_WRITERS: Final[dict[str, Callable[[Embeddings, Path], None]]] = {".npz": _write_npz, ".parquet": _write_parquet}
_READERS: Final[dict[str, Callable[[Path], Embeddings]]] = {".npz": _read_npz, ".parquet": _read_parquet}
