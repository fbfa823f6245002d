"""The real command with the bundled weight, over a real connection."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

import hicmae_cli as hicmae
from hicmae_cli.bench.prediction import repeat_clip
from hicmae_cli.errors import WeightsError
from hicmae_cli.runtime.batch import PredictorPool
from hicmae_cli.serving.app import open_pool
from hicmae_cli.serving.settings import ServeSettings
from hicmae_cli.weights.catalogue import find_weight
from hicmae_cli.weights.suffixes import ONNX
from tests.cli.running import hicmae as run_command
from tests.media.hostile import HOSTILE
from tests.runtime.stubs import voice
from tests.serving.servers import Running, hicmae_serve

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: it finds processes in /proc")
pytestmark = pytest.mark.integration


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def server(spool: Path) -> Iterator[Running]:
    with hicmae_serve("--queue", 3, spool=spool) as running:
        yield running


def send(server: Running, path: Path, **headers: str) -> httpx2.Response:
    with path.open("rb") as file:
        return httpx2.post(f"{server.url}/predict", files={"file": (path.name, file)}, headers=headers, timeout=120)


def without_path(document: dict[str, Any]) -> dict[str, Any]:
    for file in document["files"]:
        file["path"] = Path(file["path"]).name
    return document


@linux_only
def test_a_sample_a_crash_and_the_end(server: Running, spool: Path, sample: Path, tmp_path: Path) -> None:
    """The same numbers as `predict`; a killed process loses one request; SIGTERM answers what has begun."""
    sound = voice(tmp_path / "voice.wav", 1.0)
    expected = run_command("predict", sample, "--json", "--quiet").document
    assert without_path(send(server, sample).json()) == without_path(expected)
    assert "licence research use" in server.said

    (worker,) = server.find_workers()
    long = tmp_path / "long.mp4"
    repeat_clip(sample, long, 60.0)  # the process must still be busy when it is killed
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(send, server, long)
        _wait_for_upload(spool)
        waits = threads.submit(send, server, sound)
        time.sleep(0.5)
        os.kill(worker, signal.SIGKILL)
        assert lost.result().status_code == 500
        assert lost.result().json() == {"error": "long.mp4: its process was killed, probably because memory ran out"}
        assert waits.result().status_code == 200  # in a new process
    assert [path.name for path in spool.rglob("*") if path.is_file()] == []

    with ThreadPoolExecutor(2) as threads:
        begun = [threads.submit(send, server, path) for path in (sample, sound)]
        _wait_for_upload(spool, count=2)
        server.process.send_signal(signal.SIGTERM)
        assert [each.result().status_code for each in begun] == [200, 200]
    server.process.wait(30)
    assert server.process.returncode == -signal.SIGTERM
    assert list(spool.iterdir()) == []
    assert server.find_workers() == []


def _wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not is_so() and time.monotonic() < until_s:
        time.sleep(0.02)


def _wait_for_upload(spool: Path, count: int = 1) -> None:
    _wait_until(lambda: sum(path.is_file() for path in spool.rglob("*")) >= count)
    time.sleep(0.3)


def test_a_weight_that_is_gone_is_not_the_fault_of_a_file(tmp_path: Path) -> None:
    weight = tmp_path / "mine.onnx"
    bundled = find_weight("hicmae-nano", ONNX)
    assert bundled is not None
    shutil.copyfile(bundled, weight)
    with closing(open_pool(ServeSettings(weights=str(weight)))) as pool:
        assert isinstance(pool, PredictorPool) and pool._pool is not None
        weight.unlink()
        pool._pool.close()  # as a file that crashes it
        with pytest.raises(WeightsError, match="mine"):
            pool.predict_one(voice(tmp_path / "voice.wav", 1.0), lambda *_: None, lambda: None)


@linux_only
def test_a_killed_server_leaves_nothing_for_long(spool: Path, sample: Path) -> None:
    with hicmae_serve(spool=spool) as server, ThreadPoolExecutor(1) as threads:
        (worker,) = server.find_workers()
        lost = threads.submit(send, server, sample)
        _wait_for_upload(spool)
        server.process.kill()
        with pytest.raises(httpx2.HTTPError):
            lost.result()
        _wait_until(lambda: not Path(f"/proc/{worker}").exists())
        assert not Path(f"/proc/{worker}").exists()
    (left,) = spool.iterdir()
    os.utime(left, (0, 0))
    with hicmae_serve(spool=spool):
        _wait_until(lambda: not left.exists())
        assert not left.exists()


@linux_only
def test_clients_that_misbehave_lose_only_themselves(server: Running, spool: Path, tmp_path: Path) -> None:
    sound = voice(tmp_path / "voice.wav", 1.0)
    host, port = server.url.removeprefix("http://").split(":")
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: video/mp4\r\nContent-Length: 1000\r\n\r\n"
    # Cut in the head and in the body, and not HTTP at all.
    for text in (head[:40], head + b"x" * 10, b"\x16\x03\x01\x00\xa5\x01\x00", b"GET / HTTP/1.1\r\n" * 9000):
        with socket.create_connection((host, int(port))) as opened:
            try:
                opened.sendall(text)
            except OSError:
                continue
    # A playlist, in the words of the client a film.
    for text in (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"ffconcat version 1.0\nfile '/etc/passwd'\n"):
        answer = httpx2.post(f"{server.url}/predict", content=text, headers={"Content-Type": "video/mp4"})
        assert (answer.status_code, "points at other files" in answer.json()["error"]) == (422, True)
    for name in HOSTILE.keys() - {"gif_4980_40.gif", "paused_10h.mp4"}:  # which take seconds
        HOSTILE[name](tmp_path / name)
        answer = send(server, tmp_path / name)
        assert answer.status_code in (200, 422), name
        assert str(spool) not in answer.text, name
    answer = send(server, sound)
    assert answer.status_code == 200
    assert answer.json()["files"][0]["duration_s"] == 1.0
    assert "hicmae_lost_processes_total 0.0" in httpx2.get(f"{server.url}/metrics").text
    _wait_until(lambda: len(list(spool.rglob("*"))) <= 1)
    assert [path.name for path in spool.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_two_hundred_requests_lose_none(spool: Path, tmp_path: Path) -> None:
    """Eight clients, and room for four requests: some come back, as they are told, and each gets its own answer."""
    sounds = [voice(tmp_path / f"voice {seed}.wav", 1.0 + seed / 8, seed) for seed in range(8)]
    predictor = hicmae.Predictor(hicmae.load_weight("hicmae-nano"))
    expected = {
        sound.name: [track.to_dict()["probabilities"] for track in predictor.predict(sound).tracks] for sound in sounds
    }
    assert len({json.dumps(each) for each in expected.values()}) == len(sounds)
    came_back: list[int] = []

    def send_until_taken(number: int) -> None:
        sound = sounds[number % len(sounds)]
        for _ in range(100):
            answer = send(loaded, sound)
            if answer.status_code != 503:
                break
            came_back.append(number)
            time.sleep(int(answer.headers["Retry-After"]) * 0.2)  # for the test's sake
        assert answer.status_code == 200, answer.text
        (file,) = answer.json()["files"]
        assert file["path"] == sound.name
        found = [track["probabilities"] for track in file["tracks"]]
        assert found == [pytest.approx(each, abs=1e-5) for each in expected[sound.name]]

    with hicmae_serve("--queue", 3, "--quiet", spool=spool) as loaded:
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(send_until_taken, range(200)))
        counts = httpx2.get(f"{loaded.url}/metrics").text
    assert came_back
    assert 'hicmae_predictions_total{status="200"} 200.0' in counts
    assert f'hicmae_predictions_total{{status="503"}} {len(came_back)}.0' in counts
    assert "hicmae_lost_processes_total 0.0" in counts
