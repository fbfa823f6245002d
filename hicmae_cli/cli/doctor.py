"""``hicmae doctor``: check the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hicmae_cli.cli.options import QuietOption

if TYPE_CHECKING:
    from rich.table import Table

    from hicmae_cli.doctor.results import Checkup

_SIGNS: Final = {"ok": ("✓", "green"), "note": ("•", "yellow"), "broken": ("✗", "bold red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Check that hicmae works on this machine, and say what to do where it does not.

    It looks at packages and system libraries, execution providers and GPUs, model files and their hashes, folders and
    codecs, and predicts two short clips. It exits with 1 if something is broken. Nothing opens a network connection.

    [bold]Examples[/bold]

        hicmae doctor

        hicmae doctor --json
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.doctor.checkup import CHECKS, check_installation

    screen = Screen(quiet=quiet or as_json)
    with screen.bar("checking", len(CHECKS)) as bar:
        groups = iter(range(len(CHECKS)))
        found = check_installation(lambda group: bar.update(next(groups), description=f"checking {group}"))
    if as_json:
        write_document(found.to_dict(), STDOUT)
    else:
        screen.show(_make_table(found))
        screen.done(*found.verdict.split(": ", 1)) if found.is_fine else screen.fail(found.verdict)
    if not found.is_fine:
        raise typer.Exit(1)


def _make_table(found: Checkup) -> Table:
    """Return a table with a line per check, and what to do below it."""
    from rich.table import Table
    from rich.text import Text

    from hicmae_cli.errors import one_line

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "checked", "found"):
        table.add_column(name, no_wrap=name == "", overflow="fold")
    group = ""
    for check in found.checks:
        if check.group != group:
            group = check.group
            table.add_row("", Text(one_line(group), "bold"), "")
        sign, style = _SIGNS[check.status]
        text = Text(one_line(check.found))
        if check.advice:
            text.append(f"\n→ {one_line(check.advice)}", "" if check.status == "broken" else "dim")
        table.add_row(Text(f"{sign} {check.status}", style), Text(one_line(check.name)), text)
    return table
