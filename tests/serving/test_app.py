"""The routes of the server, with a model that answers at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hicmae_cli.errors import SettingsError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.serving import answers, uploads
from hicmae_cli.serving.settings import ServeSettings
from tests.serving.fakes import BAD, BUG, CRASH, GONE_MODEL, NO_FACE, SLOW, FakePool, make_app

HAPPY = b"film\xf0"


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Uploads stay inside the test."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


@pytest.fixture
def client(pool: FakePool) -> Iterator[TestClient]:
    with TestClient(make_app(pool, max_size_mb=0.1)) as client:
        yield client


def send(client: TestClient, content: bytes, name: str = "film.mp4", **more: Any) -> Any:
    return client.post("/predict", files={"file": (name, content)}, **more)


def left(spool: Path) -> list[str]:
    """Uploads on the disk."""
    return [path.name for path in spool.rglob("*") if path.is_file()]


def test_the_answer_is_the_document_of_predict(client: TestClient, spool: Path) -> None:
    for answer in (send(client, HAPPY), client.post("/predict", content=HAPPY, headers={"Content-Type": "video/mp4"})):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        prediction = Prediction.from_dict(answer.json())
        assert prediction.to_dict() == answer.json()
        assert prediction.model == FakePool.model
        assert prediction.files[0].main_track is not None
        assert prediction.files[0].main_track.scores.label == "happiness"
    assert send(client, HAPPY).json()["files"][0]["path"] == "film.mp4"
    assert client.post("/predict", content=HAPPY).json()["files"][0]["path"] == uploads.NAMELESS
    assert left(spool) == []


def test_timelines_follow_the_client(client: TestClient) -> None:
    document = send(client, b"film\x80", params={"abstain": 0.9, "smooth_s": 1}).json()
    assert (document["settings"]["abstain"], document["settings"]["smooth_s"]) == (0.9, 1)
    assert {each["label"] for each in document["files"][0]["tracks"][0]["episodes"]} == {None}


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (BAD, 422, r"film.mp4: cannot be read\x1b[31m"),
        (CRASH, 500, "film.mp4: its process crashed (SIGSEGV) in a decoder or a model"),
        (GONE_MODEL, 500, "the model cannot be loaded any more; the server's log says why"),
        (BUG, 500, "film.mp4: unexpected ZeroDivisionError; the server's log has the details"),
        (b"", 400, "the file is empty (0 bytes)"),
        (b"x" * 200_000, 413, "the body is larger than 0.1 MB, the limit of this server"),
    ],
)
def test_faults_are_one_line(client: TestClient, spool: Path, content: bytes, status: int, message: str) -> None:
    answer = send(client, content)
    assert (answer.status_code, answer.json()) == (status, {"error": message})
    assert send(client, HAPPY).status_code == 200  # it goes on
    assert left(spool) == []


def test_a_video_without_a_face_is_an_answer(client: TestClient) -> None:
    (file,) = send(client, NO_FACE).json()["files"]
    assert (file["status"], file["message"], file["tracks"]) == ("no-face", "no face was found", [])


FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\nfilm\xf0\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        ("application/json", b'{"url": "http://a/b.mp4"}', 415, "a body of type application/json is not accepted"),
        ("application/x-www-form-urlencoded", b"path=/etc/passwd", 415, "is not accepted; send a form"),
        ("text/plain", b"a", 415, "text/plain"),
        ("multipart/form-data", b"", 400, "the form has no boundary"),
        (FORM, b"film", 400, "the form cannot be read"),
        (FORM, PART % b"file", 400, "the form is cut short"),
        (FORM, PART % b"url" + b"--b--\r\n", 400, "expected one part with the name 'file' in the form, got 'url'"),
        (FORM, PART % b"file" + PART % b"file" + b"--b--\r\n", 400, "got 'file' as well"),
        (FORM, b"--b--\r\n", 400, "form"),
        (FORM, b"--b\r\nContent-Disposition: " + b"x" * 50_000, 400, "the form cannot be read"),
        (FORM, b"--b\r\n" + b"a: b\r\n" * 5000, 400, "the form cannot be read"),
    ],
)
def test_other_bodies_are_refused(client: TestClient, kind: str, body: bytes, status: int, message: str) -> None:
    answer = client.post("/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert message in answer.json()["error"]


@pytest.mark.parametrize("query", ["smooth_s=-1", "smooth_s=nan", "abstain=2", "abstain=x"])
def test_wrong_parameters_are_named(client: TestClient, query: str) -> None:
    answer = client.post(f"/predict?{query}", content=HAPPY)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{query.partition('=')[0]}: ")


def test_a_stream_shows_the_progress_and_ends_with_the_document(client: TestClient) -> None:
    whole = send(client, HAPPY).json()
    lines = send(client, HAPPY, headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    events = [json.loads(line) for line in lines.text.splitlines()]
    assert {each["event"] for each in events[:-1]} <= {"waiting", "progress"}
    assert events[-1] == {"event": "result", "prediction": whole}
    sent = send(client, HAPPY, headers={"Accept": "text/event-stream, */*"})
    assert sent.headers["content-type"].startswith("text/event-stream")
    last = sent.text.strip().split("\n\n")[-1]
    assert re.match(r"event: result\ndata: \{", last)
    assert json.loads(last.partition("data: ")[2]) == events[-1]


def test_a_stream_ends_with_its_error(client: TestClient) -> None:
    answer = send(client, BAD, headers={"Accept": "application/x-ndjson"})
    last = json.loads(answer.text.splitlines()[-1])
    assert (answer.status_code, last["event"], last["status"]) == (200, "error", 422)
    assert 'hicmae_predictions_total{status="422"} 1.0' in client.get("/metrics").text


def test_a_full_queue_says_when_to_come_back(pool: FakePool) -> None:
    with TestClient(make_app(pool, queue=0)) as client:
        slow: list[Any] = []
        thread = Thread(target=lambda: slow.append(send(client, SLOW + b"")))
        thread.start()
        assert pool.began.wait(5)
        answer = send(client, HAPPY)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "queue is full" in answer.json()["error"]
        pool.goes_on.set()
        thread.join()
        assert slow[0].status_code == 200
        assert send(client, HAPPY).status_code == 200


def test_the_time_limit_stops_a_prediction(pool: FakePool, spool: Path) -> None:
    with TestClient(make_app(pool, time_limit_s=0.5)) as client:
        answer = send(client, SLOW)
        assert answer.status_code == 504
        assert "time limit" in answer.json()["error"]
        assert pool.stopped.wait(5)
        assert send(client, HAPPY).status_code == 200
        assert pool.warmed == 1
        assert "hicmae_lost_processes_total 1.0" in client.get("/metrics").text
    assert pool.is_closed
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson"])
def test_a_client_that_leaves_cancels_its_job(pool: FakePool, spool: Path, accept: str) -> None:
    app = make_app(pool)

    async def leave() -> None:
        async with app.router.lifespan_context(app):
            gone = asyncio.Event()
            bodies = [{"type": "http.request", "body": SLOW, "more_body": False}]

            async def receive() -> dict[str, Any]:
                if bodies:
                    return bodies.pop()
                await gone.wait()
                return {"type": "http.disconnect"}

            async def ignore(message: Any) -> None:
                pass

            request = asyncio.create_task(app(scope(accept), receive, ignore))
            await asyncio.to_thread(pool.began.wait, 5)
            gone.set()
            assert await asyncio.to_thread(pool.stopped.wait, 5)
            await request
            assert left(spool) == []

    asyncio.run(leave())


def test_a_client_that_reads_nothing_does_not_keep_its_place(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_UNREAD_S", 0.1)
    app = make_app(pool, queue=0)

    async def read_nothing() -> None:
        async with app.router.lifespan_context(app):
            bodies = [{"type": "http.request", "body": SLOW, "more_body": False}]

            async def receive() -> dict[str, Any]:
                if bodies:
                    return bodies.pop()
                return await asyncio.Future()  # it stays connected

            async def block(message: Any) -> None:
                if message["type"] == "http.response.body":
                    await asyncio.Future()

            await asyncio.wait_for(app(scope("text/event-stream"), receive, block), 5)
            assert await asyncio.to_thread(pool.stopped.wait, 5)
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
                assert (await client.get("/health")).json()["waiting"] == 0
                assert (await client.post("/predict", content=HAPPY)).status_code == 200
                assert 'status="499"' in (await client.get("/metrics")).text

    asyncio.run(read_nothing())


def scope(accept: str) -> dict[str, Any]:
    headers = [(b"accept", accept.encode()), (b"content-type", b"video/mp4")]
    return {
        "type": "http", "method": "POST", "path": "/predict", "raw_path": b"/predict", "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("a", 80), "client": ("b", 1),
        "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip


def test_an_upload_that_stalls_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_STALL_S", 0.1)
    monkeypatch.setattr(uploads, "_DISCARDING_S", 0.1)
    app = make_app()
    said: list[Any] = []

    async def stall() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3)
            return {"type": "http.disconnect"}

        async def note(message: Any) -> None:
            said.append(message)

        async with app.router.lifespan_context(app):
            await app(scope("*/*"), receive, note)

    began_s = time.monotonic()
    asyncio.run(stall())
    assert said[0]["status"] == 408
    assert time.monotonic() - began_s < 2


def test_a_disk_that_takes_no_file_is_one_line(
    client: TestClient, pool: FakePool, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda _: "missing/folder")
        answer = send(client, HAPPY)
    assert answer.status_code == 503
    assert answer.json() == {"error": "the server cannot store the file: No such file or directory"}
    assert send(client, HAPPY).status_code == 200


def test_names_of_clients_are_no_paths(client: TestClient, pool: FakePool, spool: Path) -> None:
    for name in ("../../../etc/passwd", "C:\\Windows\\a.mp4", "..", "\x1b[31m\n.mp4", "a" * 3000, "", "/"):
        answer = send(client, HAPPY, name or "x")
        assert answer.status_code == 200
        shown = answer.json()["files"][0]["path"]
        assert "/" not in shown and "\\W" not in shown and len(shown) <= 200 and shown.isprintable()
    folders = {path.parent for path in pool.paths}
    assert len(folders) == 1 and folders.pop().parent == spool
    assert all(re.fullmatch("[0-9a-f]{32}", path.name) for path in pool.paths)


def test_a_token_is_needed_where_the_server_works() -> None:
    with TestClient(make_app(token="a-secret")) as client:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-secret"}):
            for answer in (send(client, HAPPY, headers=given), client.get("/model", headers=given)):
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert "a-secret" not in answer.text
        right = {"Authorization": "Bearer a-secret"}
        assert send(client, HAPPY, headers=right).status_code == 200
        assert client.get("/metrics", headers=right).status_code == 200
        assert [client.get(path).status_code for path in ("/health", "/", "/docs", "/openapi.json")] == [200] * 4


def test_pages_of_other_sites_are_refused(client: TestClient) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},  # a page in a sandbox
    ):
        assert send(client, HAPPY, headers=headers).status_code == 403, headers
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.proxy"},
        {"Origin": "http://testserver"},
    ):
        assert send(client, HAPPY, headers=headers).status_code == 200, headers


def test_the_model_says_what_it_is(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["weights"]["labels"] == ["anger", "happiness", "neutral"]
    assert model["weights"]["licence"] == "MIT"
    assert model["limits"] == {"max_bytes": 100_000, "time_limit_s": 600.0, "queue": 8}
    assert "licence MIT" in model["summary"]


def test_a_client_does_not_learn_where_the_weight_lies(pool: FakePool) -> None:
    pool.model = dataclasses.replace(FakePool.model, name="/home/somebody/my.safetensors")
    with TestClient(make_app(pool)) as client:
        assert client.get("/model").json()["weights"]["name"] == "my.safetensors"
        assert "somebody" not in client.get("/model").text + send(client, HAPPY).text


def test_counters_can_be_read_by_prometheus(client: TestClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    send(client, HAPPY)
    send(client, b"")
    read = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    answers = {each.labels["status"]: each.value for each in read["hicmae_predictions"].samples if each.labels}
    assert answers["200"] == 1 and answers["400"] == 1
    assert client.get("/health").json()["waiting"] == 0


def test_unknown_places_and_methods_are_one_line(client: TestClient) -> None:
    for method, path, status in (("GET", "/predict", 405), ("GET", "/nowhere", 404), ("POST", "/", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_size_mb": 0}, "max_size_mb=0: expected more"),
        ({"max_size_mb": float("nan")}, "max_size_mb=nan"),
        ({"time_limit_s": -1}, "time_limit_s=-1"),
        ({"queue": -1}, "queue=-1: expected 0 to 1000"),
        ({"token": ""}, "`token`: expected printable"),
        ({"token": "a b"}, "`token`: expected no space"),
        ({"web": Path("/nowhere")}, "web='/nowhere': expected a folder with an index.html"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        ServeSettings(**settings)
    assert "a b" not in repr(ServeSettings(token="secret-word")) and "secret" not in repr(ServeSettings(token="secret"))


def test_the_application_is_one(pool: FakePool) -> None:
    app = make_app(pool)
    assert isinstance(app, FastAPI) and app.state.model == FakePool.model
