"""Tensors in PyTorch checkpoints (``.pth``), found without running their code or believing their sizes.

A checkpoint is a pickle that names functions to call and storages to fill. Here every name stands for something inert,
so that a pickle costs no more than its length, and numbers are read only where the file has all of them. ``torch.load``
runs no foreign code either, but it unpacks compressed entries and makes tensors of any size a file claims.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from hicmae_cli.errors import WeightsError, one_line

# The largest checkpoint of the authors', with the optimiser's tensors, has about 2300 entries and 0.5 MB of pickle.
_MAX_PICKLE_BYTES: Final = 2 << 20
_MAX_ENTRIES: Final = 20_000
_MAX_DIRECTORY_BYTES: Final = 4 << 20
_MAX_AXES: Final = 8
_DTYPES: Final = {
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Double": torch.float64,
}
_LEGACY_HEAD: Final = (
    0x1950A86A20F9469CFC6C,
    1001,
)  # magic number and version of files that are no zip archives
_ODD_KINDS: Final = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse",
    "_rebuild_qtensor": "quantised",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "without numbers",
}
_KNOWN: Final = {
    ("argparse", "Namespace"), ("_codecs", "encode"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("builtins", "set"), ("__builtin__", "set"), ("torch", "device"), ("torch", "Size"),
    ("torch.serialization", "_get_layout"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),  # a learning rate that a schedule computed
}  # fmt: skip
_NAMED: Final = 5  # foreign classes in a message


@dataclass(frozen=True)
class _Storage:
    """Numbers in the file: their type as PyTorch calls it (``Float``, ``Long`` …), their key and how many there are."""

    type: str
    key: str
    count: int


@dataclass(frozen=True)
class _Place:
    """Where the numbers of a storage are in the file; ``crc`` is None where the file has no check sum."""

    start: int
    size: int
    crc: int | None = None


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a checkpoint describes it; ``fault`` says why its numbers cannot be taken, or is empty."""

    storage: _Storage | None
    offset: int = 0
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    fault: str = ""

    @property
    def nbytes(self) -> int:
        """Size in memory, had each of its numbers a place of its own."""
        return math.prod(self.shape) * (_DTYPES[self.storage.type].itemsize if self.storage else 0)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's dictionaries and lists, with a `StoredTensor` for each tensor and nothing of other objects."""

    path: Path
    content: Any
    places: Mapping[str, _Place]

    def load(self, tensors: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
        """Read tensors, as ordinary ones of their own type.

        Raises:
            WeightsError: a tensor is of another kind than float, shows more numbers than the file has, or is damaged.
        """
        check_tensors(self.path, tensors)
        loaded: dict[str, Tensor] = {}
        buffers: dict[str, Tensor] = {}
        with self.path.open("rb") as file:
            for name, tensor in tensors.items():
                storage = tensor.storage
                assert storage is not None, "check_tensors refuses tensors without one"
                dtype, place = _DTYPES[storage.type], self.places.get(storage.key)
                if place is None or place.size != storage.count * dtype.itemsize:
                    raise WeightsError(f"{self.path}: {_shown(name)}: its numbers are not all in the file")
                if storage.key not in buffers:
                    file.seek(place.start)
                    data = bytearray(file.read(place.size))
                    if len(data) != place.size or place.crc not in (None, zlib.crc32(data)):
                        raise WeightsError(f"{self.path}: {_shown(name)}: its numbers are damaged")
                    buffers[storage.key] = (
                        torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0)
                    )
                buffer = buffers[storage.key].view(dtype) if place.size else torch.empty(0, dtype=dtype)
                loaded[name] = buffer.as_strided(tensor.shape, tensor.strides, tensor.offset)
        return loaded


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what a checkpoint holds, but not yet the numbers of its tensors.

    Raises:
        WeightsError: not a PyTorch checkpoint, one that names other classes than tensors and ``argparse.Namespace``, or
            one that would take more memory than its size allows for; says which.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_archive(path)
        return _read_legacy(path)
    except WeightsError:
        raise
    except Exception as error:  # whatever a file that is no checkpoint makes the readers raise
        raise _refusal(path) from error


