"""Commands that are imported when they run: ``hicmae --help`` imports none of their modules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class LazyCommand:
    """The place of a command and its line in the overview.

    Attributes:
        target: a module of this package and, after a colon, the name in it if it differs: a function, or the
            ``typer.Typer`` of a group of commands.
        summary: the first sentence of its help.
    """

    target: str
    summary: str

    def load(self, name: str) -> Any:
        """Import the module and build the command with this name, its help laid out for any width."""
        module, _, attribute = self.target.partition(":")
        place = import_module(f"{__package__}.{module}")
        found = getattr(place, attribute or module)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name, cls=getattr(place, "COMMAND_CLASS", TyperCommand))(found)
            command = get_command(alone)
        else:
            command = get_command(found)
            command.name = name
        for each in (command, *getattr(command, "commands", {}).values()):
            each.help = lay_out(each.help or "")
        return command


def lay_out(text: str) -> str:
    """Join the lines of each paragraph of a help text, so that it wraps at the width of the terminal.

    Paragraphs that are indented, such as examples, keep their lines. Typer strips the indentation of a text if all
    lines but the first have it; empty markup at the start of the line prevents that.
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"[bold][/bold]{paragraph}" if paragraph.startswith(" ") else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


class LazyGroup(TyperGroup):
    """A group of commands that imports only the one to run."""

    lazy_commands: ClassVar[Mapping[str, LazyCommand]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Empty commands, so that the overview, completion and "Did you mean" know the names.
        self.commands.update({name: TyperCommand(name) for name in self.lazy_commands})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command."""
        lazy = self.lazy_commands.get(cmd_name)
        return None if lazy is None else lazy.load(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write names and summaries without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy_commands.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with a line and exit code 130 on a Ctrl-C that the command does not handle."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None
