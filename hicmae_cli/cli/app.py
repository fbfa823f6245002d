"""The command-line application: its commands, and the place where errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, TextIO

import typer

from hicmae_cli import __version__
from hicmae_cli.cli.flags import to_flags
from hicmae_cli.cli.lazy import LazyCommand, LazyGroup
from hicmae_cli.errors import HicmaeError, PluginWarning, SettingsError, one_line
from hicmae_cli.onnx_runtime import has_stuck_threads

_COMMANDS = {
    "predict": LazyCommand("predict", "Predict emotions in videos, sounds and photographs, per person and over time."),
    "serve": LazyCommand(
        "serve", "Predict over HTTP: one model, a queue, progress while it works, and an upload page."
    ),
    "report": LazyCommand("report", "Write saved predictions in any format, without predicting again."),
    "summarize": LazyCommand(
        "summarize", "Summarize saved predictions in one table, per person and event, for mixed models."
    ),
    "prepare": LazyCommand(
        "prepare", "Find and align the faces of a dataset and store them with their sound, ready for training."
    ),
    "merge": LazyCommand(
        "merge", "Merge lists of prepared clips into one, with a split by person, for a mixed training."
    ),
    "cues": LazyCommand(
        "cues", "Add facial and vocal cues to a list of prepared clips, to train on beside the labels."
    ),
    "pretrain": LazyCommand("pretrain", "Pre-train on unlabelled videos of talking faces, as the paper does."),
    "finetune": LazyCommand(
        "finetune", "Fine-tune a model on a labelled dataset, fold by fold, and test each fold once."
    ),
    "evaluate": LazyCommand(
        "evaluate", "Score a model on prepared clips: UAR, WAR, F1, CCC and more, next to the paper's numbers."
    ),
    "compare": LazyCommand(
        "compare", "Compare systems on the same test clips, with intervals, paired tests and a conclusion."
    ),
    "embed": LazyCommand(
        "embed", "Write embeddings (outputs of a model's layers) of clips, or of windows of recordings."
    ),
    "probe": LazyCommand(
        "probe", "Fit a linear classifier to every layer of some embeddings, and test it on other people."
    ),
    "export": LazyCommand(
        "export", "Export a weight to ONNX and check it against torch; a file that differs too much is not written."
    ),
    "datasets": LazyCommand(
        "datasets:datasets",
        "List the datasets hicmae knows, or show one: labels, folds, files, licence, where to get it.",
    ),
    "show": LazyCommand("show", "Show how a training run or a weight was made: data, recipe, versions, scores."),
    "rerun": LazyCommand("rerun", "Repeat a training run from its record, and compare the weights to the last bit."),
    "recipes": LazyCommand(
        "recipes", "List the recipes for training, print one, or explain the keys that a recipe can set."
    ),
    "weights": LazyCommand("weights:app", "List, show, pull, check, calibrate, add and import model weights."),
    "puppets": LazyCommand("puppets:app", "Generate a corpus of drawn people with synthetic voices."),
    "study": LazyCommand("study:app", "Answer a question by many trainings: a table, charts and a report."),
    "visualize": LazyCommand("visualize:app", "Visualize what a model has learned."),
    "doctor": LazyCommand("doctor", "Check that hicmae works on this machine, and say what to do where it does not."),
    "bench": LazyCommand("bench", "Measure speed and memory on this machine, as ratios; a missed bound exits with 1."),
}


class _Commands(LazyGroup):
    lazy_commands = _COMMANDS


app = typer.Typer(
    cls=_Commands,
    name="hicmae",
    no_args_is_help=True,
    # The overview prints without rich, whose help renderer takes as long to import as everything else.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Raw video in, fused audio-visual emotion out, per person, over time.\n\n"
    "Examples:\n\n\b\n  hicmae predict interview.mp4\n  hicmae predict recordings/ --output results",
    epilog="`hicmae COMMAND --help` explains a command, with examples.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hicmae {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks of errors; may also follow a command.")
    ] = False,
) -> None:
    """Options of all commands; ``main`` removes ``--debug`` from the arguments, at any position."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a command and exits with 0 (done), 1 (something failed), 2 (wrong usage) or 130 (Ctrl-C)."""
    try:
        _run_command(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as end:
        _exit_past_stuck_threads(end.code)
        raise


def _run_command(given: list[str]) -> None:
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names are not always text.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _show_plugin_warnings():
            app(args=given, prog_name="hicmae", obj={"debug": debug})
    except HicmaeError as error:
        if debug:
            raise
        _fail(to_flags(str(error)), code=2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:
        _fail("interrupted", code=130)
    except BrokenPipeError:
        # The reader of our output has closed it.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # A full disk, or a file in place of a folder: the user can fix it.
        if debug:
            raise
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if debug:
            raise
        _fail(f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback)")


@contextlib.contextmanager
def _show_plugin_warnings() -> Iterator[None]:
    """Show a warning about a plug-in in one line, without the place in the code that gave it."""
    show_others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PluginWarning):
            typer.echo(f"warning: {one_line(str(message))}", err=True)
        else:
            show_others(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = show_others


def _exit_past_stuck_threads(code: str | int | None) -> None:
    """End the process now if a call of ONNX Runtime could abort its regular end (exit code 134)."""
    if has_stuck_threads():
        for stream in (sys.stdout, sys.stderr):
            # The reader may have closed the pipe, or we the stream.
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else 1 if code else 0)


def _fail(message: str, code: int = 1) -> None:
    # Parts of a message come from files and must not steer the terminal.
    lines = f"error: {message}".split("\n")
    typer.echo("\n".join(one_line(line) for line in lines), err=True)
    sys.exit(code)
