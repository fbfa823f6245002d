"""Which versions of hicmae made results, in words."""

from __future__ import annotations

from collections.abc import Iterable

from hicmae_cli import __version__
from hicmae_cli.errors import one_line


def describe_versions(versions: Iterable[str | None]) -> str:
    """Return the versions that predicted some files, such as ``hicmae 0.1.0``; None is one that was not recorded."""
    found = set(versions)
    known = sorted(version for version in found if version is not None)
    words = [f"hicmae {', '.join(known)}"] if known else []
    words += ["a version of hicmae that was not recorded"] if None in found else []
    return one_line(" and ".join(words))


def warn_of_versions(versions: Iterable[str | None]) -> str:
    """Return a line about the versions of kept results, if another one than this predicted some; else nothing."""
    others = [version for version in versions if version != __version__]
    if not others:
        return ""
    return (
        f"{len(others)} of the skipped files were predicted with {describe_versions(others)}, not with hicmae "
        f"{__version__}; to predict all with this version, leave out `skip_existing`"
    )
