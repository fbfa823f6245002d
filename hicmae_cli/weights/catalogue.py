"""Find weights by name: those that ship with the package, and those that the user imported."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict

from hicmae_cli.bundled import find_bundled_dir, find_bundled_file
from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.toml import parse_toml
from hicmae_cli.weights.run_folder import find_run_weight
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

CATALOGUE = "catalogue.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _check_bare(name: str) -> str:
    if not name.isprintable() or name in ("", ".", "..") or "/" in name or "\\" in name or Path(name).name != name:
        raise ValueError(f"expected the name of a file in the same folder, got {name!r}")
    return name


BareName = Annotated[str, AfterValidator(_check_bare)]


class CatalogueFile(BaseModel):
    """One file of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: BareName
    sha256: str
    size_bytes: int


class CatalogueEntry(BaseModel):
    """One weight that ships with the package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    licence: str
    card: BareName | None = None
    files: tuple[CatalogueFile, ...]


def read_catalogue(folder: Path | None = None) -> list[CatalogueEntry]:
    """Read the catalogue that ships with the package.

    Raises:
        WeightsError: the catalogue is missing or malformed.
    """
    path = (folder or find_bundled_dir()) / CATALOGUE
    try:
        entries = parse_toml(path.read_text("utf-8"))["weight"]
        return [CatalogueEntry.model_validate(entry) for entry in entries]
    # ValueError: not UTF-8, not TOML, or not valid.
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(one_line(f"{path}: the catalogue cannot be read: {reason}")) from error


def locate_store() -> Path:
    """Locate the folder of imported weights: ``$HICMAE_HOME/weights``, or ``weights`` in the user's data folder."""
    home = os.environ.get("HICMAE_HOME")
    return (Path(home) if home else platformdirs.user_data_path("hicmae", appauthor=False)) / "weights"


def locate_stored(name: str, suffix: str) -> Path:
    """Locate a user's weight by name; it need not exist.

    Raises:
        WeightsError: the name is not valid: it could lead out of the folder, or is a file name.
    """
    try:
        check_form(name)
    except ValueError as error:
        raise WeightsError(str(error)) from None
    return locate_store() / f"{name}{suffix}"


def check_form(name: str) -> None:
    """Check that a text can be the name of a weight.

    Raises:
        ValueError: it could lead out of the folder of weights, or is a file name.
    """
    if not _NAME.fullmatch(name) or name.endswith(WEIGHT_SUFFIXES):
        raise ValueError(f"{name!r} is not a valid name of a weight: use letters, digits, '.', '_' and '-'")


def check_name(name: str, *, force: bool) -> None:
    """Check that a weight can be stored under a name.

    Raises:
        WeightsError: the name is not valid, belongs to a bundled weight, or is taken while ``force`` is false.
    """
    targets = [locate_stored(name, suffix) for suffix in WEIGHT_SUFFIXES]
    if name in {entry.name for entry in read_catalogue()}:
        raise WeightsError(f"{name}: a weight with this name ships with hicmae; choose another name")
    if any(target.exists() for target in targets) and not force:
        raise WeightsError(f"{name}: a weight with this name exists; choose another name, or replace it (force)")


def list_stored() -> list[str]:
    """List the names of the imported weights."""
    folder = locate_store()
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted({p.stem for p in files if p.suffix in WEIGHT_SUFFIXES and not p.name.startswith(".")})


def find_weight(name_or_path: str, suffix: str) -> Path | None:
    """Find the file of a weight with a suffix; None if the weight has no such file.

    For a path with another suffix, this is the file with the same stem in the same folder; for the folder of a training
    run, its best weight. A name wins over a folder. A bundled file must have the catalogue's sha256.

    Args:
        name_or_path: name of a bundled or imported weight, path of a file, or folder of a training run.
        suffix: one of ``WEIGHT_SUFFIXES``.

    Raises:
        NotPulledError: the weight can be pulled, but was not.
        WeightsError: there is no such file or name, a run has no weight or one per fold, or a bundled file has changed.
    """
    given = Path(name_or_path)
    if given.suffix in WEIGHT_SUFFIXES:
        if not given.is_file():
            raise WeightsError(f"{given}: no such weight file")
        return _sibling(given, suffix)
    for entry in read_catalogue():
        if entry.name == name_or_path:
            file = next((f for f in entry.files if f.name.endswith(suffix)), None)
            return find_bundled_file(file.name, file.sha256) if file else None
    if name_or_path in list_stored():
        path = locate_stored(name_or_path, suffix)
        return path if path.is_file() else None
    if given.is_dir():
        return _sibling(find_run_weight(given), suffix)
    if given.exists():
        raise WeightsError(
            f"{given}: expected a {' or '.join(WEIGHT_SUFFIXES)} file; import an authors' .pth with "
            "`hicmae weights import`"
        )
    # That module imports this one.
    from hicmae_cli.weights.published import list_published, refuse_missing

    if name_or_path in list_published():
        raise refuse_missing(name_or_path)
    known = [entry.name for entry in read_catalogue()] + list_stored()
    raise WeightsError(f"no weight named {name_or_path!r}, and no such file; known weights: {', '.join(known)}")


def _sibling(file: Path, suffix: str) -> Path | None:
    wanted = file.with_suffix(suffix)
    return wanted if wanted.is_file() else None
