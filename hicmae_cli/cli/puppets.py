"""``hicmae puppets``: draw, preview and check the generated corpus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.corpora.known.puppets import PUPPET_SIZES

if TYPE_CHECKING:
    from hicmae_cli.puppets.world import World

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Generate a corpus of drawn people with synthetic voices.\n\n[bold]Examples[/bold]\n\n"
    "    hicmae puppets make\n\n    hicmae puppets preview",
)

SeedOption = Annotated[int, typer.Option(min=0, max=10**6, help="Random seed; another one draws other people.")]
WorldOption = Annotated[
    str,
    typer.Option(metavar="film|comic", help="How people are drawn and speak; expressions and manners are the same."),
]


@app.command()
def make(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Output folder; by default $HICMAE_DATA/puppets or data/puppets."),
    ] = None,
    train: Annotated[int, typer.Option(min=0, help="Number of training clips.")] = PUPPET_SIZES["train"],
    validation: Annotated[int, typer.Option(min=0, help="Number of validation clips.")] = PUPPET_SIZES["validation"],
    test: Annotated[int, typer.Option(min=0, help="Number of test clips.")] = PUPPET_SIZES["test"],
    seed: SeedOption = 0,
    world: WorldOption = "film",
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes; by default one per core.")] = None,
) -> None:
    """Draw a corpus: raw clips, prepared clips and a manifest.

    Run the same command again to continue an interrupted run.

    [bold]Examples[/bold]

        hicmae puppets make

        hicmae puppets make other --train 0 --validation 0 --test 300 --seed 7

        hicmae puppets make comic --world comic --train 0 --validation 0
    """
    sizes = {"train": train, "validation": validation, "test": test}
    if not any(sizes.values()):
        raise typer.BadParameter("expected at least one clip")
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.corpora.catalogue import data_home
    from hicmae_cli.corpora.known.puppets import PUPPETS
    from hicmae_cli.puppets.world import find_world

    found = find_world(world)
    manifest = make_with_progress(folder or data_home() / PUPPETS.folder, sizes, seed, found, workers)
    Screen().done("wrote", manifest)


@app.command()
def preview(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")] = Path("puppets-preview"),
    people: Annotated[int, typer.Option(min=1, max=24, help="Number of people, one row each.")] = 6,
    seed: SeedOption = 0,
    world: WorldOption = "film",
) -> None:
    """Draw a contact sheet (sheet.png) and a short video with sound (puppets.mp4).

    [bold]Example[/bold]

        hicmae puppets preview look
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.puppets.preview import make_preview
    from hicmae_cli.puppets.world import find_world

    screen, found = Screen(), find_world(world)
    with screen.wait("drawing"):
        for path in make_preview(folder, people, seed, found):
            screen.done("wrote", path)


@app.command()
def check(
    clips: Annotated[int, typer.Option(min=1, help="Number of clips to draw and read back.")] = 96,
    seed: SeedOption = 0,
    world: WorldOption = "film",
) -> None:
    """Read drawn faces back with MediaPipe; a correlation below 0.5 with the drawing exits with 1.

    [bold]Example[/bold]

        hicmae puppets check
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.puppets.readback import read_back
    from hicmae_cli.puppets.world import find_world

    found = find_world(world)
    with Screen().wait("drawing and reading back"):
        report = read_back(clips, seed, found)
    typer.echo(report)
    if not report.passed:
        raise typer.Exit(1)


def make_with_progress(
    folder: Path, sizes: Mapping[str, int], seed: int, world: World, workers: int | None = None
) -> Path:
    """Draw a corpus under a progress bar and return its manifest."""
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.puppets.corpus import make_corpus

    with Screen().bar("drawing puppets") as bar:
        bar.start(sum(sizes.values()))
        return make_corpus(folder, sizes, seed, world=world, workers=workers, on_clip=bar.advance)
