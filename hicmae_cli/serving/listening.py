"""Listen at an address, and serve an application until a signal ends it."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from hicmae_cli.errors import HicmaeError


@dataclass(frozen=True)
class OpenPort:
    """A socket that listens.

    Attributes:
        socket: the socket.
        address: as in a URL, with the port.
    """

    socket: socket.socket
    address: str


@contextmanager
def listen(host: str, port: int) -> Iterator[OpenPort]:
    """Listen at an address, and close it at the end.

    Args:
        host: name or address of this machine.
        port: 0 takes a free one.

    Raises:
        HicmaeError: the address is not of this machine, or its port is taken.
    """
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.create_server(where[:2], family=family)
    except OSError as error:
        raise HicmaeError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    with opened:
        given = opened.getsockname()[1]
        yield OpenPort(opened, f"[{host}]:{given}" if ":" in host else f"{host}:{given}")


def run(app: FastAPI, opened: OpenPort, *, access_log: bool, patience_s: float) -> bool:
    """Serve until SIGTERM or Ctrl-C; requests that have begun are answered. A second Ctrl-C ends it at once.

    Args:
        app: what `create_app` made.
        opened: where it listens.
        access_log: whether to print a line for each request, without its content.
        patience_s: how long the end waits for requests, and for clients that do not read their answers, in seconds.

    Returns:
        Whether it could start.
    """
    # One implementation each: what is installed beside hicmae does not change how it works.
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        log_level="info" if access_log else "warning",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(patience_s),
    )
    # Not the steps of its start and its end, and no line for each damaged form.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    server = uvicorn.Server(config)
    server.run(sockets=[opened.socket])
    return server.started
