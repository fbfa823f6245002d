"""Where a file can be had: the kinds of sources in a catalogue, and the address that each of them stands for.

https://HOST/file.pth                              a plain address
https://TENANT.sharepoint.com/:u:/g/…?e=…          a share link of SharePoint or OneDrive for Business
gdrive:ID                                          a file of Google Drive
hf:OWNER/REPOSITORY/FILE@REVISION                  a file of Hugging Face; main without a revision
file:/folder/file.pth                              a file of this machine, such as a mirror
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hicmae_cli.errors import SettingsError

DRIVE_URL: Final = "https://drive.google.com/uc"
HUGGING_FACE_URL: Final = "https://huggingface.co"
KINDS: Final = "https:, hf:owner/repository/file@revision, gdrive:ID or file:/path"

_DRIVE: Final = re.compile(r"gdrive:([A-Za-z0-9_-]{10,100})")
_HUGGING_FACE: Final = re.compile(r"hf:([\w.-]+/[\w.-]+)/([^@\s]+?)(?:@([\w./-]+))?")
_FILE: Final = re.compile(r"file:(?://(?:localhost)?)?(/[^/].*)")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Source:
    """One place of a file.

    Attributes:
        text: as the catalogue has it. It may have a password in it: print `shown`.
        url: the address to fetch; None for a file of this machine.
        path: that file; None for an address.
        tells_hash: whether the host tells size and SHA-256 of a file before it sends it.
        confirms: whether the host asks to confirm the download of a large file.
    """

    text: str
    url: str | None = None
    path: Path | None = None
    tells_hash: bool = False
    confirms: bool = False

    @property
    def host(self) -> str:
        """Who has the file, for a message."""
        return "this machine" if self.url is None else urlsplit(self.url).hostname or "the host"

    @property
    def shown(self) -> str:
        """The source without a password and without a query, which may be a key: for messages and records."""
        parts = urlsplit(self.text)
        if parts.scheme not in ("http", "https"):
            return self.text
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def parse_source(text: str) -> Source:
    """Parse a source of a catalogue.

    Raises:
        SettingsError: it is of no known kind, or not encrypted. Only this machine may be asked over ``http:``.
    """
    try:
        source = _parse(text)
    except ValueError:  # an address with a bracket or port that makes no sense
        source = None
    if source is None:
        raise SettingsError(f"source={text!r}: expected {KINDS}")
    return source


def _parse(text: str) -> Source | None:
    if match := _DRIVE.fullmatch(text):
        return Source(text, f"{DRIVE_URL}?export=download&id={match[1]}", confirms=True)
    if match := _HUGGING_FACE.fullmatch(text):
        base = os.environ.get("HF_ENDPOINT", HUGGING_FACE_URL).rstrip("/")
        url = f"{base}/{match[1]}/resolve/{quote(match[3] or 'main', safe='')}/{quote(match[2])}"
        return Source(text, url, tells_hash=True) if is_safe(url) else None
    if match := _FILE.fullmatch(text):
        return Source(text, path=Path(unquote(match[1])))
    if not is_safe(text):
        return None
    parts = urlsplit(text)
    if (parts.hostname or "").endswith(".sharepoint.com") and parts.path.startswith("/:"):
        # The share link itself opens a page with a preview.
        parts = parts._replace(query="&".join(filter(None, (parts.query, "download=1"))))
    return Source(text, urlunsplit(parts))


def is_safe(url: str) -> bool:
    """Whether nobody in between can read or change what an address sends: encrypted, or of this machine.

    Raises:
        ValueError: it is not an address.
    """
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
