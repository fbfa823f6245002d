"""The command-line application: a table of commands, each imported only when it is called."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True)


def main() -> None:
    """Entry point of the ``hicmae`` command."""
    app()
