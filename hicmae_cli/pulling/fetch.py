"""Fetch a file over HTTP: it resumes where it was cut, gives up on a host that drips, and never takes a page for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests

from hicmae_cli import __version__
from hicmae_cli.errors import HicmaeError, first_line, one_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.pulling.contents import explain_page, find_confirmation, is_page
from hicmae_cli.pulling.sources import Source

MAX_BYTES: Final = 8 << 30
"""Largest file that is accepted where a catalogue states no size; the largest model of the field has 7 GB."""
OnBytes = Callable[[int, int], None]
"""Called with the bytes that are there, and all of them; 0 if the host does not say."""

_CONNECT_S: Final = 15.0
_SILENT_S: Final = 30.0
# A host that sends less than this over so long is given up: at that rate, a model would take weeks.
_LEAST_BYTES_PER_S: Final = 1024
_MEASURED_S: Final = 30.0
# Of a block that is cut, nothing is kept.
_BLOCK: Final = 1 << 13
_MOST_PAGE: Final = 1 << 18
# Attempts that bring nothing new; one that does starts the count again.
_MAX_VAIN_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 0.5
_MOST_CONFIRMATIONS: Final = 2
_TRY_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)


class SourceError(HicmaeError):
    """A source does not have the file; the next one may."""


class _CutError(Exception):
    """The connection was cut; what has arrived is kept."""


@dataclass(frozen=True)
class Limits:
    """Times and sizes, other than the defaults in tests.

    Attributes:
        connect_s: seconds to wait for a connection.
        silent_s: seconds without a byte after which a connection counts as cut.
        measured_s: seconds over which the rate is measured.
        least_bytes_per_s: lowest rate.
        pause_s: seconds before the second attempt; each further pause is twice as long.
        max_bytes: largest file.
        block_bytes: bytes to read at a time.
    """

    connect_s: float = _CONNECT_S
    silent_s: float = _SILENT_S
    measured_s: float = _MEASURED_S
    least_bytes_per_s: float = _LEAST_BYTES_PER_S
    pause_s: float = _FIRST_PAUSE_S
    max_bytes: int = MAX_BYTES
    block_bytes: int = _BLOCK


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Announced:
    """What a host says of a file before it sends it; None where it does not say."""

    sha256: str | None = None
    size_bytes: int | None = None


def make_session() -> requests.Session:
    """Make a session: it keeps cookies over redirects, and follows the proxy settings of the environment."""
    session = requests.Session()
    session.headers.update({"User-Agent": f"hicmae/{__version__}", "Accept-Encoding": "identity"})
    return session


def ask(source: Source, session: requests.Session, limits: Limits = DEFAULT_LIMITS) -> Announced:
    """Ask a host that tells it for size and SHA-256 of a file.

    Raises:
        SourceError: the host does not answer, or does not have the file.
    """
    if not source.tells_hash or source.url is None:
        return Announced()
    try:
        answer = session.head(source.url, allow_redirects=False, timeout=(limits.connect_s, limits.silent_s))
    except requests.RequestException as error:
        raise SourceError(f"{source.host} {_explain(error)}") from error
    if answer.status_code >= 400:
        raise SourceError(f"{source.host} {_explain_status(answer.status_code)}")
    tag = answer.headers.get("X-Linked-Etag", "").strip('W/"')
    size = answer.headers.get("X-Linked-Size", "")
    is_hash = len(tag) == 64 and all(letter in "0123456789abcdef" for letter in tag)
    return Announced(tag if is_hash else None, int(size) if size.isdecimal() else None)


def fetch(
    source: Source,
    target: Path,
    session: requests.Session,
    on_bytes: OnBytes = lambda *_: None,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Fetch a file from an address. What is in ``target`` from an earlier call with the same source is kept.

    Args:
        source: with an address.
        target: the file to write. Beside it, a small file keeps what the host said of it.
        session: see `make_session`.
        on_bytes: called after each block.
        limits: times and sizes.

    Raises:
        SourceError: the host does not have the file, or does not send it.
        OSError: the file cannot be written; what has arrived is kept.
    """
    assert source.url is not None
    url, vain, had, asked = source.url, 0, -1, 0
    while True:
        try:
            confirmed = _fetch_once(source, url, target, session, on_bytes, limits)
            if confirmed is None:
                return
            url, asked = confirmed, asked + 1
            if asked > _MOST_CONFIRMATIONS:
                raise SourceError(f"{source.host} asks to confirm the download again and again")
            continue
        except _CutError as error:
            has = _size(target)
            vain = 0 if has > had else vain + 1
            had = max(had, has)
            if vain >= _MAX_VAIN_ATTEMPTS:
                raise SourceError(f"{source.host} {error}") from error
        time.sleep(limits.pause_s * 2**vain)


