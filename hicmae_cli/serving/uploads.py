"""Read the body of a request into a file: a form with a file, or the bytes of the file themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from fastapi import HTTPException, Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from hicmae_cli.errors import one_line
from hicmae_cli.serving.settings import MB

FIELD: Final = "file"
"""Name of the part of a form that holds the file."""
NAMELESS: Final = "upload"
"""What results call a file without a name."""
RAW_TYPES: Final = ("application/octet-stream", "application/mp4", "application/ogg", "audio/*", "image/*", "video/*")
"""Types of a body that is the file itself; a body without a type is one, too."""
_STALL_S: Final = 30.0
_LONGEST_NAME: Final = 200
# A client that is refused often reads the answer only after it has sent everything.
_DISCARDED_BYTES: Final = 8 * MB
_DISCARDING_S: Final = 2.0


class Body:
    """The body of a request, read once and piece by piece.

    Args:
        request: nothing else may read from it.
        most_bytes: limit of its length.
        until_s: when it must have arrived, on the clock of ``time.monotonic``.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, request: Request, most_bytes: int, until_s: float) -> None:
        self.size = 0
        self._request, self._most_bytes, self._until_s = request, most_bytes, until_s
        self._has_ended = False

    def check_stated_length(self) -> None:
        """Refuse a body whose header says that it is too long, before it is read.

        Raises:
            HTTPException: 413.
        """
        stated = self._request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._most_bytes:
            raise self._refuse_length()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body.

        Raises:
            HTTPException: 408, it comes too slowly; 413, it is too long.
            ClientDisconnect: the client is gone.
        """
        while not self._has_ended:
            left_s = self._until_s - time.monotonic()
            try:
                chunk = await asyncio.wait_for(self._receive(), min(_STALL_S, max(0.0, left_s)))
            except asyncio.TimeoutError:
                raise HTTPException(408, "the upload is too slow; send the file faster, or a smaller one") from None
            self.size += len(chunk)
            if self.size > self._most_bytes:
                raise self._refuse_length()
            yield chunk

    async def discard(self) -> None:
        """Read on for a moment without keeping anything, so that the client gets to read why it is refused."""
        until_s, end = time.monotonic() + _DISCARDING_S, self.size + _DISCARDED_BYTES
        if self.size == 0 and "expect" in self._request.headers:
            return  # it sends nothing before it is told to
        try:
            while not self._has_ended and self.size < end:
                chunk = await asyncio.wait_for(self._receive(), max(0.0, until_s - time.monotonic()))
                self.size += len(chunk)
        except (asyncio.TimeoutError, ClientDisconnect):
            return

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._has_ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _refuse_length(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than {self._most_bytes / MB:g} MB, the limit of this server")


async def receive_file(request: Request, body: Body, path: Path) -> str:
    """Write the file of a request to the disk -> its name in the form, for people only; never a path.

    Args:
        request: its headers say what the body is.
        body: its body.
        path: where to; it must not exist.

    Raises:
        HTTPException: 400, no file or a damaged form; 408 and 413, see `Body`; 415, a body of another type; 503, the
            disk is full.
        ClientDisconnect: the client is gone.
    """
    stated, options = parse_options_header(request.headers.get("content-type"))
    kind = stated.decode("latin-1").lower()
    is_form = kind == "multipart/form-data"
    if not is_form and not _is_raw(kind):
        raise HTTPException(
            415,
            f"a body of type {one_line(kind)[:100]} is not accepted; send a form (multipart/form-data) with the part "
            f"{FIELD!r}, or the file itself as application/octet-stream",
        )
    body.check_stated_length()
    try:
        with path.open("xb") as file:
            form = _Form(options.get(b"boundary", b""), file) if is_form else None
            async for chunk in body.chunks():
                # Not in the event loop: a disk may be slow.
                await asyncio.to_thread(file.write if form is None else form.write, chunk)
    except OSError as error:
        raise HTTPException(503, f"the server cannot store the file: {error.strerror}") from error
    if form is not None:
        form.check_end()
    if path.stat().st_size == 0:
        raise HTTPException(400, "the file is empty (0 bytes)")
    return NAMELESS if form is None else form.name


def _is_raw(kind: str) -> bool:
    return not kind or kind in RAW_TYPES or f"{kind.partition('/')[0]}/*" in RAW_TYPES


class _Form:
    """A form with one file, written to the disk as it arrives.

    Args:
        boundary: from the header of the request.
        file: where the content goes.

    Attributes:
        name: of the file, as the client calls it.

    Raises:
        HTTPException: 400, there is no boundary.
    """

    def __init__(self, boundary: bytes, file: BinaryIO) -> None:
        self.name = NAMELESS
        self._file = file
        self._header_name, self._header_value = b"", b""
        self._disposition = b""
        self._parts = 0
        self._is_whole = False
        if not boundary:
            raise HTTPException(400, "the form has no boundary in its Content-Type")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_header_field": self._read_header_name,
                    "on_header_value": self._read_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_part_data": self._read_content,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _refuse_form(error) from error

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the form.

        Raises:
            HTTPException: 400, it is no form, or holds anything but one file.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _refuse_form(error) from error

    def check_end(self) -> None:
        """Check that the form ended.

        Raises:
            HTTPException: 400, it is cut short, or holds no file.
        """
        if not self._is_whole:
            raise HTTPException(400, "the form is cut short: its last boundary is missing")
        if not self._parts:
            raise HTTPException(400, f"the form holds no file; expected one part with the name {FIELD!r}")

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name, self._header_value = b"", b""

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode("utf-8", "replace")
        self._parts += 1
        if field != FIELD or self._parts > 1:
            also = " as well" if self._parts > 1 else ""
            raise HTTPException(
                400, f"expected one part with the name {FIELD!r} in the form, got {one_line(field)[:50]!r}{also}"
            )
        self.name = clean_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        self._disposition = b""

    def _read_content(self, data: bytes, start: int, end: int) -> None:
        self._file.write(data[start:end])

    def _end(self) -> None:
        self._is_whole = True


def _refuse_form(error: FormParserError) -> HTTPException:
    return HTTPException(400, f"the form cannot be read: {one_line(str(error))[:200]}")


def clean_name(name: str) -> str:
    """Return the last part of a client's file name, on one short line; without one, `NAMELESS`."""
    last = one_line(name.replace("\\", "/").rpartition("/")[2])[:_LONGEST_NAME].strip()
    return last if last.strip(".") else NAMELESS
