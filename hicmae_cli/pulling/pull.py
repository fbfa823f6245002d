"""Pull a weight: from the first source that has it, proved to be whole, converted once, and stored atomically."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests
from filelock import FileLock

from hicmae_cli.errors import DiskError, HicmaeError, MissingDependencyError, WeightsError, install_hint, one_line
from hicmae_cli.files import compute_sha256
from hicmae_cli.pulling.contents import find_kind
from hicmae_cli.pulling.fetch import (
    DEFAULT_LIMITS,
    MAX_BYTES,
    Limits,
    OnBytes,
    SourceError,
    ask,
    fetch,
    forget,
    make_session,
)
from hicmae_cli.pulling.origins import Origin, find_first_use, now, read_origin, record_first_use, write_origin
from hicmae_cli.pulling.sources import Source, parse_source
from hicmae_cli.weights.catalogue import locate_store, read_catalogue
from hicmae_cli.weights.published import PublishedWeight, list_published
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.suffixes import SAFETENSORS, WEIGHT_SUFFIXES

OFFLINE: Final = "HICMAE_OFFLINE"
"""Variable of the environment that forbids the network, as ``offline`` does."""

_DOWNLOADS: Final = ".downloads"
_NO: Final = ("", "0", "false", "no")
_DISK_FULL: Final = (28, 122)


@dataclass(frozen=True)
class Pulled:
    """A weight that is on this machine now.

    Attributes:
        name: of the weight.
        path: of the file that hicmae loads.
        origin: where it came from.
        is_new: whether it was fetched by this call.
        first_use: whether nobody has published the file's hash, and it was recorded by this call.
        faults: what was wrong with the sources that were tried before.
    """

    name: str
    path: Path
    origin: Origin
    is_new: bool
    first_use: bool = False
    faults: tuple[str, ...] = ()


def find_published(name: str) -> PublishedWeight:
    """Find a weight that can be pulled.

    Raises:
        WeightsError: there is none of this name.
    """
    published = list_published()
    if name in published:
        return published[name]
    if name in {entry.name for entry in read_catalogue()}:
        raise WeightsError(f"{name}: ships with hicmae, so there is nothing to pull")
    raise WeightsError(
        one_line(f"no weight named {name!r} can be pulled; the catalogue has {', '.join(published) or 'none'}")
    )


def is_offline(offline: bool | None = None) -> bool:
    """Whether the network is forbidden: by the argument, or else by the variable ``HICMAE_OFFLINE``."""
    return offline if offline is not None else os.environ.get(OFFLINE, "").strip().lower() not in _NO


def pull_weight(
    name: str,
    *,
    source: str | None = None,
    to: str | Path | None = None,
    offline: bool | None = None,
    on_source: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes = lambda *_: None,
    limits: Limits = DEFAULT_LIMITS,
) -> Pulled:
    """Fetch a weight of the catalogue and store it under its name; one that is there already is not fetched again.

    The sources are tried in their order. A file is accepted only if it is a PyTorch zip archive or a safetensors file
    by its content, and has the hash that the catalogue states, or else the one it had when it was first fetched here.
    A checkpoint of the paper's authors is converted without running any code in it. A call that is stopped at any
    moment leaves no broken weight, and the next one resumes. Other processes that pull the same weight wait.

    Args:
        name: of the catalogue; see `list_published`.
        source: fetch it from here instead of from the catalogue's sources.
        to: a folder that shall serve as ``HICMAE_HOME`` elsewhere; by default the user's own.
        offline: use sources of this machine only; by default as ``HICMAE_OFFLINE`` says.
        on_source: called with each source before it is tried.
        on_bytes: called with the bytes that are there, and all of them; 0 if unknown.
        limits: times and sizes.

    Raises:
        WeightsError: no such weight, no source has it, its hash is another one, or it is not a model.
        MissingDependencyError: torch, which converts a checkpoint, is not installed.
        SettingsError: ``source`` is of no known kind.
        DiskError: the disk is full; what has arrived is kept.
    """
    entry = find_published(name)
    sources = [parse_source(text) for text in ((source,) if source else entry.sources)]
    store = Path(to) / "weights" if to is not None else locate_store()
    target = store / f"{name}{SAFETENSORS}"
    if found := _find_pulled(target):
        return Pulled(name, target, found, is_new=False)
    _require_torch(name)
    try:
        (store / _DOWNLOADS).mkdir(parents=True, exist_ok=True)
        with FileLock(store / _DOWNLOADS / f"{name}.lock"):
            # Another process may have pulled it while this one waited.
            if found := _find_pulled(target):
                return Pulled(name, target, found, is_new=False)
            part = store / _DOWNLOADS / f"{name}.part"
            return _pull(entry, sources, store, part, is_offline(offline), on_source, on_bytes, limits)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskError(
                f"{store}: the disk is full; free some space and pull again, which resumes, or set HICMAE_HOME to "
                "another folder"
            ) from error
        raise


def _find_pulled(target: Path) -> Origin | None:
    """Find a weight that was pulled before.

    Raises:
        WeightsError: the user has stored another weight under the name.
    """
    there = [target.with_suffix(suffix) for suffix in WEIGHT_SUFFIXES if target.with_suffix(suffix).is_file()]
    if not there:
        return None
    origin = read_origin(target)
    if origin is None or not target.is_file():
        raise WeightsError(
            f"{there[0]}: was not pulled, but stored under the name of a weight of the catalogue; move it away"
        )
    if compute_sha256(target) != origin.stored_sha256:
        raise WeightsError(
            f"{target}: has changed since it was pulled; remove it with `hicmae weights remove {target.stem}` and pull "
            "it again"
        )
    return origin


def _require_torch(name: str) -> None:
    """Check that a checkpoint can be converted, before a gigabyte is fetched."""
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError(f"{name}: converting it needs torch: {install_hint('train')}")


def _pull(
    entry: PublishedWeight,
    sources: Iterable[Source],
    store: Path,
    part: Path,
    offline: bool,
    on_source: Callable[[str], None],
    on_bytes: OnBytes,
    limits: Limits,
) -> Pulled:
    faults: list[str] = []
    session = make_session()
    for source in sources:
        if offline and source.url is not None:
            faults.append(f"{source.text}: not tried, because the network is forbidden (offline)")
            continue
        on_source(source.text)
        try:
            sha256 = _fetch_checked(entry, source, store, part, session, on_bytes, limits)
            return _install(entry, source, store, part, sha256, tuple(faults))
        except (SourceError, WeightsError) as error:
            faults.append(f"{source.text}: {error}")
        except requests.RequestException as error:  # a library of the host's kind may raise others
            faults.append(f"{source.text}: {one_line(str(error))[:200]}")
    raise WeightsError(
        f"{entry.name}: no source has it: {'; '.join(faults) or 'the catalogue names none'}. If you have the file, "
        "pull it with source='file:/path/of/it'"
    )


def _fetch_checked(
    entry: PublishedWeight,
    source: Source,
    store: Path,
    part: Path,
    session: requests.Session,
    on_bytes: OnBytes,
    limits: Limits,
) -> str:
    """Fetch a file from one source -> its hash, which is the expected one.

    Raises:
        SourceError: the source does not have it.
        WeightsError: its size, content or hash is another one; the file is gone then.
    """
    first = find_first_use(store, entry.name)
    expected = entry.sha256 or (first.sha256 if first else "")
    size = entry.size_bytes or (first.size_bytes if first else 0)
    announced = ask(source, session, limits)
    if expected and announced.sha256 and announced.sha256 != expected:
        raise WeightsError(f"offers a file with the sha256 {announced.sha256[:12]}…, expected {expected[:12]}…")
    expected = expected or announced.sha256 or ""
    size = size or announced.size_bytes or 0
    resumed = part.is_file()
    _receive(source, part, session, on_bytes, size, limits)
    if fault := _find_fault(part, expected, size):
        # A part of an older file may be at its start: fetch it once more as a whole.
        forget(part)
        if not resumed or source.url is None:
            raise WeightsError(_explain_hash(fault, entry, first is not None))
        _receive(source, part, session, on_bytes, size, limits)
        if fault := _find_fault(part, expected, size):
            forget(part)
            raise WeightsError(_explain_hash(fault, entry, first is not None))
    return compute_sha256(part)


def _receive(
    source: Source, part: Path, session: requests.Session, on_bytes: OnBytes, size: int, limits: Limits
) -> None:
    bounded = Limits(**{**limits.__dict__, "max_bytes": min(size or MAX_BYTES, limits.max_bytes)})
    if source.path is None:
        fetch(source, part, session, on_bytes, bounded)
        return
    forget(part)
    if not source.path.is_file():
        raise SourceError(f"{source.path}: no such file")
    if source.path.stat().st_size > bounded.max_bytes:
        raise SourceError(f"{source.path}: is larger than the {bounded.max_bytes} bytes expected")
    shutil.copyfile(source.path, part)


def _find_fault(part: Path, sha256: str, size: int) -> str:
    """Find what is wrong with a fetched file; empty if nothing is."""
    found = part.stat().st_size
    if size and found != size:
        return f"the file has {found} bytes, expected {size}"
    if sha256 and (own := compute_sha256(part)) != sha256:
        return f"the file has the sha256 {own[:12]}…, expected {sha256[:12]}…"
    try:
        find_kind(part)
    except WeightsError as error:
        return str(error)
    return ""


def _explain_hash(fault: str, entry: PublishedWeight, is_first_use: bool) -> str:
    if entry.sha256 or not is_first_use:
        return fault
    return (
        f"{fault}, as when it was first pulled here; if its authors have replaced it, forget the first one with "
        f"`hicmae weights remove {entry.name} --forget`"
    )


def _install(
    entry: PublishedWeight, source: Source, store: Path, part: Path, sha256: str, faults: tuple[str, ...]
) -> Pulled:
    """Convert a fetched file and put it in its place, record first.

    A process that is killed before the last step leaves a record without a weight, which counts as nothing.
    """
    size = part.stat().st_size
    ready = part.with_name(f"{entry.name}{SAFETENSORS}")
    try:
        _convert(entry, source, part, ready, sha256)
        is_first = not entry.sha256 and find_first_use(store, entry.name) is None
        if is_first:
            record_first_use(store, entry.name, sha256, size, source.text)
        origin = Origin(
            name=entry.name,
            source=source.text,
            sha256=sha256,
            size_bytes=size,
            fetched_at=now(),
            licence=entry.licence,
            citation=entry.citation,
            stored_sha256=compute_sha256(ready),
        )
        target = store / ready.name
        write_origin(target, origin)
        ready.replace(target)
    except HicmaeError:
        # The file is what the source has: another source may have a better one.
        forget(part)
        raise
    finally:
        ready.unlink(missing_ok=True)
    forget(part)
    return Pulled(entry.name, target, origin, is_new=True, first_use=is_first, faults=faults)


def _convert(entry: PublishedWeight, source: Source, part: Path, ready: Path, sha256: str) -> None:
    """Write the weight of a fetched file in hicmae's format."""
    from hicmae_cli.weights.checkpoint import load_classifier, load_pretrained, read_authors_model
    from hicmae_cli.weights.importing import describe_model, save_model

    if find_kind(part) == "safetensors":
        # It must have hicmae's metadata, and tensors that fit them.
        named = part.with_name(f"{entry.name}.fetched{SAFETENSORS}")
        part.replace(named)
        try:
            (load_pretrained if read_info(str(named)).task == "pretraining" else load_classifier)(named)
            shutil.copyfile(named, ready)
        finally:
            named.replace(part)
        return
    model = read_authors_model(part)
    info = describe_model(
        model,
        entry.labels,
        dataset=entry.dataset,
        sampling_rate=entry.sampling_rate,
        licence=entry.licence,
        source=f"{source.text} (sha256 {sha256})",
        fold=entry.fold,
        protocol=entry.protocol,
        metrics={"stated by its authors": entry.scores} if entry.scores else {},
    )
    save_model(ready, model, info)
