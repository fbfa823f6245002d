"""Pull a weight: from the first source that has it, proved to be whole, converted once, and stored atomically."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import requests

from hicmae_cli.errors import (
    DiskError,
    HicmaeError,
    MissingDependencyError,
    WeightsError,
    first_line,
    install_hint,
    one_line,
)
from hicmae_cli.files import compute_sha256
from hicmae_cli.pulling.contents import find_kind
from hicmae_cli.pulling.expected import DOWNLOADS, Expected, advise_removal, find_change, find_expected, lock_weight
from hicmae_cli.pulling.fetch import (
    DEFAULT_LIMITS,
    MAX_BYTES,
    Limits,
    OnBytes,
    SourceError,
    TooLargeError,
    ask,
    fetch,
    forget,
    make_session,
)
from hicmae_cli.pulling.origins import Origin, now, read_origin, record_first_use, write_origin
from hicmae_cli.weights.catalogue import locate_store, read_catalogue
from hicmae_cli.weights.published import PublishedWeight, list_published
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.sources import Source, parse_source
from hicmae_cli.weights.storing import lock_store
from hicmae_cli.weights.suffixes import SAFETENSORS, WEIGHT_SUFFIXES

OFFLINE: Final = "HICMAE_OFFLINE"
"""Variable of the environment that forbids the network, as ``offline`` does."""

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
    on_wait: Callable[[], None] = lambda: None,
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
        on_wait: called if another process pulls the same weight, and this one waits.
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
    expected = find_expected(entry, store)
    target = store / f"{name}{SAFETENSORS}"
    if found := _find_pulled(target, expected):
        return Pulled(name, target, found, is_new=False)
    _require_torch(name)
    job = _Job(entry, store, expected, make_session(), on_source, on_bytes, limits)
    try:
        with lock_weight(store, name, on_wait):
            # Another process may have pulled it while this one waited.
            if found := _find_pulled(target, expected):
                return Pulled(name, target, found, is_new=False)
            return job.pull(sources, offline=is_offline(offline))
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskError(f"{store}: the disk is full; free some space and pull again, which resumes") from error
        raise


def _find_pulled(target: Path, expected: Expected) -> Origin | None:
    """Find a weight that was pulled before.

    Raises:
        WeightsError: the user has stored another weight under the name, or it is not what it should be.
    """
    there = [target.with_suffix(suffix) for suffix in WEIGHT_SUFFIXES if target.with_suffix(suffix).is_file()]
    if not there:
        return None
    origin = read_origin(target)
    if origin is None or not target.is_file():
        raise WeightsError(
            f"{there[0]}: was not pulled, but stored under the name of a weight of the catalogue; move it away, or add "
            "it under another name and remove this one"
        )
    if fault := find_change(target, origin, expected):
        raise WeightsError(f"{target}: {fault}; `{advise_removal(target.stem, target.parent)}` and pull it again")
    return origin


def _require_torch(name: str) -> None:
    """Check that a checkpoint can be converted, before a gigabyte is fetched."""
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError(f"{name}: converting it needs torch: {install_hint('train')}")


@dataclass(frozen=True)
class _Job:
    """Pulls one weight; the caller has its lock."""

    entry: PublishedWeight
    store: Path
    expected: Expected
    session: requests.Session
    on_source: Callable[[str], None]
    on_bytes: OnBytes
    limits: Limits

    @property
    def part(self) -> Path:
        """The file as far as it has arrived."""
        return self.store / DOWNLOADS / f"{self.entry.name}.part"

    def pull(self, sources: Sequence[Source], *, offline: bool) -> Pulled:
        """Fetch the file from the first source that has it, and install it."""
        faults: list[str] = []
        for source in sources:
            if offline and source.url is not None:
                faults.append(f"{source.shown}: not tried, because the network is forbidden (offline)")
                continue
            self.on_source(source.shown)
            try:
                sha256 = self._fetch_checked(source)
                return self._install(source, sha256, tuple(faults))
            except _EntryError as error:
                raise WeightsError(f"{self.entry.name}: the catalogue does not fit the file: {error}") from error
            except (SourceError, WeightsError) as error:
                faults.append(f"{source.shown}: {first_line(error)}")
        raise WeightsError(
            f"{self.entry.name}: no source has it: {'; '.join(faults) or 'the catalogue names none'}. If you have the "
            "file, pull it with source='file:/path/of/it'"
        )

    def _fetch_checked(self, source: Source) -> str:
        """Fetch the file from one source -> its hash, which is the expected one.

        Raises:
            SourceError: the source does not have it.
            WeightsError: its size, content or hash is another one; the file is gone then.
        """
        announced = ask(source, self.session, self.limits)
        known, hint = self.expected, self.expected.explain(self.entry.name, self.store)
        if known.sha256 and announced.sha256 and announced.sha256 != known.sha256:
            found = f"{announced.sha256[:12]}…, expected {known.sha256[:12]}…"
            raise WeightsError(f"offers a file with the sha256 {found}{hint}")
        sha256 = known.sha256 or announced.sha256 or ""
        size = known.size_bytes or announced.size_bytes or 0
        was_there = self.part.is_file()
        try:
            self._receive(source, size)
        except TooLargeError as error:
            raise SourceError(f"{error}{hint}") from error
        fault = _find_fault(self.part, sha256, size)
        if fault and was_there and source.url is not None:
            # A part of an older file may be at its start: fetch it once more as a whole.
            forget(self.part)
            self._receive(source, size)
            fault = _find_fault(self.part, sha256, size)
        if fault:
            forget(self.part)
            raise WeightsError(f"{fault}{hint}")
        return compute_sha256(self.part)

    def _receive(self, source: Source, size: int) -> None:
        most = min(size or MAX_BYTES, self.limits.max_bytes)
        if source.path is None:
            fetch(source, self.part, self.session, self.on_bytes, replace(self.limits, max_bytes=most))
        else:
            forget(self.part)
            _copy(source.path, self.part, most)

    def _install(self, source: Source, sha256: str, faults: tuple[str, ...]) -> Pulled:
        """Convert the fetched file and put it in its place, record first.

        A process that is killed before the last step leaves a record without a weight, which counts as nothing.

        Raises:
            _EntryError: the file is the expected one, but not what the catalogue says of it.
            WeightsError: it is no model; the file is gone then.
        """
        entry, size = self.entry, self.part.stat().st_size
        ready = self.part.with_name(f"{entry.name}{SAFETENSORS}")
        try:
            _convert(entry, source, self.part, ready, sha256)
            origin = Origin(
                name=entry.name,
                source=source.shown,
                sha256=sha256,
                size_bytes=size,
                fetched_at=now(),
                licence=entry.licence,
                citation=entry.citation,
                stored_sha256=compute_sha256(ready),
            )
            if not self.expected.sha256:
                record_first_use(self.store, entry.name, sha256, size, source.shown)
            target = self.store / ready.name
            with lock_store(self.store):
                if any(target.with_suffix(suffix).exists() for suffix in WEIGHT_SUFFIXES):
                    raise WeightsError(f"{target}: another weight was stored under this name in the meantime")
                write_origin(target, origin)
                ready.replace(target)
        except HicmaeError as error:
            if self.expected.sha256:
                raise _EntryError(first_line(error)) from error
            forget(self.part)
            raise
        finally:
            ready.unlink(missing_ok=True)
        forget(self.part)
        return Pulled(entry.name, target, origin, is_new=True, first_use=not self.expected.sha256, faults=faults)


class _EntryError(Exception):
    """The right file does not fit what the catalogue says of it; no other source could help."""


def _copy(source: Path, target: Path, most: int) -> None:
    """Copy a file of this machine.

    Raises:
        SourceError: it cannot be read, or is too large.
        OSError: the copy cannot be written.
    """
    try:
        with source.open("rb") as read:
            if source.stat().st_size > most:
                raise TooLargeError(f"{source}: is larger than the {most} bytes expected")
            with target.open("wb") as written:
                shutil.copyfileobj(read, written)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise
        raise SourceError(f"{source}: cannot be read: {error.strerror or error}") from error


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


def _convert(entry: PublishedWeight, source: Source, part: Path, ready: Path, sha256: str) -> None:
    """Write the weight of a fetched file in hicmae's format.

    Raises:
        WeightsError: it is not a model, or not the one that the catalogue describes.
    """
    from hicmae_cli.weights.checkpoint import load_classifier, load_pretrained, read_authors_model
    from hicmae_cli.weights.importing import describe_model, name_weights, save_model

    if find_kind(part) == "safetensors":
        # The metadata readers go by the suffix.
        shutil.copyfile(part, ready)
        info = read_info(str(ready))
        (load_pretrained if info.task == "pretraining" else load_classifier)(ready)
        if entry.labels and info.labels != entry.labels:
            raise WeightsError(f"has the labels {', '.join(info.labels)}, expected {', '.join(entry.labels)}")
        return
    model = read_authors_model(part)
    info = describe_model(
        model,
        entry.labels,
        dataset=entry.dataset,
        sampling_rate=entry.sampling_rate,
        licence=entry.licence,
        source=name_weights(part, f"{source.shown} (sha256 {sha256})"),
        fold=entry.fold,
        metrics={"stated by its authors": entry.scores} if entry.scores else {},
    )
    save_model(ready, model, info)