def check_tensors(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Make sure that tensors hold floats, and no more of them than the file.

    Raises:
        WeightsError: names the first at fault.
    """
    for name, tensor in tensors.items():
        if fault := tensor.fault or _misfit(tensor):
            raise WeightsError(f"{path}: {_shown(name)} {fault}")
    claimed, there = sum(tensor.nbytes for tensor in tensors.values()), path.stat().st_size
    if claimed > there:
        raise WeightsError(f"{path}: its tensors claim {claimed} bytes, but the file has only {there}")


def _misfit(tensor: StoredTensor) -> str:
    storage = tensor.storage
    if storage is None or storage.type not in _DTYPES:
        kind = storage.type.lower() if storage else "unknown"
        return f"is of the type {kind}; expected float32, float16, bfloat16 or float64"
    count = math.prod(tensor.shape)
    end = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if count > storage.count or (count and end >= storage.count):
        return f"claims {count} numbers ({' x '.join(map(str, tensor.shape))}), but its storage holds {storage.count}"
    return ""


def _refusal(path: Path, reason: str = "") -> WeightsError:
    expected = "expected a PyTorch checkpoint of tensors and argparse.Namespace only"
    return WeightsError(f"{path}: refused: {'; '.join(filter(None, (reason, expected)))}")


def _shown(name: str) -> str:
    return one_line(name if len(name) <= 100 else f"{name[:100]}…")


class _CautiousFile(io.FileIO):
    """A file that `zipfile` cannot read at once what an archive claims its directory takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # the end of the archive, at most 64 KiB
            size = _MAX_DIRECTORY_BYTES
        if size > _MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the directory is too large")
        return super().read(size) or b""


def _read_archive(path: Path) -> Checkpoint:
    with _CautiousFile(path) as file:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            count, size = len(archive.infolist()), path.stat().st_size
        if count > _MAX_ENTRIES or len(entries) < count:
            raise _refusal(path, f"{count} entries, of which at most {_MAX_ENTRIES} may be and none twice")
        for name, entry in entries.items():
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise _refusal(path, f"the entry {_shown(name)} is compressed, which PyTorch never does")
        if (claimed := sum(max(e.file_size, e.compress_size) for e in entries.values())) > size:
            raise _refusal(path, f"its entries claim {claimed} bytes, but the file has only {size}")
        pickles = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise _refusal(path)
        prefix = pickles[0].removesuffix("data.pkl")
        places = {
            name.removeprefix(f"{prefix}data/"): _place_of(file, entry)
            for name, entry in entries.items()
            if name.startswith(f"{prefix}data/") or name in (f"{prefix}data.pkl", f"{prefix}byteorder")
        }
        order = places.pop(f"{prefix}byteorder", None)
        if order is not None:
            file.seek(order.start)
            if file.read(min(order.size, 8)) != b"little":
                raise _refusal(path, "it was written by a machine with another byte order")
        text = places.pop(pickles[0])
        if text.size > _MAX_PICKLE_BYTES:
            raise _refusal(path, f"its data.pkl has {text.size} bytes, more than {_MAX_PICKLE_BYTES}")
        file.seek(text.start)
        return Checkpoint(path, _unpickle(path, io.BytesIO(file.read(text.size))), places)


def _place_of(file: io.FileIO, entry: zipfile.ZipInfo) -> _Place:
    """Where an entry's content begins: after its header, which has a length of its own."""
    file.seek(entry.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\3\4":
        raise zipfile.BadZipFile("an entry has no header")
    name_size, extra_size = struct.unpack("<HH", header[26:30])
    return _Place(entry.header_offset + 30 + name_size + extra_size, entry.file_size, entry.CRC)


def _read_legacy(path: Path) -> Checkpoint:
    """Read a file of PyTorch before 1.6: five pickles, then each storage as its length and its numbers."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = io.BytesIO(file.read(_MAX_PICKLE_BYTES))
        if (_unpickle(path, head), _unpickle(path, head)) != _LEGACY_HEAD:
            raise _refusal(path)
        _unpickle(path, head)  # about the machine that wrote it
        storages: dict[str, _Storage] = {}
        content = _unpickle(path, head, storages)
        places: dict[str, _Place] = {}
        start = 0
        keys = _unpickle(path, head)
        start = head.tell()
        for key in keys:
            storage = storages[key]
            file.seek(start)
            (count,) = struct.unpack("<q", file.read(8))
            element = _DTYPES.get(storage.type)
            if element is None:
                break  # what follows is at a place that is not known, and is not found
            places[key] = _Place(start + 8, count * element.itemsize)
            start += 8 + count * element.itemsize
            if count < 0 or start > size:
                raise _refusal(path, f"its tensors claim more bytes than the {size} of the file")
    return Checkpoint(path, content, places)


class _Table(dict[Any, Any]):
    """In the place of an ``OrderedDict``; filled item by item only, so it costs no more than the pickle's length."""

    def __init__(self) -> None:
        super().__init__()


class _Inert:
    """In the place of every other object: takes anything, keeps nothing."""

    def __new__(cls, *_: object) -> _Inert:
        return super().__new__(cls)


@dataclass(frozen=True)
class _StorageType:
    name: str


class _Reader(pickle._Unpickler):
    """An unpickler that calls nothing but the functions of this module.

    In Python and not in C, where a pickle can claim a memo of any size.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: lambda reader: (
            reader.stack.pop()
        ),  # an object's attributes: tensors are never among them
    }

    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self.foreign: set[str] = set()
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Table
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return _StorageType(name.removesuffix("Storage"))
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_tensor_v3":
            return _rebuild_typed_tensor
        if module == "torch._utils" and name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return _rebuild_parameter
        if module in ("torch._utils", "torch._tensor") and name.startswith("_rebuild_"):
            return partial(_rebuild_odd_tensor, _ODD_KINDS.get(name, "of an unknown kind"))
        if module == "torch" and isinstance(
            found := vars(torch).get(name), torch.dtype | torch.layout | torch.qscheme
        ):
            return found
        if (module, name) not in _KNOWN:
            self.foreign.add(f"{module}.{name}")
        return _Inert

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, count, *view = pid
        if (
            kind != "storage"
            or not isinstance(key, str)
            or not _is_size(count)
            or any(v is not None for v in view)
        ):
            raise pickle.UnpicklingError("not a storage")
        return self.storages.setdefault(key, _Storage(storage_type.name, key, count))


def _unpickle(path: Path, file: io.BytesIO, storages: dict[str, _Storage] | None = None) -> Any:
    reader = _Reader(file, {} if storages is None else storages)
    content = None
    try:
        content = reader.load()
    except Exception:
        if not reader.foreign:  # which say more than what came of leaving them out
            raise
    if reader.foreign:
        raise _refusal(path, f"carries {', '.join(_shown(name) for name in sorted(reader.foreign)[:_NAMED])}")
    return content


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _rebuild_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _grad: object = None,
    _hooks: object = None,
    views: Any = None,
) -> StoredTensor:
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(map(_is_size, sizes)):
        raise pickle.UnpicklingError("not a tensor")
    if len(shape) != len(strides) or len(shape) > _MAX_AXES:
        raise pickle.UnpicklingError("not a tensor")
    fault = "is a conjugated or negated view" if views else ""
    return StoredTensor(storage, offset, tuple(shape), tuple(strides), fault)


def _rebuild_typed_tensor(
    _storage: object, _offset: object, _shape: object, _strides: object, _grad: object, _hooks: object, dtype: object,
    _views: object = None,
) -> StoredTensor:  # fmt: skip
    kind = one_line(str(dtype)).removeprefix("torch.")
    return StoredTensor(None, fault=f"is of the type {kind}; expected float32, float16, bfloat16 or float64")


def _rebuild_parameter(data: Any, *_: object) -> Any:
    return data


def _rebuild_odd_tensor(kind: str, *_: object) -> StoredTensor:
    return StoredTensor(None, fault=f"is {kind}; expected an ordinary tensor of floats")
