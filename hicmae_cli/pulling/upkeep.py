"""Look after the weights of this machine: check them, find their files, remove them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hicmae_cli.bundled import find_bundled_dir, find_bundled_file
from hicmae_cli.errors import HicmaeError, WeightsError, first_line
from hicmae_cli.files import compute_sha256
from hicmae_cli.pulling.expected import DOWNLOADS, Expected, find_change, find_expected, lock_weight
from hicmae_cli.pulling.origins import forget_first_use, locate_origin, read_origin
from hicmae_cli.weights.adding import find_file
from hicmae_cli.weights.catalogue import list_stored, locate_store, locate_stored, read_catalogue
from hicmae_cli.weights.published import list_published, refuse_missing
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.storing import ORIGIN
from hicmae_cli.weights.suffixes import SAFETENSORS, WEIGHT_SUFFIXES

State = Literal["ok", "broken", "unknown"]
"""Unknown: a weight of one's own, whose hash nobody has recorded."""

_SHOWN: Final = 12


@dataclass(frozen=True)
class Verified:
    """What is known of a weight's file.

    Attributes:
        name: of the weight.
        state: whether it is what it was when it came here.
        detail: why, in a line.
    """

    name: str
    state: State
    detail: str


def verify_weights(names: list[str] | None = None) -> list[Verified]:
    """Check that weights are what they were when they came here, and that they can be read.

    Args:
        names: of the weights; by default all of this machine.

    Raises:
        NotPulledError: a weight is only in the catalogue.
        WeightsError: there is no weight of a name.
    """
    bundled = {entry.name: entry for entry in read_catalogue()}
    stored = list_stored()
    published = list_published()
    wanted = names or [*bundled, *stored]
    for name in wanted:
        if name not in bundled and name not in stored:
            raise refuse_missing(name) if name in published else WeightsError(f"no weight named {name!r}")
    return [_verify_bundled(name) if name in bundled else _verify_stored(name) for name in wanted]


def _verify_bundled(name: str) -> Verified:
    entry = next(entry for entry in read_catalogue() if entry.name == name)
    try:
        for file in entry.files:
            if compute_sha256(find_bundled_file(file.name)) != file.sha256:
                return Verified(name, "broken", f"{file.name} has changed; reinstall hicmae")
    except HicmaeError as error:
        return Verified(name, "broken", first_line(error))
    hashes = ", ".join(f"{file.name} {file.sha256[:_SHOWN]}…" for file in entry.files)
    return Verified(name, "ok", f"as in the catalogue: {hashes}")


def _verify_stored(name: str) -> Verified:
    try:
        file = locate_stored(name, SAFETENSORS)
        origin, entry = read_origin(file), list_published().get(name)
        expected = find_expected(entry) if entry else Expected()
        again = f"`hicmae weights remove {name}`, then `hicmae weights pull {name}`"
        if origin is not None and file.is_file() and (fault := find_change(file, origin, expected)):
            return Verified(name, "broken", f"{fault}: {again}")
        if origin is None and locate_origin(file).exists():
            return Verified(name, "broken", f"was pulled, but the record of it is damaged: {again}")
        read_info(name)
    except HicmaeError as error:
        return Verified(name, "broken", first_line(error))
    if origin is None:
        return Verified(name, "unknown", "can be read, but no hash of it is on record, as of a weight of your own")
    return Verified(name, "ok", f"as it was pulled from {origin.source}: sha256 {origin.sha256[:_SHOWN]}…")


def locate_weight(name: str) -> Path:
    """Locate the file of a weight of this machine.

    Raises:
        NotPulledError: the weight is only in the catalogue.
        WeightsError: there is no such weight.
    """
    return find_file(name)


def remove_weight(name: str, *, forget: bool = False) -> list[Path]:
    """Remove a weight that was pulled, imported or added -> the files that are gone.

    Args:
        name: of the weight.
        forget: also forget the hash that the file had when it was first pulled, so that another one is accepted.

    Raises:
        WeightsError: it ships with hicmae, or there is nothing to remove.
    """
    if name in {entry.name for entry in read_catalogue()}:
        raise WeightsError(f"{name}: ships with hicmae ({find_bundled_dir()}), so it cannot be removed")
    store = locate_store()
    if name not in {*list_stored(), *list_published()}:
        raise WeightsError(f"no weight named {name!r}")
    # The weight first: a record alone counts as nothing.
    files = [locate_stored(name, suffix) for suffix in (*WEIGHT_SUFFIXES, ORIGIN)]
    files += [store / DOWNLOADS / f"{name}{ending}" for ending in (".part", ".part.json", SAFETENSORS)]
    with lock_weight(store, name):
        gone = [path for path in files if path.is_file()]
        for path in gone:
            path.unlink()
        forgotten = forget and forget_first_use(store, name)
    if not gone and not forgotten:
        raise WeightsError(f"{name}: is not on this machine, so there is nothing to remove")
    return gone
