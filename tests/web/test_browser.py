"""The page in a real browser, with the real packages: it says what `hicmae predict` says, and asks nobody else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from hicmae_cli.api import load_weight
from hicmae_cli.errors import WeightsError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.web.export import export_web
from hicmae_cli.web.packages import find_packages
from tests.web.browser import CHROMIUM, Browser, open_browser, serve

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

SAVED = "new Promise((resolve) => { const ask = new XMLHttpRequest(); ask.open('GET', document.getElementById('json').href);"


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


def read_saved(browser: Browser, name: str) -> str:
    """The text behind a link of the page that saves a file; the page's own policy forbids to fetch it."""
    browser.run(
        f"""new Promise((resolve) => {{
            const frame = document.getElementById({name!r});
            window.saved = frame.href;
            resolve();
        }})"""
    )
    return str(browser.run(f"window.hicmae.texts[{name!r}]"))


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
        for session in (browser.page, *browser.workers):
            assert browser.run(ask, session) == "Failed to fetch"
        browser.run(beacon)
        foreign.settimeout(1)
        with pytest.raises(TimeoutError):
            foreign.accept()
    assert browser.workers and any("Content Security Policy" in line for line in browser.said)

    path = tmp_path / "predictions.json"
    path.write_text(read_saved(browser, "json"))
    (found,) = Prediction.load(path).files
    expected = Predictor(load_weight("hicmae-nano")).predict(sample)
    assert (found.width_px, found.height_px) == (expected.width_px, expected.height_px)
    assert [track.id for track in found.tracks] == [track.id for track in expected.tracks]
    for mine, theirs in zip(found.tracks, expected.tracks, strict=True):
        assert [w.start_s for w in mine.windows] == pytest.approx([w.start_s for w in theirs.windows], abs=1e-3)
        assert [(w.modality, w.speaker) for w in mine.windows] == [(w.modality, w.speaker) for w in theirs.windows]
        mean, wanted = (np.array(list(track.scores.by_name.values())) for track in (mine, theirs))
        assert np.abs(mean - wanted).max() <= 0.03
        rows = [
            np.abs(np.array(list(a.scores.by_name.values())) - list(b.scores.by_name.values())).mean()
            for a, b in zip(mine.windows, theirs.windows, strict=True)
        ]
        assert max(rows) <= 0.03
    csv = read_saved(browser, "csv")
    assert csv.count("\n") == 1 + sum(len(track.windows) for track in expected.tracks)


def test_it_can_be_stopped_and_says_what_it_cannot_play(browser: Browser, sample: Path, tmp_path: Path) -> None:
    browser.choose_file("#file", sample)
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
    assert json.loads(browser.run("JSON.stringify([...document.querySelectorAll('#failure b')].length)")) == 0
