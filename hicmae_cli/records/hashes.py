"""Hashes of data and weights that do not depend on where the files are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256, hash_lines, write_text_atomically
from hicmae_cli.records.facts import DataFacts

MOST_BYTES: Final = 100 * 10**9
"""Data of more bytes are hashed by the sizes of their files: reading them would take longer than some trainings."""
ClipFiles = Sequence[tuple[str, Sequence[Path]]]
"""(id, files) of each clip; a folder stands for all files in it."""


def hash_data(
    clips: ClipFiles, manifest: Path | None = None, *, on_clip: Callable[[int, int], None] = lambda *_: None
) -> DataFacts:
    """Hash the list and the files of a corpus.

    The hash of each file is kept beside the manifest (``.NAME.hashes.json``) with the file's size and time, so that the
    next call reads only what has changed. A file that is missing counts as such.

    Args:
        clips: the clips.
        manifest: the list; None for recordings without one.
        on_clip: called with the number of clips that are done and of all clips.

    Raises:
        OSError: a file cannot be read.
    """
    stats = {path: _stat(path) for _, paths in clips for path in paths}
    by_content = sum(size for size, _ in stats.values()) <= MOST_BYTES
    cache = manifest.with_name(f".{manifest.name}.hashes.json") if manifest is not None else None
    known = _read_cache(cache)
    kept: dict[str, list[Any]] = {}
    lines = []
    for done, (id_, paths) in enumerate(clips, 1):
        parts = []
        for path in paths:
            name, (size, changed_ns) = _name_file(path, manifest), stats[path]
            if not by_content or size < 0:
                parts.append(str(size))
                continue
            entry = known.get(name)
            if entry is None or entry[:2] != [size, changed_ns]:
                entry = [size, changed_ns, _hash_path(path)]
            kept[name] = entry
            parts.append(entry[2])
        lines.append("\t".join([id_, *parts]))
        on_clip(done, len(clips))
    if cache is not None and kept != known:
        # A folder that is read-only is hashed again each time.
        with suppress(OSError):
            write_text_atomically(cache, json.dumps(kept))
    return DataFacts(
        manifest=manifest.name if manifest else "",
        manifest_sha256=compute_sha256(manifest) if manifest else "",
        clips=len(clips),
        files_sha256=hash_lines(sorted(lines)),
        hashed="content" if by_content else "sizes",
    )


def _stat(path: Path) -> tuple[int, int]:
    """Return size and time of a file, for a folder of all its files together; size -1 if there is none."""
    try:
        found = [file.stat() for file in _list_files(path)]
    except OSError:
        return -1, 0
    return sum(file.st_size for file in found), max((file.st_mtime_ns for file in found), default=0)


def _list_files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _hash_path(path: Path) -> str:
    if path.is_dir():
        return hash_lines(f"{file.name} {compute_sha256(file)}" for file in _list_files(path))
    return compute_sha256(path)


def _name_file(path: Path, manifest: Path | None) -> str:
    if manifest is not None and path.is_relative_to(manifest.parent):
        return path.relative_to(manifest.parent).as_posix()
    return path.as_posix()


def _read_cache(cache: Path | None) -> Mapping[str, list[Any]]:
    if cache is None:
        return {}
    try:
        found = json.loads(cache.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, list) and len(entry) == 3}


def hash_tensors(weight: Path) -> str:
    """Hash names, types, shapes and bytes of the tensors of a ``.safetensors`` file; its metadata do not count.

    An ``.onnx`` file, which a training can start from too, is hashed as a whole.

    Raises:
        WeightsError: the file is not a safetensors file.
    """
    if weight.suffix == ".onnx":
        return compute_sha256(weight)
    digest = hashlib.sha256()
    try:
        with weight.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > weight.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            digest.update(json.dumps(header, sort_keys=True).encode())
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(f"{weight}: cannot be read as a safetensors file: {error}") from error
    return digest.hexdigest()
