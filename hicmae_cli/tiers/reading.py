"""The table of annotation files that hicmae reads, by suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hicmae_cli.tiers.boris import read_boris
from hicmae_cli.tiers.elan import read_elan
from hicmae_cli.tiers.interval import AnnotationFile
from hicmae_cli.tiers.textgrid import read_textgrid

READERS: Final[Mapping[str, Callable[[Path], AnnotationFile]]] = {
    ".eaf": read_elan,
    ".textgrid": read_textgrid,
    ".tsv": read_boris,
}
"""Suffix in lower case -> reader."""


def read_annotations(path: Path) -> AnnotationFile:
    """Read an annotation file of ELAN, Praat or BORIS.

    Raises:
        ManifestError: it cannot be read; names the line where there is one.
        KeyError: another suffix.
    """
    return READERS[path.suffix.lower()](path)
