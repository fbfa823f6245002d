"""A web server of this machine that misbehaves as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """What an address answers.

    Attributes:
        body: the file or page.
        status: of the answer.
        type: of the content.
        tag: the ETag; None for none.
        ranges: whether the host continues a part.
        cuts: of the following answers, after how many bytes each is cut.
        drip_s: seconds between single bytes; 0 to send all at once.
        headers: further headers.
        says_length: whether it says how long the file is.
        most_of_a_part: bytes that it sends of a part at most.
    """

    body: bytes = b""
    status: int = 200
    type: str = "application/octet-stream"
    tag: str | None = '"one"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    drip_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    says_length: bool = True
    most_of_a_part: int | None = None


class Host:
    """The server. ``pages`` maps a path to what it serves, or to a function that chooses at each request."""

    def __init__(self) -> None:
        self.pages: dict[str, Served | Callable[[Any], Served]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.stopping = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                host.answer(self, with_body=False)

            def do_GET(self) -> None:
                host.answer(self, with_body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # The other side may go at any moment.
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]

    def url(self, path: str = "/model.pth") -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def answer(self, request: Any, *, with_body: bool) -> None:
        self.asked.append((request.command, request.path, request.headers.get("Range", "")))
        page = self.pages.get(request.path, Served(b"not here", 404, "text/plain"))
        served = page(request) if callable(page) else page
        start, status = 0, served.status
        asked = request.headers.get("Range", "")
        same = request.headers.get("If-Range") in (None, served.tag)
        if asked and served.ranges and status == 200 and same:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            status = 206 if start < len(served.body) else 416
        request.send_response(status)
        body = served.body[start:] if status != 416 else b""
        if status == 206:
            body = body[: served.most_of_a_part]
            request.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(served.body)}")
        if status == 416:
            request.send_header("Content-Range", f"bytes */{len(served.body)}")
        if served.says_length:
            request.send_header("Content-Length", str(len(body)))
        else:
            request.close_connection = True
        request.send_header("Content-Type", served.type)
        if served.tag:
            request.send_header("ETag", served.tag)
        for name, value in served.headers.items():
            request.send_header(name, value)
        request.end_headers()
        if not with_body:
            return
        if served.cuts and status in (200, 206):
            body = body[: served.cuts.pop(0)]
            request.close_connection = True
        try:
            for at in range(0, len(body), 1 if served.drip_s else 1 << 14):
                request.wfile.write(body[at : at + (1 if served.drip_s else 1 << 14)])
                if served.drip_s and self.stopping.wait(served.drip_s):
                    return
        except OSError:
            pass  # the other side has gone


@contextmanager
def serving() -> Iterator[Host]:
    host = Host()
    thread = threading.Thread(target=host.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.stopping.set()
        host.server.shutdown()
        host.server.server_close()
        thread.join()
