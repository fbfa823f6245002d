"""Fetch a file over HTTP: it resumes where it was cut, gives up on a host that drips, and never takes a page for it."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.cookies import extract_cookies_to_jar
from urllib3.exceptions import HTTPError, ReadTimeoutError

from hicmae_cli import __version__
from hicmae_cli.errors import HicmaeError, first_line, one_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.pulling.contents import explain_page, find_confirmation, is_page
from hicmae_cli.weights.sources import Source, is_safe

MAX_BYTES: Final = 8 << 30
"""Largest file that is accepted where a catalogue states no size; the largest model of the field has 7 GB."""
OnBytes = Callable[[int, int], None]
"""Called with the bytes that are there, and all of them; 0 if the host does not say."""
FoundT = TypeVar("FoundT")

_BLOCK: Final = 1 << 16
_MOST_PAGE: Final = 1 << 16
# Attempts that bring next to nothing; one that brings more starts the count again.
_MAX_VAIN_ATTEMPTS: Final = 4
_MOST_CONFIRMATIONS: Final = 2
_MOST_REDIRECTS: Final = 10
_MOST_PAUSE_S: Final = 60.0
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TRY_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)
_RANGE: Final = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class SourceError(HicmaeError):
    """A source does not have the file; the next one may."""


class TooLargeError(SourceError):
    """The file is larger than expected."""


class _CutError(Exception):
    """The connection was cut, or the host is busy; what has arrived is kept.

    Attributes:
        pause_s: seconds that the host asks to wait.
    """

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


@dataclass(frozen=True)
class Limits:
    """Times and sizes; tests use smaller ones.

    Attributes:
        connect_s: seconds to wait for a connection.
        silent_s: seconds without a byte after which a connection counts as cut.
        measured_s: seconds over which the rate is measured.
        least_bytes_per_s: lowest rate; at less, a model would take weeks.
        pause_s: seconds before the second attempt; each further pause is twice as long.
        max_bytes: largest file.
    """

    connect_s: float = 15.0
    silent_s: float = 30.0
    measured_s: float = 30.0
    least_bytes_per_s: float = 1024
    pause_s: float = 0.5
    max_bytes: int = MAX_BYTES


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
    url = source.url
    if not source.tells_hash or url is None:
        return Announced()

    def ask_once() -> Announced:
        with _explained(source):
            timeout = (limits.connect_s, limits.silent_s)
            with session.head(url, allow_redirects=False, timeout=timeout) as answer:
                _check_status(source, answer, (200, *_REDIRECTS))
                tag = answer.headers.get("X-Linked-Etag", "").strip('W/"')
                is_hash = re.fullmatch(r"[0-9a-f]{64}", tag) is not None
                size = _parse_count(answer.headers.get("X-Linked-Size", ""))
                return Announced(tag if is_hash else None, size or None)

    return _try_again(source, ask_once, lambda: 0, limits)


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
    url = source.url
    for _ in range(_MOST_CONFIRMATIONS + 1):
        attempt = partial(_fetch_once, source, url, target, session, on_bytes, limits)
        confirmed = _try_again(source, attempt, partial(_size, target), limits)
        if confirmed is None:
            return
        url = confirmed
    raise SourceError(f"{source.host} asks to confirm the download again and again")


def forget(target: Path) -> None:
    """Remove a file that was being fetched, and what is known of it."""
    target.unlink(missing_ok=True)
    _locate_note(target).unlink(missing_ok=True)


def _try_again(source: Source, attempt: Callable[[], FoundT], measure: Callable[[], int], limits: Limits) -> FoundT:
    """Repeat an attempt until it ends, or several in a row have brought next to nothing.

    Raises:
        SourceError: see there.
    """
    vain, most = 0, measure()
    while True:
        started = time.monotonic()
        try:
            return attempt()
        except _CutError as error:
            # More than ever before: a host that makes one start again and again brings nothing new.
            gained, passed = measure() - most, time.monotonic() - started
            most = max(most, measure())
            vain = 0 if gained > limits.least_bytes_per_s * passed else vain + 1
            if vain >= _MAX_VAIN_ATTEMPTS:
                raise SourceError(f"{source.host} {error}") from error
            time.sleep(min(max(limits.pause_s * 2**vain, error.pause_s), _MOST_PAUSE_S))


def _fetch_once(
    source: Source, url: str, target: Path, session: requests.Session, on_bytes: OnBytes, limits: Limits
) -> str | None:
    """Fetch the rest of a file -> None, or the address to ask instead.

    Raises:
        _CutError: the connection was cut, or the host asks to come back later.
        SourceError: see `fetch`.
    """
    note = _read_note(target, source)
    start = _size(target)
    headers = {"Range": f"bytes={start}-", **({"If-Range": note.tag} if note.tag else {})} if start else {}
    with _explained(source), _open(source, url, session, headers, limits) as answer:
        if answer.status_code == 416:
            if answer.headers.get("Content-Range") == f"bytes */{start}":
                return None  # all of it has arrived
            forget(target)
            raise _CutError("does not continue a part of the file")
        _check_status(source, answer, (200, 206))
        total = _parse_count(answer.headers.get("Content-Length", ""))
        if answer.status_code == 206:
            match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            total = _parse_count(match[2]) if match else 0
            if match is None or int(match[1]) != start or (note.size and total and total != note.size):
                forget(target)
                raise _CutError("sent another part of the file than it was asked for")
        else:
            start = 0
        return _receive(source, answer, target, start, total, on_bytes, limits)


@contextmanager
def _open(
    source: Source, url: str, session: requests.Session, headers: dict[str, str], limits: Limits
) -> Iterator[requests.Response]:
    """Ask for an address and follow where it leads; the bodies on the way are not read.

    Raises:
        SourceError: it leads to an address that is not encrypted, or in a circle.
    """
    for _ in range(_MOST_REDIRECTS):
        if not is_safe(url):
            raise SourceError(f"{source.host} leads to {one_line(urlsplit(url).netloc)[:100]}, which is not encrypted")
        with _get(url, session, headers, limits) as answer:
            if answer.status_code in _REDIRECTS and "Location" in answer.headers:
                url = urljoin(url, answer.headers["Location"])
                continue
            yield answer
            return
    raise SourceError(f"{source.host} redirects in a circle")


def _get(url: str, session: requests.Session, headers: dict[str, str], limits: Limits) -> requests.Response:
    """Ask for one address. `requests` itself would read the body of a redirect, however long it is."""
    request = session.prepare_request(requests.Request("GET", url, headers=headers))
    settings = session.merge_environment_settings(url, {}, True, None, None)
    answer = session.get_adapter(url).send(request, timeout=(limits.connect_s, limits.silent_s), **settings)
    extract_cookies_to_jar(session.cookies, request, answer.raw)
    return answer


def _check_status(source: Source, answer: requests.Response, good: tuple[int, ...]) -> None:
    status = answer.status_code
    if status in _TRY_AGAIN:
        raise _CutError(_explain_status(status), _parse_count(answer.headers.get("Retry-After", "")))
    if status not in good:
        raise SourceError(f"{source.host} {_explain_status(status)}")
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise SourceError(
            f"{source.host} sends the file in the coding {one_line(coding)[:20]}, which it was not asked for"
        )


def _receive(
    source: Source, answer: requests.Response, target: Path, start: int, total: int, on_bytes: OnBytes, limits: Limits
) -> str | None:
    """Write the body of an answer behind what is there already."""
    if total > limits.max_bytes:
        raise TooLargeError(f"{source.host} offers {total} bytes, expected at most {limits.max_bytes}")
    blocks = _read_blocks(answer, limits)
    first = next(blocks, b"")
    if start == 0 and is_page(first, answer.headers.get("Content-Type", "")):
        return _read_page(source, answer, first, blocks)
    with target.open("r+b" if start else "wb") as file:
        # After the file is empty: a note of a new file beside the bytes of an old one would mix both.
        _write_note(target, source, answer, total)
        file.seek(start)
        file.truncate()
        has, block = start, first
        while block:
            has += len(block)
            if has > limits.max_bytes:
                raise TooLargeError(f"{source.host} sends more than the {limits.max_bytes} bytes expected")
            file.write(block)
            on_bytes(has, total)
            block = next(blocks, b"")
    if has < total:
        raise _CutError(f"cut the connection after {has} of {total} bytes")
    return None


def _read_blocks(answer: requests.Response, limits: Limits) -> Iterator[bytes]:
    """Read the body as it comes.

    Raises:
        _CutError: it comes too slowly.
    """
    since, count = time.monotonic(), 0
    while block := answer.raw.read1(_BLOCK, decode_content=False):
        yield block
        count += len(block)
        passed = time.monotonic() - since
        if passed >= limits.measured_s:
            if count < limits.least_bytes_per_s * passed:
                raise _CutError(f"sends less than {limits.least_bytes_per_s:.0f} bytes a second")
            since, count = time.monotonic(), 0


def _read_page(source: Source, answer: requests.Response, first: bytes, blocks: Iterator[bytes]) -> str:
    """Read a page that came in the place of a file -> the address that its button leads to.

    Raises:
        SourceError: it has no such button; says what page it is.
    """
    page = first
    while len(page) < _MOST_PAGE and (block := next(blocks, b"")):
        page += block
    text = page[:_MOST_PAGE].decode("utf-8", "replace")
    if source.confirms and (confirmed := find_confirmation(text, answer.url)):
        return confirmed
    raise SourceError(f"{source.host} {explain_page(text, answer.url)}")


@dataclass(frozen=True)
class _Note:
    """What a host said of the file that is being fetched: by tag or date and size, it is known again."""

    tag: str = ""
    size: int = 0


def _locate_note(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _write_note(target: Path, source: Source, answer: requests.Response, total: int) -> None:
    tag = answer.headers.get("ETag", "")
    # A weak tag does not promise the same bytes.
    known = answer.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    fields = {"source": _hash(source), "tag": known, "size": total}
    write_text_atomically(_locate_note(target), json.dumps(fields))


def _read_note(target: Path, source: Source) -> _Note:
    """Read what is known of a part; a part of another source is removed."""
    try:
        fields = json.loads(_locate_note(target).read_text("utf-8"))
        if fields["source"] == _hash(source):
            return _Note(str(fields["tag"]), int(fields["size"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    forget(target)
    return _Note()


def _hash(source: Source) -> str:
    # Not the text: it may have a password in it.
    return hashlib.sha256(source.text.encode()).hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _parse_count(text: str) -> int:
    """Read a number of a header; 0 if it is none."""
    return int(text) if re.fullmatch(r"\d{1,18}", text) else 0


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn the errors of the libraries into those of this module."""
    try:
        yield
    except (requests.RequestException, HTTPError) as error:
        raise _CutError(_explain(error)) from error
    except ValueError as error:
        raise SourceError(
            f"{source.host} sends an address that makes no sense: {one_line(first_line(error))}"
        ) from error


def _explain_status(status: int) -> str:
    reason = {401: "asks for a password", 403: "refuses access", 404: "does not have the file", 410: "has removed it"}
    return f"{reason.get(status, 'answers with an error')} (HTTP {status})"


def _explain(error: Exception) -> str:
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy"
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that cannot be verified"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "does not answer"
    if isinstance(error, (requests.exceptions.ReadTimeout, ReadTimeoutError)):
        return "sends nothing"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached (is this machine online?)"
    if isinstance(error, HTTPError):
        return "cut the connection"
    return f"cannot be read: {one_line(first_line(error))[:200]}"
