"""The command up to the moment when it serves; tests/serving has the rest."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hicmae_cli.cli import serve as command
from hicmae_cli.serving import app as serving
from hicmae_cli.serving import listening
from tests.cli.running import hicmae
from tests.serving.fakes import FakePool, make_app


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Settings of the servers that would have begun."""
    seen: list[Any] = []

    def create(settings: Any) -> Any:
        seen.append(settings)
        return make_app(FakePool())

    monkeypatch.setattr(serving, "create_app", create)
    monkeypatch.setattr(listening, "run", lambda *_, **__: True)
    yield seen


def test_it_says_where_what_and_how_much(served: list[Any]) -> None:
    run = hicmae("serve", "--port", 0, "--max-size", 20, "--time-limit", 30, "--queue", 2, "--faces", "all")
    assert run.code == 0
    assert run.out.startswith("serves http://127.0.0.1:")
    assert "licence MIT" in run.err
    assert "limits: 20 MB and 30 s per request, at most 2 in the queue" in run.err
    assert "warning" not in run.err
    (settings,) = served
    assert (settings.max_bytes, settings.time_limit_s, settings.queue) == (20_000_000, 30, 2)
    assert settings.predict.faces == "all" and settings.token is None


def test_an_open_address_is_a_warning(served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "(no token)" in hicmae("serve", "--port", 0, "--host", "0.0.0.0").err
    monkeypatch.setenv("HICMAE_TOKEN", "secret-word")
    run = hicmae("serve", "--port", 0, "--host", "0.0.0.0")
    assert "are not encrypted" in run.err and "secret-word" not in run.err + run.out
    assert served[-1].token == "secret-word"
    assert "HICMAE_TOKEN" not in os.environ  # the process that reads files has no need of it


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--max-size", 0], 2, "error: --max-size 0.0: expected more than 0 megabytes"),
        (["--time-limit", 0], 2, "error: --time-limit 0.0: expected more than 0 seconds"),
        (["--queue", -1], 2, "error: --queue -1: expected 0 to 1000 requests"),
        (["--token", ""], 2, "error: --token: expected printable ASCII"),
        (["--web", "nowhere"], 2, "error: --web nowhere: expected a folder with an index.html"),
        (["--faces", "0"], 2, "error: --faces 0"),
        (["--host", "192.0.2.1"], 1, "error: cannot listen on 192.0.2.1, port 8000: "),
    ],
)
def test_wrong_options_are_one_line(served: list[Any], options: list[object], code: int, message: str) -> None:
    run = hicmae("serve", *options)
    assert (run.code, served) == (code, [])
    assert run.last_line.startswith(message)


def test_a_port_that_is_taken_is_one_line(served: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = hicmae("serve", "--port", taken.getsockname()[1])
    assert run.code == 1
    assert run.last_line.startswith("error: cannot listen on 127.0.0.1, port")
    assert served == []


def test_without_its_packages_it_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "missing_packages", lambda names: ["fastapi", "uvicorn"])
    run = hicmae("serve")
    assert run.code == 1
    assert (
        run.last_line == "error: hicmae serve needs fastapi, uvicorn: pip install '.[serve]' in the checkout of hicmae"
    )
