"""Read the pickle inside a PyTorch checkpoint without calling what it names, in time and memory of about its length.

Every class and function that the pickle names is replaced by an inert object. Only the opcodes that ``torch.save``
writes are accepted; opcodes that allocate a stated size or copy a stored text are refused. Dictionary keys that are not
plain values are dropped, because hashing nested tuples can take forever. A call takes only a few arguments.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from hicmae_cli.errors import WeightsError, one_line

FLOAT_TYPES: Final = {
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Double": torch.float64,
}
"""Readable types of storages, by PyTorch's name."""

_MAX_AXES: Final = 8
_MAX_ARGUMENTS: Final = 16
_MAX_SHOWN_LETTERS: Final = 100
_MAX_SHOWN_CLASSES: Final = 5

# The opcodes that torch.save writes (protocol 2), and Python 2's byte strings.
_OPCODES: Final = (
    pickle.PROTO,
    pickle.STOP,
    pickle.MARK,
    pickle.POP,
    pickle.POP_MARK,
    pickle.DUP,
    pickle.NONE,
    pickle.NEWTRUE,
    pickle.NEWFALSE,
    pickle.BINFLOAT,
    pickle.BININT,
    pickle.BININT1,
    pickle.BININT2,
    pickle.LONG1,
    pickle.BINUNICODE,
    pickle.BINSTRING,
    pickle.SHORT_BINSTRING,
    pickle.EMPTY_TUPLE,
    pickle.TUPLE,
    pickle.TUPLE1,
    pickle.TUPLE2,
    pickle.TUPLE3,
    pickle.EMPTY_LIST,
    pickle.EMPTY_DICT,
    pickle.BINGET,
    pickle.LONG_BINGET,
    pickle.BINPUT,
    pickle.LONG_BINPUT,
    pickle.GLOBAL,
    pickle.BINPERSID,
)
_PLAIN_KEYS: Final = (str, int, float, bool, type(None))
_ODD_KINDS: Final = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse",
    "_rebuild_qtensor": "quantised",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "without numbers",
}
# Classes that are read as inert objects. The last two hold a learning rate that a schedule computed.
_KNOWN: Final = {
    ("argparse", "Namespace"),
    ("_codecs", "encode"),
    ("collections", "Counter"),
    ("collections", "defaultdict"),
    ("builtins", "set"),
    ("__builtin__", "set"),
    ("torch", "device"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}


@dataclass(frozen=True)
class Storage:
    """Numbers in the file: PyTorch's name of their type (``Float``, ``Long`` …), their key and their count."""

    type: str
    key: str
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a checkpoint describes it; ``fault`` is the reason why it cannot be read, or empty."""

    storage: Storage | None
    offset: int = 0
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    fault: str = ""

    @property
    def nbytes(self) -> int:
        """Size in memory if no two numbers share their bytes."""
        return math.prod(self.shape) * (FLOAT_TYPES[self.storage.type].itemsize if self.storage else 0)


def unpickle(path: Path, file: io.BytesIO, storages: dict[str, Storage] | None = None) -> Any:
    """Read one pickle -> its dictionaries and lists, with a `StoredTensor` for each tensor and without other objects.

    Args:
        path: the checkpoint, for the message.
        file: positioned at the pickle's first byte; afterwards after its last.
        storages: filled with the storages that the pickle names, by key.

    Raises:
        WeightsError: the pickle names classes that a checkpoint does not have; lists them.
        Exception: of any kind, if the bytes are not such a pickle.
    """
    reader = _Reader(file, {} if storages is None else storages)
    content = None
    try:
        content = reader.load()
    except Exception:
        # After a foreign class, the rest often fails; report the class.
        if not reader.foreign:
            raise
    if reader.foreign:
        raise build_refusal(path, f"contains {', '.join(sorted(reader.foreign))}")
    return content


def build_refusal(path: Path, reason: str = "") -> WeightsError:
    """Build the error for a file that is refused."""
    expected = "expected a PyTorch checkpoint of tensors and argparse.Namespace only"
    return WeightsError(f"{path}: refused: {'; '.join(filter(None, (reason, expected)))}")


def shorten(name: str) -> str:
    """Shorten a name from the file for a message."""
    return one_line(name if len(name) <= _MAX_SHOWN_LETTERS else f"{name[:_MAX_SHOWN_LETTERS]}…")


class _Table(dict[Any, Any]):
    """Replaces an ``OrderedDict``; it is filled item by item, so it takes no more than the pickle's length."""

    def __init__(self) -> None:
        super().__init__()


class _Inert:
    """Replaces every other object: accepts any arguments and keeps none."""

    def __new__(cls, *_: object) -> _Inert:
        return super().__new__(cls)


@dataclass(frozen=True)
class _StorageType:
    name: str


class _Reader(pickle._Unpickler):
    """An unpickler that calls only the functions of this module.

    It derives from Python's unpickler because the one in C allocates a memo of any size that a pickle states.
    """

    # Attributes of the base class that typeshed does not have.
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES
    }

    def __init__(self, file: io.BytesIO, storages: dict[str, Storage]) -> None:
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
        if module == "torch" and isinstance(found := vars(torch).get(name), torch.dtype | torch.layout | torch.qscheme):
            return found
        if (module, name) not in _KNOWN:
            self.foreign.add(shorten(f"{module}.{name}"))
            if len(self.foreign) == _MAX_SHOWN_CLASSES:
                raise pickle.UnpicklingError("enough to name")
        return _Inert

    def persistent_load(self, pid: Any) -> Storage:
        if len(pid) not in (5, 6):
            raise pickle.UnpicklingError("not a storage")
        kind, storage_type, key, _, count, *view = pid
        if kind != "storage" or not isinstance(key, str) or not _is_size(count) or view not in ([], [None]):
            raise pickle.UnpicklingError("not a storage")
        return self.storages.setdefault(key, Storage(storage_type.name, key, count))

    def _call(self) -> None:
        arguments = self.stack.pop()
        if len(arguments) > _MAX_ARGUMENTS:
            raise pickle.UnpicklingError("too many arguments")
        self.stack[-1] = self.stack[-1](*arguments)

    def _append_one(self) -> None:
        self._append([self.stack.pop()])

    def _append_many(self) -> None:
        self._append(self.pop_mark())

    def _append(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _set_one(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key], [value])

    def _set_many(self) -> None:
        items = self.pop_mark()
        self._set(items[::2], items[1::2])

    def _set(self, keys: list[Any], values: list[Any]) -> None:
        pairs = zip(keys, values, strict=True)
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update((key, value) for key, value in pairs if isinstance(key, _PLAIN_KEYS))

    def _drop_attributes(self) -> None:
        # An object's attributes, which never contain tensors.
        self.stack.pop()

    dispatch.update(
        {
            pickle.REDUCE[0]: _call,
            pickle.NEWOBJ[0]: _call,
            pickle.APPENDS[0]: _append_many,
            pickle.APPEND[0]: _append_one,
            pickle.SETITEMS[0]: _set_many,
            pickle.SETITEM[0]: _set_one,
            pickle.BUILD[0]: _drop_attributes,
        }
    )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: object = None, _hooks: object = None, views: Any = None
) -> StoredTensor:
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > _MAX_AXES:
        raise pickle.UnpicklingError("not a tensor")
    if not all(map(_is_size, (offset, *shape, *strides))):
        raise pickle.UnpicklingError("not a tensor")
    fault = "is a conjugated or negated view" if views else ""
    return StoredTensor(storage, offset, tuple(shape), tuple(strides), fault)


def _rebuild_typed_tensor(
    _storage: object,
    _offset: object,
    _shape: object,
    _strides: object,
    _grad: object,
    _hooks: object,
    dtype: object,
    _views: object = None,
) -> StoredTensor:
    kind = str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else "unknown"
    return StoredTensor(None, fault=f"has the type {kind}, expected float32, float16, bfloat16 or float64")


def _rebuild_parameter(data: Any, *_: object) -> Any:
    return data


def _rebuild_odd_tensor(kind: str, *_: object) -> StoredTensor:
    return StoredTensor(None, fault=f"is {kind}, expected an ordinary tensor of floats")