def forget(target: Path) -> None:
    """Remove a file that was being fetched, and what is known of it."""
    target.unlink(missing_ok=True)
    _note(target).unlink(missing_ok=True)


def _fetch_once(
    source: Source, url: str, target: Path, session: requests.Session, on_bytes: OnBytes, limits: Limits
) -> str | None:
    """Fetch the rest of a file -> None, or the address to ask instead.

    Raises:
        _CutError: the connection was cut, or the host asks to come back later.
        SourceError: see `fetch`.
    """
    start, tag = _resume(target, source)
    headers = {"Range": f"bytes={start}-", **({"If-Range": tag} if tag else {})} if start else {}
    try:
        with session.get(url, headers=headers, stream=True, timeout=(limits.connect_s, limits.silent_s)) as answer:
            if answer.status_code == 416:
                if answer.headers.get("Content-Range") == f"bytes */{start}":
                    return None  # all of it has arrived
                forget(target)
                raise _CutError("does not continue a part of the file")
            if answer.status_code in _TRY_AGAIN:
                raise _CutError(_explain_status(answer.status_code))
            if answer.status_code not in (200, 206):
                raise SourceError(f"{source.host} {_explain_status(answer.status_code)}")
            if urlsplit(url).scheme == "https" and urlsplit(answer.url).scheme != "https":
                raise SourceError(f"{source.host} leads to {one_line(answer.url[:200])}, which is not encrypted")
            if answer.status_code == 200 or not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                if answer.status_code == 206:
                    forget(target)
                    raise _CutError("sent another part of the file than it was asked for")
                start = 0
            return _receive(source, answer, target, start, on_bytes, limits)
    except requests.RequestException as error:
        raise _CutError(_explain(error)) from error


def _receive(
    source: Source, answer: requests.Response, target: Path, start: int, on_bytes: OnBytes, limits: Limits
) -> str | None:
    """Write the body of an answer behind what is there already."""
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else 0
    if total > limits.max_bytes:
        raise SourceError(f"{source.host} offers {total} bytes, more than the {limits.max_bytes} expected")
    blocks = answer.iter_content(limits.block_bytes)
    first = next(blocks, b"")
    if start == 0 and is_page(first, answer.headers.get("Content-Type", "")):
        page = first
        while len(page) < _MOST_PAGE and (block := next(blocks, b"")):
            page += block
        text = page[:_MOST_PAGE].decode("utf-8", "replace")
        if confirmed := find_confirmation(text, answer.url):
            return confirmed
        raise SourceError(f"{source.host} {explain_page(text, answer.url)}")
    _write_note(target, source, answer.headers.get("ETag", ""))
    pace = _Pace(limits)
    with target.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        has, block = start, first
        while block:
            has += len(block)
            if has > limits.max_bytes:
                raise SourceError(f"{source.host} sends more than the {limits.max_bytes} bytes expected")
            file.write(block)
            on_bytes(has, total)
            pace.check(len(block))
            block = next(blocks, b"")
    if has < total:
        raise _CutError(f"cut the connection after {has} of {total} bytes")
    return None


class _Pace:
    """Notices a host that sends a byte now and then."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._since, self._bytes = limits, time.monotonic(), 0

    def check(self, count: int) -> None:
        self._bytes += count
        passed = time.monotonic() - self._since
        if passed < self._limits.measured_s:
            return
        if self._bytes < self._limits.least_bytes_per_s * passed:
            raise _CutError(f"sends less than {self._limits.least_bytes_per_s:.0f} bytes a second")
        self._since, self._bytes = time.monotonic(), 0


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _write_note(target: Path, source: Source, tag: str) -> None:
    # A weak tag does not promise the same bytes.
    write_text_atomically(_note(target), json.dumps({"source": source.text, "etag": "" if tag[:2] == "W/" else tag}))


def _resume(target: Path, source: Source) -> tuple[int, str]:
    """Return how many bytes are there, and the tag that the host gave them; 0 if they are from another source."""
    try:
        note = json.loads(_note(target).read_text("utf-8"))
        known, tag = note["source"], str(note["etag"])
    except (OSError, ValueError, KeyError, TypeError):
        known, tag = None, ""
    if known != source.text:
        forget(target)
    return _size(target), tag


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _explain_status(status: int) -> str:
    reason = {401: "asks for a password", 403: "refuses access", 404: "does not have the file", 410: "has removed it"}
    return f"{reason.get(status, 'answers with an error')} (HTTP {status})"


def _explain(error: Exception) -> str:
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy"
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that cannot be verified"
    if isinstance(error, requests.exceptions.Timeout):
        return "does not answer"
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return "redirects in a circle"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut the connection"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached; is this machine online?"
    return f"cannot be read: {one_line(first_line(error))[:200]}"
