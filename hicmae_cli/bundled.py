"""Model files that ship with the package: `weights/` in a checkout, `hicmae_cli/_bundled/` in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256

_PACKAGE = Path(__file__).resolve().parent
DEFAULT_WEIGHT = "hicmae-nano"
_SAMPLE = "speech_sample.mp4"


def find_bundled_dir() -> Path:
    """Find the folder of the bundled model files.

    Raises:
        WeightsError: the installation has neither folder.
    """
    for folder in (_PACKAGE / "_bundled", _PACKAGE.parent / "weights"):
        if folder.is_dir():
            return folder
    raise WeightsError(f"{_PACKAGE}: the bundled model files are missing; reinstall hicmae")


def find_bundled_file(name: str, sha256: str | None = None) -> Path:
    """Find a bundled model file and check it once per process.

    Args:
        name: the file's bare name.
        sha256: the expected hash of its content, in hexadecimal.

    Raises:
        WeightsError: the file is missing or has another hash.
        ValueError: name is not a bare file name.
    """
    if Path(name).name != name:
        raise ValueError(f"expected a bare file name, got {name!r}")
    path = find_bundled_dir() / name
    if not path.is_file():
        raise WeightsError(f"{path}: the bundled model file is missing; reinstall hicmae")
    if sha256 is not None and (found := _sha256_once(path)) != sha256:
        raise WeightsError(
            f"{path}: is not the file that was bundled (expected sha256 {sha256[:12]}…, got {found[:12]}…); "
            "reinstall hicmae"
        )
    return path


def find_sample_clip() -> Path:
    """Find the README's sample clip, in a checkout or in a wheel.

    Raises:
        WeightsError: the installation does not have it.
    """
    for path in (_PACKAGE / "_bundled" / _SAMPLE, _PACKAGE.parent / "docs" / "assets" / _SAMPLE):
        if path.is_file():
            return path
    raise WeightsError(f"{_PACKAGE}: the sample clip is missing; pass a video of your own")


# Bundled files do not change while a process runs; a user's files may.
_sha256_once = cache(compute_sha256)
