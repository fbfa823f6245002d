"""Archives that look like those of npm."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

from hicmae_cli.files import compute_sha256
from hicmae_cli.web.packages import PACKAGES, Package


def write_archive(path: Path, files: dict[str, bytes], *entries: tarfile.TarInfo) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for entry in entries:
            tar.addfile(entry)
    return path


def describe(package: Package, archive: Path) -> Package:
    """The package with the hash of another archive."""
    return replace(package, sha256=compute_sha256(archive), size_bytes=archive.stat().st_size)


def write_fakes(folder: Path) -> tuple[Package, ...]:
    """Archives of both packages with a word in place of each file -> the packages with their hashes."""
    fakes = []
    for package in PACKAGES:
        files = {f"package/{member}": member.encode() for _, member in package.members}
        archive = write_archive(folder / package.file_name, {"package/package.json": b"{}", **files})
        fakes.append(describe(package, archive))
    return tuple(fakes)
