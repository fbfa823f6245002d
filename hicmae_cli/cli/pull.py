"""``hicmae weights pull``, ``verify``, ``remove``, ``path`` and ``card``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.flags import to_flags
from hicmae_cli.cli.options import QuietOption, parse_path, usage_error

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Screen

_MB = 1_000_000

OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Use no network, as HICMAE_OFFLINE=1: only sources of this machine.")
]


def pull(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of the catalogue.")] = None,
    all_weights: Annotated[bool, typer.Option("--all", help="Pull every weight of the catalogue.")] = False,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Fetch from here instead: https:…, hf:owner/repository/file@revision, gdrive:ID or file:/path.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", parser=parse_path, help="Folder to serve as HICMAE_HOME on another machine."
        ),
    ] = None,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch weights of the catalogue, check them, convert them once and store them by name.

    The file is kept only if it is a model and has the right hash: the one in the catalogue or, where nobody has
    published one, the one of the first download. A download that was cut resumes. Nothing in the file is run. The
    licence is printed before the first byte.

    [bold]Examples[/bold]

        hicmae weights pull hicmae-crema-d-1

        hicmae weights pull hicmae-mafw-1 --source file:/data/mafw-1.pth

        hicmae weights pull --all --to hicmae-home
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.errors import DiskError, HicmaeError, MissingDependencyError
    from hicmae_cli.weights.published import list_published

    if bool(names) == all_weights:
        raise usage_error("give the names of some weights, or --all")
    wanted = list(list_published()) if all_weights else list(dict.fromkeys(names or ()))
    if source is not None and len(wanted) != 1:
        raise usage_error("--source has one file, so it goes with one name")
    screen = Screen(quiet=quiet)
    if len(wanted) == 1:
        _pull(screen, wanted[0], source, to, offline)
        return
    failed = False
    for name in wanted:
        try:
            _pull(screen, name, source, to, offline)
        except (DiskError, MissingDependencyError):  # noqa: PERF203 (the others are pulled)
            raise  # the others would fail, too
        except HicmaeError as error:
            screen.fail(to_flags(str(error)))
            failed = True
    if failed:
        raise typer.Exit(1)


def _pull(screen: Screen, name: str, source: str | None, to: Path | None, offline: bool) -> None:
    """Pull one weight, and print what came of it."""
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.pulling.pull import find_published, pull_weight

    entry = find_published(name)
    # Also with --quiet: nobody gets a file without its licence.
    Screen().say(f"{name}: {entry.summary}; licence: {entry.licence}")
    with screen.bar(f"{name}, MB") as bar:
        pulled = pull_weight(
            name,
            source=source,
            to=to,
            offline=True if offline else None,
            on_source=lambda text: screen.say(f"from {text}"),
            on_wait=lambda: screen.say(f"another process is pulling {name}: waiting"),
            on_bytes=lambda there, total: bar.update(there // _MB, total=total // _MB or None),
        )
    for fault in pulled.faults:
        screen.warn(f"{name}: {fault}")
    if pulled.first_use:
        screen.warn(
            f"{name}: nobody has published a hash of this file; {pulled.origin.sha256[:12]}… is recorded and compared "
            "from now on"
        )
    screen.done("pulled" if pulled.is_new else "is here", f"{name}: {pulled.path}")


def offer_pull(name: str) -> None:
    """Ask whether to pull a weight that is only in the catalogue; never without a terminal, and never when offline."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.errors import NotPulledError
    from hicmae_cli.pulling.pull import find_published, is_offline
    from hicmae_cli.runtime.ensemble import PREFIX
    from hicmae_cli.weights.adding import find_file

    if name.startswith(PREFIX) or is_offline():
        return
    try:
        find_file(name)
    except NotPulledError:
        entry = find_published(name)
        question = f"{name} is not on this machine: {entry.summary}; licence: {entry.licence}. Fetch it now?"
        if typer.confirm(question, default=False, err=True):
            _pull(Screen(), name, None, None, offline=False)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names of weights; by default all of this machine.")
    ] = None,
) -> None:
    """Check that weights are what they were when they came here; a broken one exits with 1.

    [bold]Examples[/bold]

        hicmae weights verify

        hicmae weights verify hicmae-crema-d-1
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.pulling.upkeep import verify_weights

    screen, found = Screen(), verify_weights(names)
    for each in found:
        if each.state == "broken":
            screen.fail(f"{each.name}: {each.detail}")
        else:
            screen.done(each.state, f"{each.name}: {each.detail}")
    if any(each.state == "broken" for each in found):
        raise typer.Exit(1)


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of weights that are not bundled.")],
    forget: Annotated[
        bool, typer.Option("--forget", help="Also forget the hash of the first download, to accept another file.")
    ] = False,
) -> None:
    """Remove weights that were pulled, imported or added.

    [bold]Example[/bold]

        hicmae weights remove hicmae-crema-d-1
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.pulling.upkeep import remove_weight

    screen = Screen()
    for name in names:
        gone = remove_weight(name, forget=forget)
        screen.done("removed", f"{name}: {', '.join(path.name for path in gone) or 'its first hash'}")


def path(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from the list.")]) -> None:
    """Print the file of a weight.

    [bold]Example[/bold]

        hicmae weights path hicmae-nano
    """
    from hicmae_cli.pulling.upkeep import locate_weight

    typer.echo(locate_weight(name))


def card(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE|RUN", help="A name, a weight file, or the folder of a training run.")
    ],
    evaluation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Scores of `hicmae evaluate --json`; by default those in the folder of a run."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR|FILE.md", help="Write the card here, with a reliability diagram."),
    ] = None,
) -> None:
    """Print the model card of a weight as Markdown: data, protocol, scores, calibration, limits, licence.

    [bold]Examples[/bold]

        hicmae weights card hicmae-nano > card.md

        hicmae weights card my-videos --evaluation scores.json --output cards
    """
    from hicmae_cli.cards.card import make_card, write_card
    from hicmae_cli.cli.screen import Screen

    if output is None:
        typer.echo(make_card(name, evaluation).rstrip())
        return
    written = write_card(name, output, evaluation)
    for path in filter(None, (written.path, written.picture)):
        Screen().done("wrote", path)
