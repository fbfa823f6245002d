"""What the OpenAPI document promises is what the server does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.serving.fakes import make_app
from tests.serving.servers import serve_here

TOKEN = "a-token"


def test_every_route_says_what_it_answers() -> None:
    with TestClient(make_app(token=TOKEN)) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/model", "/metrics", "/health"}
    assert set(paths["/predict"]["post"]["responses"]) >= {"200", "400", "413", "415", "422", "503", "504"}
    assert set(paths["/predict"]["post"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/x-ndjson",
        "text/event-stream",
    }


@pytest.mark.integration
def test_requests_that_schemathesis_makes_up_are_answered_as_promised(tmp_path: Path) -> None:
    with serve_here(make_app(token=TOKEN, max_size_mb=0.01)) as url:
        options = ["--max-examples", "40", "--checks", "all", "--generation-deterministic", "--no-shrink"]
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *options]
        done = subprocess.run(
            [*command, "--header", f"Authorization: Bearer {TOKEN}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Tested: 4" in done.stdout
