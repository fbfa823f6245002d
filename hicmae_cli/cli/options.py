"""Options that several commands share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.runtime.engines import ENGINE_NAMES


def path_of(text: str) -> Path:
    """A path that was given; an empty one would be the working folder.

    Raises:
        typer.BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        metavar="NAME|FILE|RUN",
        help="A name from `hicmae weights list`, a weight file, or the folder of a training run.",
    ),
]
EngineOption = Annotated[str, typer.Option("--engine", help=f"One of {', '.join(ENGINE_NAMES)}.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        "--data",
        metavar="DIR",
        help="Where the dataset lies; by default $HICMAE_DATA/NAME or data/NAME. Puppets are drawn when missing.",
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV of prepared clips, or the authors' lines `<frame folder> <wav> <label>`, perhaps of --dataset."
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", help="A recipe that ships with hicmae, or a .toml file; a dataset knows its own."),
]
RunOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", parser=path_of, help="Folder of the run; an unfinished run goes on."),
]
OverrideOption = Annotated[int | None, typer.Option(help="Override the recipe.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the recipe; may be given again."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]

PUPPET_SIZES = {"train": 3000, "validation": 180, "test": 300}
"""Clips per split of the corpus that is drawn when none is there."""


def usage_error(message: str) -> typer.BadParameter:
    """Wrong usage: one line and exit code 2."""
    return typer.BadParameter(message)
