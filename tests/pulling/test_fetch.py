"""Files arrive whole from hosts that cut, drip, change the file, or send a page."""

from __future__ import annotations

import dataclasses
import random
import socket
import time
from pathlib import Path

import pytest

from hicmae_cli.pulling.fetch import Announced, Limits, OnBytes, SourceError, ask, fetch, make_session
from hicmae_cli.weights.sources import Source, parse_source
from tests.pulling.host import Host, Served

FAST = Limits(connect_s=5.0, silent_s=1.0, measured_s=0.2, pause_s=0.001)
BODY = b"PK\3\4" + random.Random(0).randbytes(300_000)


def get(host: Host, target: Path, limits: Limits = FAST, path: str = "/model.pth") -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    fetch(parse_source(host.url(path)), target, make_session(), lambda *n: seen.append(n), limits)
    return seen


def test_a_file_arrives_with_its_progress(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY)
    seen = get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY)) and [n for n, _ in seen] == sorted(n for n, _ in seen)


@pytest.mark.parametrize("seed", range(5))
def test_a_connection_that_is_cut_anywhere_is_continued(host: Host, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    cuts = [cut for _ in range(6) for cut in (rng.choice((0, 1, 8191)), rng.randrange(5000, 60_000))]
    host.pages["/model.pth"] = Served(BODY, cuts=cuts)
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    asked = [int(part.removeprefix("bytes=").rstrip("-")) for _, _, part in host.asked if part]
    assert asked == sorted(asked) and asked[-1] > 0


def test_a_part_of_a_process_that_was_stopped_is_continued(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, cuts=[100_000] * 20)
    target = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        fetch(parse_source(host.url()), target, make_session(), _stop_at(50_000), FAST)
    has = target.stat().st_size
    assert 0 < has < len(BODY) and target.read_bytes() == BODY[:has]
    get(host, target)
    assert target.read_bytes() == BODY
    assert f"bytes={has}-" in [part for _, _, part in host.asked]


def _stop_at(most: int) -> OnBytes:
    def note(there: int, _total: int) -> None:
        if there > most:
            raise KeyboardInterrupt

    return note


def test_a_file_that_changes_between_two_parts_is_fetched_anew(host: Host, tmp_path: Path) -> None:
    other = bytes(reversed(BODY))
    answers = iter([Served(BODY, cuts=[70_000])])
    host.pages["/model.pth"] = lambda _: next(answers, Served(b"PK\3\4" + other, tag='"two"'))
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"PK\3\4" + other


def test_a_host_that_continues_nothing_sends_the_whole_file_again(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, ranges=False, cuts=[70_000])
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY


def test_a_part_that_is_complete_already_is_kept(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY)
    get(host, tmp_path / "part")
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY and len(host.asked) == 2


def test_a_part_of_another_source_is_not_continued(host: Host, tmp_path: Path) -> None:
    host.pages |= {"/model.pth": Served(BODY, cuts=[70_000]), "/other.pth": Served(BODY[::-1])}
    with pytest.raises(KeyboardInterrupt):
        fetch(parse_source(host.url()), tmp_path / "part", make_session(), _stop_at(1), FAST)
    get(host, tmp_path / "part", path="/other.pth")
    assert (tmp_path / "part").read_bytes() == BODY[::-1]


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (Served(b"", 404), r"does not have the file \(HTTP 404\)"),
        (Served(b"", 403), "refuses access"),
        (Served(b"", 410), "has removed it"),
        (Served(b"", 503), r"answers with an error \(HTTP 503\)"),
        (
            Served(b"<html><title>Sign in to your account</title>", type="text/html; charset=utf-8"),
            r"sent a sign-in page \(Sign in to your account\): the link has expired",
        ),
        (Served(b"\n <!DOCTYPE html><title>Log in</title>"), "sent a sign-in page"),
        (
            Served(b"<html><title>Google Drive - Quota exceeded</title>", type="text/html"),
            "was fetched too often lately",
        ),
        (Served(b"<html><title>Welcome\x1b[2J</title>", type="text/html"), r"a web page \(Welcome\\x1b\[2J\) instead"),
    ],
)
def test_what_is_sent_instead_of_a_file_is_explained(host: Host, tmp_path: Path, served: Served, reason: str) -> None:
    host.pages["/model.pth"] = served
    with pytest.raises(SourceError, match=reason):
        get(host, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_a_redirect_to_a_sign_in_page_is_explained(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(status=302, headers={"Location": host.url("/sign-in")})
    host.pages["/sign-in"] = Served(b"<html><title>Please sign in</title>", type="text/html")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 sent a sign-in page"):
        get(host, tmp_path / "part")


def test_a_host_that_is_busy_for_a_while_is_asked_again(host: Host, tmp_path: Path) -> None:
    answers = iter([Served(status=503), Served(status=429)])
    host.pages["/model.pth"] = lambda _: next(answers, Served(BODY))
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY


def press(host: Host, target: Path) -> None:
    source = Source("gdrive:1", host.url(), confirms=True)
    fetch(source, target, make_session(), limits=FAST)


def test_the_button_of_google_drive_is_pressed(host: Host, tmp_path: Path) -> None:
    page = (
        f'<html><title>Google Drive - Virus scan warning</title><form id="download-form" action="{host.url("/get")}">'
        '<input type="hidden" name="id" value="A&amp;B"><input type="hidden" name="confirm" value="t"></form>'
    )
    host.pages["/model.pth"] = Served(page.encode(), type="text/html")
    host.pages["/get?id=A%26B&confirm=t"] = Served(BODY, cuts=[10_000])
    press(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    with pytest.raises(SourceError, match="a web page"):  # no other kind of source presses buttons
        get(host, tmp_path / "other")


@pytest.mark.parametrize("action", ["http://192.0.2.1/get", "http://127.0.0.1:1/get", "http://notgoogle.com/a"])
def test_a_page_cannot_send_the_download_elsewhere(host: Host, tmp_path: Path, action: str) -> None:
    page = f'<html><form id="download-form" action="{action}"><input name="id" value="1"></form>'
    host.pages["/model.pth"] = Served(page.encode(), type="text/html")
    with pytest.raises(SourceError, match="a web page instead of a file"):
        press(host, tmp_path / "part")
    assert len(host.asked) == 1


def test_a_page_that_asks_again_and_again_is_given_up(host: Host, tmp_path: Path) -> None:
    page = f'<html><form id="download-form" action="{host.url()}"><input name="n" value="1"></form>'.encode()
    host.pages = {"/model.pth": Served(page, type="text/html"), "/model.pth?n=1": Served(page, type="text/html")}
    with pytest.raises(SourceError, match="again and again"):
        press(host, tmp_path / "part")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://example.org/a", "leads to example.org, which is not encrypted"),
        ("ftp://127.0.0.1/a", "which is not encrypted"),
        ("/model.pth", "redirects in a circle"),
        ("https://[bad/", "sends an address that makes no sense"),
    ],
)
def test_where_a_host_must_not_lead(host: Host, tmp_path: Path, location: str, reason: str) -> None:
    host.pages["/model.pth"] = Served(b"x" * 1000, 302, headers={"Location": location})
    with pytest.raises(SourceError, match=reason):
        get(host, tmp_path / "part")


def test_what_a_redirect_sends_is_not_read(host: Host, tmp_path: Path) -> None:
    endless = Served(b"x" * 1000, 302, drip_s=1.0, headers={"Location": host.url("/there")})
    host.pages |= {"/model.pth": endless, "/there": Served(BODY)}
    started = time.monotonic()
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY and time.monotonic() - started < 20


def test_a_file_that_is_coded_is_refused(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="in the coding gzip"):
        get(host, tmp_path / "part")


def test_content_counts_more_than_the_stated_type(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, type="text/html")
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY


def test_a_host_that_sends_less_than_it_was_asked_for_is_asked_again(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, cuts=[100_000], most_of_a_part=60_000)
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_tag_a_file_of_another_length_is_fetched_anew(host: Host, tmp_path: Path, tag: str | None) -> None:
    other = BODY + b"more"
    answers = iter([Served(BODY, tag=tag, cuts=[70_000])])
    host.pages["/model.pth"] = lambda _: next(answers, Served(other, tag=tag))
    get(host, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == other


def test_a_pause_that_the_host_asks_for_is_kept(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("hicmae_cli.pulling.fetch.time.sleep", pauses.append)
    answers = iter(
        [Served(status=429, headers={"Retry-After": "7"}), Served(status=503, headers={"Retry-After": "9" * 9})]
    )
    host.pages["/model.pth"] = lambda _: next(answers, Served(BODY))
    get(host, tmp_path / "part")
    assert pauses == [7.0, 60.0]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_host_that_drips_is_given_up(host: Host, tmp_path: Path, ranges: bool) -> None:
    host.pages["/model.pth"] = Served(BODY, drip_s=0.02, ranges=ranges)
    with pytest.raises(SourceError, match="sends less than 1024 bytes a second"):
        get(host, tmp_path / "part")


def test_a_host_that_falls_silent_is_given_up(host: Host, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(BODY, drip_s=30.0, ranges=False)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 sends nothing"):
        get(host, tmp_path / "part", dataclasses.replace(FAST, silent_s=0.1))


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_not_kept(host: Host, tmp_path: Path, says_length: bool) -> None:
    host.pages["/model.pth"] = Served(BODY, says_length=says_length)
    with pytest.raises(SourceError, match="100000"):
        get(host, tmp_path / "part", dataclasses.replace(FAST, max_bytes=100_000))
    assert not (tmp_path / "part").exists() or (tmp_path / "part").stat().st_size <= 100_000


def test_a_host_that_makes_one_start_again_and_again_is_given_up(host: Host, tmp_path: Path) -> None:
    whole = Served(BODY, cuts=[70_000] * 100)
    host.pages["/model.pth"] = lambda request: Served(status=416) if request.headers.get("Range") else whole
    with pytest.raises(SourceError):
        get(host, tmp_path / "part")
    assert len(host.asked) < 20


def test_a_host_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 cannot be reached \(is this machine online\?\)"):
        fetch(parse_source(f"http://127.0.0.1:{port}/a"), tmp_path / "part", make_session(), limits=FAST)


def test_a_host_tells_hash_and_size_before_the_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", host.url(""))
    source = parse_source("hf:someone/model/weights.pth@abc123")
    path = "/someone/model/resolve/abc123/weights.pth"
    linked = {"X-Linked-Etag": f'"{"a" * 64}"', "X-Linked-Size": "12", "Location": host.url("/elsewhere")}
    host.pages[path] = Served(status=302, headers=linked)
    assert ask(source, make_session(), FAST) == Announced("a" * 64, 12)
    host.pages[path] = Served(status=200, headers={"X-Linked-Etag": '"short"'})
    assert ask(source, make_session(), FAST) == Announced()
    host.pages[path] = Served(status=404)
    with pytest.raises(SourceError, match="does not have the file"):
        ask(source, make_session(), FAST)
    assert {command for command, _, _ in host.asked} == {"HEAD"}
    assert ask(Source("file:/a", path=Path("/a")), make_session()) == Announced()
