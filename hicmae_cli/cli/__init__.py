"""The ``hicmae`` command: one file per subcommand, loaded lazily so that ``--help`` stays quick."""

from hicmae_cli.cli.app import app, main

__all__ = ["app", "main"]
