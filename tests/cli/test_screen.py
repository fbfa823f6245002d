"""What the commands print, and where."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from hicmae_cli.cli.screen import STDOUT, Screen, print_scores, write_document
from tests.report.test_scores import document

STEERING = "[red]a\x1b[31m\nb[/red]"
LITERAL = "[red]a\\x1b[31m\\nb[/red]"


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.done("weight", STEERING)
    screen.say(STEERING)
    screen.warn(STEERING)
    screen.fail(STEERING)
    out, err = capsys.readouterr()
    assert out == f"weight {LITERAL}\n"
    assert err == f"{LITERAL}\nwarning: {LITERAL}\nfailed {LITERAL}\n"


def test_quiet_hides_notes_and_progress_but_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(quiet=True)
    screen.say("a note")
    with screen.bar("clips", 2) as bar, screen.wait("loading"):
        bar.advance()
    screen.warn("w")
    screen.fail("f")
    screen.done("weight", "x")
    out, err = capsys.readouterr()
    assert (out, err) == ("weight x\n", "warning: w\nfailed f\n")


def test_silent_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(silent=True)
    screen.done("weight", "x")
    screen.show("table")
    screen.warn("w")
    screen.fail("f")
    assert capsys.readouterr() == ("", "")


def test_a_bar_without_a_terminal_leaves_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen().bar("clips") as bar:
        bar.start(3)
        bar.advance()
        bar.update(2, total=4, description="epoch 2", note="loss 1.0")
    assert capsys.readouterr() == ("", "")


def test_a_bar_counts_on_a_terminal() -> None:
    screen = Screen()
    screen.err = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with screen.bar("[clips]") as bar:
        bar.start(3, done=1)
        bar.advance()
        bar.update(2, note="[loss]")
        bar._progress.refresh()
        shown = screen.err.file.getvalue()  # type: ignore[attr-defined]
    assert "[clips]" in shown and "2/3" in shown and "[loss]" in shown
    assert screen.err.file.getvalue().endswith("\x1b[2K")  # type: ignore[attr-defined]  # it is wiped


def test_failed_clips_end_a_command_with_1_after_all_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    failures = [{"id": f"c{n}", "message": "is cut short"} for n in range(2)]
    with pytest.raises(typer.Exit) as end:
        print_scores(Screen(), document(failures=failures, warnings=["w1", "w2", "w3"]))
    assert end.value.exit_code == 1
    out, err = capsys.readouterr()
    assert "UAR" in out
    assert err.splitlines() == [
        "warning: w1",
        "warning: w2",
        "warning: w3",
        "failed c0: is cut short",
        "failed c1: is cut short",
    ]
    print_scores(Screen(), document(), on_stderr=True)
    assert capsys.readouterr().out == ""


def test_a_document_goes_to_a_file_or_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {"schema": "x"}
    write_document(made, STDOUT)
    assert capsys.readouterr().out == '{\n  "schema": "x"\n}\n'
    write_document(made, tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
