"""What the commands print, and where."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from hicmae_cli.cli.screen import STDOUT, Screen, exit_stopped, print_scores, write_document
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


def test_a_training_prints_everything_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(all_on_stdout=True)
    screen.say("fold 1")
    screen.warn("w")
    with screen.bar("clips", 1) as bar:
        bar.advance()
    with pytest.raises(typer.Exit) as end:
        exit_stopped(screen, 2, 6)
    assert end.value.exit_code == 130
    stopped = "stopped after step 2 of 6, and saved; give the same command again to resume"
    assert capsys.readouterr() == (f"fold 1\nwarning: w\n{stopped}\n", "")


def test_lines_are_wrapped_unless_they_should_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    Screen().show("six words", "more than ten", wrap=False)
    Screen().show("more than ten", on_stderr=True)
    assert capsys.readouterr() == ("six words\nmore than ten\n", "more than \nten\n")


def test_a_bar_appears_with_its_first_number() -> None:
    screen = Screen()
    screen.err = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with screen.bar("clips") as bar:
        assert screen.err.file.getvalue() == ""  # type: ignore[attr-defined]
        bar.update(0)
        assert "clips" in screen.err.file.getvalue()  # type: ignore[attr-defined]


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
