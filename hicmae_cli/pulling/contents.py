"""What a fetched file is, by its content: a model, or a web page in the place of one."""

from __future__ import annotations

import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from hicmae_cli.errors import WeightsError, one_line

FileKind = Literal["checkpoint", "safetensors"]

_ZIP_START: Final = b"PK\3\4"
_PAGE_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|!--|\?xml)", re.IGNORECASE)
_QUOTA: Final = re.compile(r"quota|too many users have (?:viewed|downloaded)", re.IGNORECASE)
_SIGN_IN: Final = re.compile(r"\b(?:sign|log)[ -]?in\b", re.IGNORECASE)
_SIGN_IN_HOSTS: Final = ("login.microsoftonline.com", "accounts.google.com", "login.live.com")
_DRIVE_HOSTS: Final = ("google.com", "googleusercontent.com")
_MOST_TITLE: Final = 60
# The header of a safetensors file; the authors' largest model has about 500 tensors, 60 KB of header.
_MOST_HEADER_BYTES: Final = 16 << 20


def is_page(start: bytes, content_type: str = "") -> bool:
    """Whether a file is a web page, by its first bytes; if these say nothing, by the type that the server states."""
    if start.startswith(_ZIP_START) or start[8:9] == b"{":
        return False
    stated = content_type.partition(";")[0].strip().lower()
    return bool(_PAGE_START.match(start)) or stated in ("text/html", "application/xhtml+xml")


class _Page(HTMLParser):
    """Reads the title of a page and the form that confirms a download."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.title, self.action, self.fields = "", "", dict[str, str]()
        self._is_title = self._is_form = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("id") == "download-form":
            self._is_form, self.action = True, given.get("action", "")
        elif tag == "input" and self._is_form and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")
        self._is_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._is_title = False
        self._is_form = self._is_form and tag != "form"

    def handle_data(self, data: str) -> None:
        if self._is_title:
            self.title += data


def explain_page(page: str, url: str) -> str:
    """Explain what page came in the place of a file, as the end of a sentence."""
    title = one_line(" ".join(_Page(page).title.split()))[:_MOST_TITLE]
    named = f" ({title})" if title else ""
    if _QUOTA.search(title) or "too many users have" in page.lower():
        return f"sent a page{named}: the file was fetched too often lately; try again tomorrow"
    if _SIGN_IN.search(title) or urlsplit(url).hostname in _SIGN_IN_HOSTS:
        return f"sent a sign-in page{named}: the link has expired, or is not public"
    return f"sent a web page{named} instead of a file; the link may have expired"


def find_confirmation(page: str, url: str) -> str | None:
    """Find the address behind the button `Download anyway` of Google Drive; None if the page has no such button.

    Google shows the page for files that are too large for its virus scan. Only an address of Google counts, or of the
    host that sent the page.

    Raises:
        ValueError: the page has an address that makes no sense.
    """
    form = _Page(page)
    if not form.action:
        return None
    target = urlsplit(urljoin(url, form.action))
    host = target.hostname or ""
    is_google = any(host == known or host.endswith(f".{known}") for known in _DRIVE_HOSTS)
    if target.scheme != urlsplit(url).scheme or not (is_google or target.netloc == urlsplit(url).netloc):
        return None
    return urlunsplit(target._replace(query=urlencode({**dict(parse_qsl(target.query)), **form.fields})))


def find_kind(path: Path) -> FileKind:
    """Find out by its content what a file is.

    Raises:
        WeightsError: it is neither a PyTorch zip archive nor safetensors; says what it looks like.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(_ZIP_START):
        if zipfile.is_zipfile(path):
            return "checkpoint"
        raise WeightsError("the file is a zip archive that is cut short")
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 0 < header <= min(size - 8, _MOST_HEADER_BYTES):
        return "safetensors"
    if is_page(start):
        raise WeightsError("the file is a web page")
    what = "is empty" if not size else f"begins with {start[:8].hex(' ')}"
    raise WeightsError(f"expected a PyTorch checkpoint (a zip archive) or a safetensors file, but the file {what}")
