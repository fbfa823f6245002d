"""The page in a real browser, with the real packages: it says what `hicmae predict` says, and asks nobody else."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.api import load_weight
from hicmae_cli.errors import WeightsError
from hicmae_cli.media import read_frames
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.web.export import export_web
from hicmae_cli.web.packages import find_packages
from tests.web.browser import CHROMIUM, Browser, open_browser, serve

pytestmark = [pytest.mark.integration, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the default weight; both packages are fetched."""
    folder = tmp_path_factory.mktemp("web")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HICMAE_HOME", str(folder / "home"))
        try:
            find_packages()
        except WeightsError as error:
            if "cannot be fetched" in str(error):
                pytest.skip(f"needs the npm registry: {error}")
            raise
        return export_web(folder / "page").path


@pytest.fixture
def browser(page: Path, tmp_path: Path) -> Iterator[Browser]:
    """The page, open and ready."""
    with serve(page) as address, open_browser(tmp_path / "browser") as opened:
        opened.open(address)
        opened.wait("!document.getElementById('file').disabled || !document.getElementById('failure').hidden", 120)
        assert opened.run("document.getElementById('failure').textContent") == ""
        yield opened


def read_scores(track: Track) -> NDArray[np.float64]:
    """The probabilities of each window (W, C)."""
    return np.array([list(window.scores.by_name.values()) for window in track.windows])


def save(browser: Browser, button: str, folder: Path) -> Path:
    """Save a file with a button of the page."""
    browser.send("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    name = str(browser.run(f"document.getElementById({button!r}).download"))
    browser.run(f"document.getElementById({button!r}).click()")
    end = time.monotonic() + 30
    while not (folder / name).is_file() or list(folder.glob("*.crdownload")):
        assert time.monotonic() < end, list(folder.iterdir())
        time.sleep(0.1)
    return folder / name


def test_it_says_what_hicmae_says_and_asks_nobody_else(browser: Browser, sample: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        loaded = len(browser.requests)
        browser.choose_file("#file", sample)
        browser.wait("['done', 'failed'].includes(document.body.dataset.state)", 400)
        assert browser.run("document.getElementById('failure').textContent") == ""

        # No network after loading: only what the page itself has made.
        after = [urlsplit(url) for url in browser.requests[loaded:]]
        assert {url.scheme for url in after} <= {"blob", "data"}
        own = urlsplit(browser.run("location.href")).netloc
        assert {url.netloc for url in map(urlsplit, browser.requests) if url.scheme.startswith("http")} == {own}

        # A planted request to another server is stopped in the page and in its worker.
        ask = f"fetch('http://127.0.0.1:{port}/').then(() => 'went', (error) => error.message)"
        beacon = f"navigator.sendBeacon?.('http://127.0.0.1:{port}/', 'x')"
        # The worklet that records a microphone cannot ask at all.
        every = (browser.page, *browser.workers)
        asking = [session for session in every if browser.run("typeof fetch", session) == "function"]
        assert len(asking) == 2
        for session in asking:
            assert browser.run(ask, session) == "Failed to fetch"
        browser.run(beacon)
        foreign.settimeout(1)
        with pytest.raises(TimeoutError):
            foreign.accept()
    assert browser.workers and any("Content Security Policy" in line for line in browser.said)

    (found,) = Prediction.load(save(browser, "json", tmp_path)).files
    model = load_weight("hicmae-nano")
    expected = Predictor(model).predict(sample)
    # The browser ends this file 37 ms earlier, where its container says, which is heard in the last window only.
    shorter = Predictor(model, PredictSettings(end_s=found.duration_s)).predict(sample)
    assert (found.width_px, found.height_px) == (expected.width_px, expected.height_px)
    assert [track.id for track in found.tracks] == [track.id for track in expected.tracks]
    for mine, theirs, same in zip(found.tracks, expected.tracks, shorter.tracks, strict=True):
        assert [w.start_s for w in mine.windows] == pytest.approx([w.start_s for w in theirs.windows], abs=1e-3)
        assert [(w.modality, w.speaker) for w in mine.windows] == [(w.modality, w.speaker) for w in theirs.windows]
        assert np.abs(read_scores(mine).mean(axis=0) - read_scores(theirs).mean(axis=0)).max() <= 0.03
        assert np.abs(read_scores(mine) - read_scores(same)).mean(axis=1).max() <= 0.03
    table = save(browser, "csv", tmp_path).read_text()
    assert table.count("\n") == 1 + sum(len(track.windows) for track in expected.tracks)


def test_it_can_be_stopped_and_says_what_it_cannot_play(browser: Browser, sample: Path, tmp_path: Path) -> None:
    browser.choose_file("#file", sample)
    browser.wait("document.getElementById('progress').value > 0.05", 60)
    # Another choice stops the one that runs.
    browser.choose_file("#file", Path(shutil.copy(sample, tmp_path / "again.mp4")))
    browser.wait("document.querySelectorAll('.person').length > 0", 200)
    browser.run("document.getElementById('stop').click()")
    browser.wait("document.body.dataset.state === 'cancelled'", 60)
    assert browser.run("document.getElementById('work').hidden && document.getElementById('json').hidden")
    broken = tmp_path / "<b>broken.mp4"
    broken.write_bytes(b"no video")
    browser.choose_file("#file", broken)
    browser.wait("document.body.dataset.state === 'failed'", 60)
    said = browser.run("document.getElementById('failure').textContent")
    assert said.startswith("<b>broken.mp4: this browser cannot play it.")
    assert browser.run("document.querySelectorAll('#failure b').length") == 0


def test_it_watches_a_camera(page: Path, sample: Path, tmp_path: Path) -> None:
    """Chromium shows a file as its camera, and beeps as its microphone."""
    recording = tmp_path / "camera.mjpeg"
    with av.open(str(recording), "w", format="mjpeg") as written:
        stream = written.add_stream("mjpeg", rate=12)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for frame in read_frames(sample):
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")):
                written.mux(packet)
        for packet in stream.encode():
            written.mux(packet)
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with (
        serve(page) as address,
        open_browser(tmp_path / "browser", *flags, f"--use-file-for-fake-video-capture={recording}") as browser,
    ):
        browser.open(address)
        browser.wait("!document.getElementById('camera').disabled", 120)
        loaded = len(browser.requests)
        browser.run("document.getElementById('camera').click()")
        browser.wait("document.querySelectorAll('.person').length >= 2", 120)
        browser.run("document.getElementById('stop').click()")
        browser.wait("document.body.dataset.state === 'done'", 60)
        (found,) = Prediction.load(save(browser, "json", tmp_path)).files
        assert found.path.name == "camera" and len(found.tracks) >= 2
        assert browser.run("document.getElementById('video').srcObject") is None
        assert found.tracks[0].windows[-1].voice is not None  # it heard the microphone
        assert {urlsplit(url).scheme for url in browser.requests[loaded:]} <= {"blob", "data"}
