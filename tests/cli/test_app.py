from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from hicmae_cli import __version__
from hicmae_cli.cli.app import _COMMANDS, app
from hicmae_cli.cli.lazy import lay_out
from hicmae_cli.errors import WeightsError
from tests.cli.running import fresh_python, hicmae


def test_help_imports_nothing_heavy() -> None:
    heavy = ["torch", "torchvision", "cv2", "mediapipe", "onnxruntime", "av", "matplotlib", "numpy"]
    done = fresh_python(
        "import sys\nfrom hicmae_cli.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as end: assert end.code in (0, None)\n"
        f"found = [m for m in {heavy} if m in sys.modules]\nassert not found, found"
    )
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_prediction_needs_no_torch() -> None:
    done = fresh_python(
        "import sys\nsys.modules['torch'] = None\n"
        "import hicmae_cli.runtime.predictor, hicmae_cli.runtime.onnx_engine, hicmae_cli.runtime.opening\n"
        "import hicmae_cli.report.console, hicmae_cli.weights.reading, hicmae_cli.faces, hicmae_cli.clips"
    )
    assert done.returncode == 0, done.stderr


def lines_of(text: str) -> str:
    """A help text without its line breaks and the frame around it."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    run = hicmae(command, "--help")
    assert run.code == 0
    assert f"hicmae {command}" in run.out
    assert _COMMANDS[command].summary in lines_of(run.out)  # the overview is written by hand
    assert _COMMANDS[command].summary in lines_of(hicmae("--help").out)


def list_commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command of the app that does something, groups not counted."""
    if not hasattr(command, "commands"):
        yield words
        return
    for name in command.commands:
        yield from list_commands(command.get_command(None, name), (*words, name))


COMMANDS = sorted(list_commands(typer.main.get_command(app)))


def test_the_commands_are_those_of_the_app() -> None:
    assert {words[0] for words in COMMANDS} == set(_COMMANDS)
    assert ("weights", "import") in COMMANDS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example(words: tuple[str, ...]) -> None:
    run = hicmae(*words, "--help")
    assert run.code == 0
    _, heading, examples = lines_of(run.out).partition("Example")
    assert heading and f"hicmae {' '.join(words)}" in examples


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_wraps_at_the_width_of_the_terminal(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    text, _, _ = hicmae(*words, "--help").out.partition("╭")
    lines = [line.strip() for line in text.splitlines()]
    for line, following in pairwise(lines):
        # A paragraph goes on where the next word does not fit.
        if following:
            assert not line or len(f"{line} {following.split()[0]}") > 78, line
    _, _, examples = text.partition("Example")
    assert all(line.startswith("     hicmae ") for line in examples.splitlines()[1:] if line.strip())


def test_paragraphs_become_lines_and_examples_stay() -> None:
    text = "One.\n\nTwo\nthree.\n\n[bold]Example[/bold]\n\n    hicmae a  b\n    hicmae c"
    assert lay_out(text) == "One.\n\nTwo three.\n\n[bold]Example[/bold]\n\n[bold][/bold]    hicmae a  b\n    hicmae c"


def test_a_misspelt_command_is_answered_with_the_nearest_name() -> None:
    run = hicmae("predct")
    assert run.code == 2
    assert "No such command 'predct'. Did you mean 'predict'?" in run.err


@pytest.mark.parametrize("command", [["bench"], ["puppets", "make", "somewhere"]])
def test_ctrl_c_says_so(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hicmae_cli.bench.prediction.measure_help", interrupted)
    monkeypatch.setattr("hicmae_cli.puppets.corpus.make_corpus", interrupted)
    run = hicmae(*command)
    assert (run.code, run.last_line) == (130, "interrupted")


def test_the_version() -> None:
    assert hicmae("--version").out.strip() == f"hicmae {__version__}"


def test_an_unexpected_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the dog ate it")

    monkeypatch.setattr(type(app), "__call__", broken)
    run = hicmae("weights", "list")
    assert run.code == 1
    assert run.err.strip().splitlines() == [
        "error: unexpected RuntimeError: the dog ate it (run again with --debug for the traceback)"
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["puppets", "make", "{file}"],
        ["puppets", "preview", "{file}"],
        ["weights", "import", "{file}/checkpoint.pth", "--name", "a", "--labels", "b,c"],
        ["weights", "import", "{folder}", "--name", "a", "--labels", "b,c"],
    ],
)
def test_a_file_where_a_folder_should_be_is_named_in_one_line(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    run = hicmae(*(argument.format(file=file, folder=tmp_path) for argument in command))
    assert run.code == 1
    (line,) = run.err.strip().splitlines()
    assert line.startswith(f"error: {tmp_path}")
    assert "unexpected" not in line
    assert file.read_text() == "mine"


def test_the_module_runs_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hicmae_cli.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in done.stdout


def test_what_comes_from_files_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "w.pth: the tensors do not fit:\n  unknown \x1b[31mred\x1b]0;title\a\x9b\u202e\r\n  and more"

    def broken(*_: object, **__: object) -> None:
        raise WeightsError(message)

    monkeypatch.setattr(type(app), "__call__", broken)
    run = hicmae("weights", "list")
    assert run.code == 1
    assert run.err.splitlines()[0] == "error: w.pth: the tensors do not fit:"
    assert run.err.splitlines()[-1] == "  and more"  # our own lines stay lines
    assert all(line.isprintable() for line in run.err.split("\n"))
