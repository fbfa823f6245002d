"""``hicmae merge``: merge lists of prepared clips into one, for a mixed training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import usage_error


def merge(
    lists: Annotated[
        list[str],
        typer.Argument(metavar="NAME=FILE.csv …", help="Lists of prepared clips, each with a name for its clips."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv", help="The list to write.")],
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Keep the clips of these labels only; by default all.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop",
            metavar="NAME[/SUBSET][:LABEL]",
            help="Leave out the clips of a list, of a subset of it, or of a label in it; may be repeated.",
        ),
    ] = None,
    split_seed: Annotated[int, typer.Option(help="Seed that draws who tests and who validates.")] = 0,
    test_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the clips for testing, in a list without a split.")
    ] = 0.2,
    validation_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the clips for validation, in a list without a split.")
    ] = 0.1,
) -> None:
    """Merge lists of prepared clips into one, with a split by person, for a mixed training.

    Ids and speakers begin with NAME, and the column `source` holds it; a column `source` of a list becomes `subset`.
    Other columns are kept. A split that a list names is kept; else whole people are drawn for testing and validation.

    [bold]Examples[/bold]

        hicmae merge photos=faces/photos.csv emodb=voices/emodb.csv -o mixed.csv

        hicmae merge emodb=voices/emodb.csv --drop emodb:boredom -o six.csv

        hicmae merge mine=photos.csv --drop mine/film:disgust -o clean.csv
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.corpora.merging import merge_manifests

    sources: dict[str, Path] = {}
    for text in lists:
        name, equals, file = text.partition("=")
        if not equals or not name or not file:
            raise usage_error(f"{text}: expected NAME=FILE.csv, such as photos=photos/photos.csv")
        if name in sources:
            raise usage_error(f"{text}: {name} already names {sources[name]}; every list needs its own name")
        sources[name] = Path(file)
    merged = merge_manifests(
        sources,
        output,
        labels=labels.split(",") if labels is not None else (),
        drop=drop or (),
        split_seed=split_seed,
        test_share=test_share,
        validation_share=validation_share,
    )
    Screen().show(merged)
