"""Which versions of hicmae made results, in words."""

from __future__ import annotations

from collections.abc import Iterable

from hicmae_cli import __version__
from hicmae_cli.errors import one_line
from hicmae_cli.runtime.results import FileResult


def describe_versions(files: Iterable[FileResult]) -> str:
    """Return the versions that predicted some files, such as ``hicmae 0.1.0``."""
    found = {file.hicmae_version for file in files}
    known = sorted(version for version in found if version is not None)
    words = [f"hicmae {', '.join(known)}"] if known else []
    words += ["a version of hicmae that was not recorded"] if None in found else []
    return one_line(" and ".join(words))


def warn_of_versions(files: Iterable[FileResult]) -> str:
    """Return a line about results of an earlier run that another version predicted; nothing without any."""
    others = [file for file in files if file.hicmae_version != __version__]
    if not others:
        return ""
    return (
        f"{len(others)} of the skipped files were predicted with {describe_versions(others)}, not with hicmae "
        f"{__version__}; to predict all with this version, leave out `skip_existing`"
    )
