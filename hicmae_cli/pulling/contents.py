"""What a fetched file is, by its content: a model, or a web page in the place of one."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from hicmae_cli.errors import WeightsError, one_line

FileKind = Literal["checkpoint", "safetensors"]

_PAGE_START: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|!--|\?xml)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_FORM: Final = re.compile(r"<form[^>]*id=[\"']download-form[\"'][^>]*>(.*?)</form>", re.IGNORECASE | re.DOTALL)
_ACTION: Final = re.compile(r"action=[\"']([^\"']+)[\"']", re.IGNORECASE)
_INPUT: Final = re.compile(r"<input[^>]*>", re.IGNORECASE)
_QUOTA: Final = re.compile(r"quota|too many users have (?:viewed|downloaded)", re.IGNORECASE)
_SIGN_IN: Final = re.compile(r"sign[ -]?in|log[ -]?in|login\.microsoftonline\.com|accounts\.google\.com", re.IGNORECASE)
_MOST_TITLE: Final = 60
# The header of a safetensors file; the authors' largest model has about 500 tensors, 60 KB of header.
_MOST_HEADER_BYTES: Final = 16 << 20


def is_page(start: bytes, content_type: str = "") -> bool:
    """Whether the first bytes of a file, or the type that the server states, are those of a web page."""
    return content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml") or bool(
        _PAGE_START.match(start)
    )


def explain_page(page: str, url: str) -> str:
    """Explain what page came in the place of a file, as the end of a sentence."""
    match = _TITLE.search(page)
    title = one_line(" ".join(html.unescape(match[1]).split()))[:_MOST_TITLE] if match else ""
    named = f" ({title})" if title else ""
    if _QUOTA.search(page):
        return f"sent a page{named}: the file was fetched too often lately; try again tomorrow"
    if _SIGN_IN.search(page) or _SIGN_IN.search(url):
        return f"sent a sign-in page{named}: the link has expired, or is not public"
    return f"sent a web page{named} instead of a file: the link has expired"


def find_confirmation(page: str, url: str) -> str | None:
    """Find the address behind the button `Download anyway` of Google Drive; None if the page has no such button.

    Google shows the page for files that are too large for its virus scan. Only an address of the same site counts.
    """
    form = _FORM.search(page)
    action = _ACTION.search(form[0]) if form else None
    if form is None or action is None:
        return None
    target = urlsplit(urljoin(url, html.unescape(action[1])))
    fields = dict(parse_qsl(target.query))
    for tag in _INPUT.findall(form[1]):
        given = {name.lower(): html.unescape(value) for name, value in re.findall(r"(\w+)=[\"']([^\"']*)[\"']", tag)}
        if "name" in given:
            fields[given["name"]] = given.get("value", "")
    site = (urlsplit(url).hostname or "").split(".")[-2:]
    if target.scheme != urlsplit(url).scheme or (target.hostname or "").split(".")[-2:] not in (
        site,
        ["googleusercontent", "com"],
        ["google", "com"],
    ):
        return None
    return urlunsplit(target._replace(query=urlencode(fields)))


def find_kind(path: Path) -> FileKind:
    """Find out by its content what a file is.

    Raises:
        WeightsError: it is neither a PyTorch zip archive nor safetensors; says what it looks like.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
    if start[:4] == b"PK\3\4":
        if zipfile.is_zipfile(path):
            return "checkpoint"
        raise WeightsError("the file is a zip archive that is cut short")
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 0 < header <= min(size - 8, _MOST_HEADER_BYTES):
        return "safetensors"
    if is_page(start):
        raise WeightsError(f"the file {explain_page(start.decode('utf-8', 'replace'), '')}")
    what = "is empty" if not size else f"begins with {start[:8].hex(' ')}"
    raise WeightsError(f"expected a PyTorch checkpoint (a zip archive) or a safetensors file, but the file {what}")
