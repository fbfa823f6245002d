"""``hicmae weights pull`` and its neighbours, as a user gives them."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.pulling.expected import lock_weight
from hicmae_cli.weights.catalogue import locate_store
from tests.cli.running import hicmae
from tests.pulling.pulls import add
from tests.weights.test_checkpoint import toy_state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint that the user's catalogue names as the weight toy."""
    path = tmp_path / "toy.pth"
    torch.save({"model": toy_state()}, path)
    add(f"file:{path}", citation="Somebody 2024", scores={"uar": 0.5}, fold="1")
    return path


def test_from_the_list_to_the_card(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    listed = hicmae("weights", "list")
    assert "can be pulled" in listed.out and "hicmae-mafw-5" in listed.out
    pulled = hicmae("weights", "pull", "toy")
    assert pulled.code == 0, pulled.err
    assert "toy: a toy; licence: MIT" in pulled.err
    assert "warning: toy: nobody has published a hash of this file" in pulled.err
    target = str(locate_store() / "toy.safetensors")
    assert pulled.out == f"pulled toy: {target}\n"
    assert hicmae("weights", "pull", "toy").out == f"is here toy: {target}\n"
    assert hicmae("weights", "path", "toy").out == f"{target}\n"
    verified = hicmae("weights", "verify").out
    assert (
        f"ok toy: as it was pulled from file:{file}" in verified and "ok hicmae-nano: as in the catalogue" in verified
    )
    card = hicmae("weights", "card", "toy").out
    for text in (
        "# toy",
        "Clips of fold 1 were left out for a test.",
        "**Cite**: Somebody 2024",
        "| uar | 0.5 |",
        "The weight: MIT.",
    ):
        assert text in card
    assert hicmae("weights", "card", "hicmae-nano").out.startswith("# ")
    assert hicmae("weights", "card", "toy", "--output", "cards").out == f"wrote {Path('cards') / 'card.md'}\n"
    assert Path("cards/card.md").read_text() == card
    assert hicmae("weights", "remove", "toy").out == "removed toy: toy.safetensors, toy.origin.json\n"
    again = hicmae("weights", "path", "toy")
    assert again.code == 1 and again.err.count("\n") == 1 and "fetch it with `hicmae weights pull toy`" in again.err


@pytest.mark.integration
def test_a_wait_for_another_process_is_said(file: Path) -> None:
    def hold() -> None:
        with lock_weight(locate_store(), "toy"):
            held.set()
            time.sleep(1.3)

    held = threading.Event()
    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(5)
    waited = hicmae("weights", "pull", "toy")
    other.join()
    assert waited.code == 0 and "another process is pulling toy: waiting\n" in waited.err
    hicmae("weights", "remove", "toy", "--forget")
    assert "waiting" not in hicmae("weights", "pull", "toy").err


def test_broken_weights_exit_with_1(file: Path) -> None:
    hicmae("weights", "pull", "toy")
    (locate_store() / "toy.safetensors").write_bytes(b"other")
    verified = hicmae("weights", "verify", "toy")
    assert verified.code == 1 and "failed toy: has changed since it was pulled" in verified.err


def test_all_that_fail_are_named_and_the_others_are_pulled(file: Path, tmp_path: Path) -> None:
    pulled = hicmae("weights", "pull", "--all", "--offline", "--to", tmp_path / "home")
    assert pulled.code == 1
    assert pulled.err.count("failed hicmae-") == 11
    assert "not tried, because the network is forbidden" in pulled.err
    assert "pull it with --source file:/path/of/it" in pulled.err
    assert pulled.out == f"pulled toy: {tmp_path}/home/weights/toy.safetensors\n"


def test_wrong_usage_exits_with_2(file: Path) -> None:
    for arguments in (
        (),
        ("toy", "--all"),
        ("toy", "hicmae-mafw-1", "--source", "file:/a"),
        ("hicmae-mafw-1", "--source", "a"),
    ):
        run = hicmae("weights", "pull", *arguments)
        assert run.code == 2 and ("Error: Invalid value: " in run.err or "error: --source a: expected" in run.err), run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "is_pulled"), [("y\n", True), ("\n", False)])
def test_predict_asks_on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch, answer: str, is_pulled: bool) -> None:
    from hicmae_cli.cli.pull import offer_pull

    errors = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", errors)
    offer_pull("toy")
    assert "toy is not on this machine: a toy; licence: MIT. Fetch it now? [y/N]" in errors.getvalue()
    assert (locate_store() / "toy.safetensors").is_file() == is_pulled
    offer_pull("hicmae-nano")
    with pytest.raises(WeightsError, match="no weight named"):
        offer_pull("no-such-weight")


def test_predict_does_not_ask_when_the_network_is_forbidden(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hicmae_cli.cli.pull import offer_pull

    errors = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    monkeypatch.setattr("sys.stderr", errors)
    monkeypatch.setenv("HICMAE_OFFLINE", "1")
    offer_pull("toy")
    assert not errors.getvalue() and not (locate_store() / "toy.safetensors").exists()


def test_predict_never_asks_in_a_script(file: Path) -> None:
    run = hicmae("predict", "a.mp4", "--weights", "toy")
    assert run.code == 1
    # The worker process that meets it sends it on as it is.
    assert run.last_line == (
        "error: toy: is in the catalogue, but not on this machine; fetch it with `hicmae weights pull toy`"
    )
    assert "Fetch it now?" not in run.err and not (locate_store() / "toy.safetensors").exists()
