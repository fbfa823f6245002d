"""Servers that listen at a free port of this machine: in this process with a fake model, and the real command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import uvicorn
from fastapi import FastAPI

from hicmae_cli.serving.listening import listen


@contextmanager
def serve_here(app: FastAPI) -> Iterator[str]:
    """Serve an application in a thread -> its address."""
    with listen("127.0.0.1", 0) as opened:
        config = uvicorn.Config(app, http="h11", ws="none", loop="asyncio", log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [opened.socket]})
        thread.start()
        try:
            yield f"http://{opened.address}"
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Running:
    """The command.

    Attributes:
        process: its process.
        url: where it serves.
        said: its first lines on stdout and stderr.
    """

    process: subprocess.Popen[str]
    url: str
    said: str

    def find_workers(self) -> list[int]:
        """The processes that predict; Linux only."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
                command = (stat.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == self.process.pid and b"spawn_main" in command:
                found.append(int(stat.parent.name))
        return found


@contextmanager
def hicmae_serve(*options: object, spool: Path) -> Iterator[Running]:
    """Run the command until the block ends."""
    command = [sys.executable, "-m", "hicmae_cli.cli", "serve", "--port", "0", *map(str, options)]
    environment = {**os.environ, "TMPDIR": str(spool), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    try:
        said = ""
        assert process.stdout is not None
        while not (found := re.search(r"serves (http://\S+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        # Nobody reads on: a full pipe would stop the server.
        Thread(target=process.stdout.read, daemon=True).start()
        yield Running(process, found[1], said)
    finally:
        process.kill()
        process.wait()
