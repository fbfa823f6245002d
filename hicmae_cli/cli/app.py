"""The command-line application: its commands, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from hicmae_cli import __version__
from hicmae_cli.cli import (
    bench,
    datasets_command,
    evaluate,
    export,
    finetune,
    predict,
    prepare,
    pretrain,
    puppets,
    visualize,
    weights,
)
from hicmae_cli.errors import HicmaeError, SettingsError, one_line

app = typer.Typer(
    name="hicmae",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Raw video in, fused audio-visual emotion out, per person, over time.\n\n"
    "Example: [bold]hicmae predict interview.mp4[/bold]",
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
        bool, typer.Option("--debug", help="Show tracebacks; works after any command too.")
    ] = False,
) -> None:
    """Options of every command; ``--debug`` is taken out of the arguments by ``main``."""


app.command()(predict.predict)
app.command()(datasets_command.datasets)
app.command()(evaluate.evaluate)
app.command()(prepare.prepare)
app.command()(pretrain.pretrain)
app.command()(finetune.finetune)
app.command()(export.export)
app.add_typer(visualize.app, name="visualize")
app.add_typer(weights.app, name="weights")
app.add_typer(puppets.app, name="puppets")
app.command()(bench.bench)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a command and exits with 0 (done), 1 (something failed), 2 (wrong usage) or 130 (Ctrl-C)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names are not always text
    try:
        app(args=given, prog_name="hicmae", obj={"debug": debug})
    except HicmaeError as error:
        if debug:
            raise
        _fail(str(error), code=2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:
        _fail("interrupted", code=130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is a file: the user's to mend, wherever it came up
        if debug:
            raise
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if debug:
            raise
        _fail(f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback)")


def _fail(message: str, code: int = 1) -> None:
    lines = f"error: {message}".split("\n")  # parts of it come from files, and may not steer a terminal
    typer.echo("\n".join(one_line(line) for line in lines), err=True)
    sys.exit(code)
