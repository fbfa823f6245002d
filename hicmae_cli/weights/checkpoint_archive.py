"""PyTorch checkpoints (``.pth``): find the tensors' numbers in the file and read them.

A tensor is read only if the file has all of its numbers. ``torch.load(weights_only=True)`` runs no foreign code either,
and refuses storages larger than the file's. But it does not bound three things (torch 2.14.1): it unpacks compressed
entries (200 MB from 0.2 MB), it calls functions that copy a stored text (1,000 calls of ``_codecs.encode`` on one text
of 1 MB took 1 GB), and it returns tensors that repeat one stored number any number of times.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.checkpoint_pickle import FLOAT_TYPES, Storage, StoredTensor, build_refusal, shorten, unpickle

# The authors' largest checkpoint, with the optimiser's tensors, has about 2300 entries and 0.5 MB of pickle.
_MAX_PICKLE_BYTES: Final = 2 << 20
_MAX_ENTRIES: Final = 20_000
_MAX_DIRECTORY_BYTES: Final = 4 << 20
# Magic number and version of files that are not zip archives.
_LEGACY_HEAD: Final = (0x1950A86A20F9469CFC6C, 1001)


@dataclass(frozen=True)
class _Place:
    """Position and size of a storage's numbers in the file; ``crc`` is None if the file has no checksum."""

    start: int
    size: int
    crc: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's dictionaries and lists, with a `StoredTensor` for each tensor and without other objects."""

    path: Path
    content: Any
    places: Mapping[str, _Place]

    def load(self, tensors: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
        """Read tensors; each keeps its type.

        Raises:
            WeightsError: a tensor does not have a float type, has more numbers than the file, or is damaged.
        """
        check_tensors(self.path, tensors)
        loaded: dict[str, Tensor] = {}
        buffers: dict[str, Tensor] = {}
        with self.path.open("rb") as file:
            for name, tensor in tensors.items():
                storage = tensor.storage
                assert storage is not None, "check_tensors refuses tensors without one"
                dtype, place = FLOAT_TYPES[storage.type], self.places.get(storage.key)
                if place is None or place.size != storage.count * dtype.itemsize:
                    raise WeightsError(f"{self.path}: {shorten(name)}: its numbers are not all in the file")
                if storage.key not in buffers:
                    file.seek(place.start)
                    data = bytearray(file.read(place.size))
                    if len(data) != place.size or place.crc not in (None, zlib.crc32(data)):
                        raise WeightsError(f"{self.path}: {shorten(name)}: its numbers are damaged")
                    buffers[storage.key] = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0)
                buffer = buffers[storage.key].view(dtype) if place.size else torch.empty(0, dtype=dtype)
                loaded[name] = buffer.as_strided(tensor.shape, tensor.strides, tensor.offset)
        return loaded


def read_archive(path: Path) -> Checkpoint:
    """Read a checkpoint's structure, but not yet the numbers of its tensors.

    Raises:
        WeightsError: the file is not a PyTorch checkpoint, names classes other than tensors and
            ``argparse.Namespace``, or states more bytes than it has; names the fault.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_archive(path)
        return _read_legacy(path)
    except WeightsError:
        raise
    # The readers raise errors of many kinds on other files.
    except Exception as error:
        raise build_refusal(path) from error


def check_tensors(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Check that tensors have float types, and no more numbers than the file.

    Raises:
        WeightsError: a tensor fails the check; names the first one.
    """
    for name, tensor in tensors.items():
        if fault := tensor.fault or _find_misfit(tensor):
            raise WeightsError(f"{path}: {shorten(name)} {fault}")
    claimed, there = sum(tensor.nbytes for tensor in tensors.values()), path.stat().st_size
    if claimed > there:
        raise WeightsError(f"{path}: its tensors claim {claimed} bytes, but the file has only {there}")


def _find_misfit(tensor: StoredTensor) -> str:
    storage = tensor.storage
    if storage is None or storage.type not in FLOAT_TYPES:
        kind = shorten(storage.type).lower() if storage else "unknown"
        return f"has the type {kind}, expected float32, float16, bfloat16 or float64"
    count = math.prod(tensor.shape)
    end = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if count > storage.count or (count and end >= storage.count):
        return f"claims {count} numbers ({' x '.join(map(str, tensor.shape))}), but its storage has {storage.count}"
    return ""


class _CautiousFile(io.FileIO):
    """A file that refuses long reads: `zipfile` reads a directory of any stated size at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        # `zipfile` reads the end of the archive, at most 64 KiB, without a size.
        if size is None or size < 0:
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
            raise build_refusal(path, f"{count} entries; expected at most {_MAX_ENTRIES} with unique names")
        for name, entry in entries.items():
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise build_refusal(path, f"the entry {shorten(name)} is compressed, which PyTorch never does")
        if (claimed := sum(max(e.file_size, e.compress_size) for e in entries.values())) > size:
            raise build_refusal(path, f"its entries claim {claimed} bytes, but the file has only {size}")
        pickles = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise build_refusal(path)
        prefix = pickles[0].removesuffix("data.pkl")
        places = {
            name.removeprefix(f"{prefix}data/"): _locate_entry(file, entry)
            for name, entry in entries.items()
            if name.startswith(f"{prefix}data/") or name in (f"{prefix}data.pkl", f"{prefix}byteorder")
        }
        order = places.pop(f"{prefix}byteorder", None)
        if order is not None:
            file.seek(order.start)
            if file.read(min(order.size, 8)) != b"little":
                raise build_refusal(path, "it was written by a machine with another byte order")
        text = places.pop(pickles[0])
        if text.size > _MAX_PICKLE_BYTES:
            raise build_refusal(path, f"its data.pkl has {text.size} bytes, more than {_MAX_PICKLE_BYTES}")
        file.seek(text.start)
        return Checkpoint(path, unpickle(path, io.BytesIO(file.read(text.size))), places)


def _locate_entry(file: io.FileIO, entry: zipfile.ZipInfo) -> _Place:
    """Locate an entry's content after its header; the header's length differs from that in the directory."""
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
        if (unpickle(path, head), unpickle(path, head)) != _LEGACY_HEAD:
            raise build_refusal(path)
        # Facts about the machine that wrote the file.
        unpickle(path, head)
        storages: dict[str, Storage] = {}
        content = unpickle(path, head, storages)
        places: dict[str, _Place] = {}
        keys = unpickle(path, head)
        start = head.tell()
        for key in keys:
            if not isinstance(key, str):
                raise build_refusal(path)
            storage = storages[key]
            file.seek(start)
            (count,) = struct.unpack("<q", file.read(8))
            element = FLOAT_TYPES.get(storage.type)
            if element is None:
                # The positions of all later storages are unknown.
                break
            places[key] = _Place(start + 8, count * element.itemsize)
            start += 8 + count * element.itemsize
            if count < 0 or start > size:
                raise build_refusal(path, f"its tensors claim more bytes than the {size} of the file")
    return Checkpoint(path, content, places)
