"""Check the files of an installation: models and their hashes, weights of one's own, and folders to write to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hicmae_cli.bundled import find_bundled_file, find_sample_clip
from hicmae_cli.doctor.results import Check
from hicmae_cli.errors import HicmaeError, WeightsError, first_line
from hicmae_cli.files import compute_sha256, is_lfs_pointer
from hicmae_cli.weights.catalogue import find_weight, list_stored, locate_store, read_catalogue
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

_LEAST_FREE_MB: Final = 500
_REINSTALL: Final = "install hicmae again from a complete checkout"


def check_models() -> Iterator[Check]:
    """Check that the models that ship with hicmae are there and unchanged, and that one's own can be read."""
    from hicmae_cli.faces.nets import NET_SHA256
    from hicmae_cli.speaking.voice import VOICE_NET, VOICE_NET_SHA256

    expected = {**NET_SHA256, VOICE_NET: VOICE_NET_SHA256}
    for entry in read_catalogue():
        expected |= {file.name: file.sha256 for file in entry.files}
    yield from (_check_bundled(name, sha256) for name, sha256 in expected.items())
    try:
        yield Check("models", "sample clip", "ok", str(find_sample_clip()))
    except WeightsError as error:
        yield Check("models", "sample clip", "note", str(error))
    yield from map(_check_stored, list_stored())


def _check_bundled(name: str, sha256: str) -> Check:
    try:
        path = find_bundled_file(name)
        # Not the hash that this process may remember.
        found = compute_sha256(path)
    except (WeightsError, OSError) as error:
        return Check("models", name, "broken", str(error), _REINSTALL)
    if found != sha256:
        what = "is a pointer of Git LFS" if is_lfs_pointer(path) else f"has the sha256 {found[:12]}…"
        return Check("models", name, "broken", f"{path}: {what}, expected {sha256[:12]}…", _REINSTALL)
    size_mb = path.stat().st_size / 1e6
    return Check("models", name, "ok", f"{size_mb:.1f} MB, sha256 {sha256[:12]}… as recorded")


def _check_stored(name: str) -> Check:
    from hicmae_cli.weights.reading import read_info

    try:
        info = read_info(name)
        suffixes = [suffix for suffix in WEIGHT_SUFFIXES if find_weight(name, suffix)]
    except (HicmaeError, OSError, ValueError) as error:
        advice = f"remove it from {locate_store()}, or add it again"
        return Check("models", name, "broken", first_line(error), advice)
    return Check("models", name, "ok", f"your weight ({info.variant}, {info.task}): {', '.join(suffixes)}")


def check_folders() -> Iterator[Check]:
    """Check that hicmae can write where it keeps weights and exported models, and where it works."""
    import platformdirs

    folders = {
        "weights of one's own": locate_store(),
        "cache": platformdirs.user_cache_path("hicmae", appauthor=False),
        "temporary files": Path(tempfile.gettempdir()),
    }
    for name, folder in folders.items():
        yield _check_folder(name, folder)


def _check_folder(name: str, folder: Path) -> Check:
    """Write a temporary file to a folder, or to the folder in which it would be made."""
    place = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"hicmae")
        free_mb = shutil.disk_usage(place).free / 1e6
    except OSError as error:
        reason = error.strerror or first_line(error)
        variable = "; or set HICMAE_HOME to another folder" if folder == locate_store() else ""
        advice = f"make {place} writable for this user{variable}"
        return Check("folders", name, "broken", f"{folder}: cannot be written: {reason}", advice)
    later = "" if place == folder else " (made when it is needed)"
    found = f"{folder}{later}: writable, {free_mb / 1e3:.1f} GB free"
    if free_mb < _LEAST_FREE_MB:
        return Check("folders", name, "note", found, "free some space")
    return Check("folders", name, "ok", found)
