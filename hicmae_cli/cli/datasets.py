"""``hicmae datasets``: which datasets are known, which of them are here, and all that is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hicmae_cli.corpora.dataset import Dataset


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show all that is known of one.")] = None,
) -> None:
    """List the datasets hicmae knows, or show one: labels, folds, files, licence, where to get it.

    Datasets lie in the folder that HICMAE_DATA names, else in data.

    [bold]Examples[/bold]

        hicmae datasets

        hicmae datasets crema-d
    """
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.markup import escape
    from rich.table import Table

    from hicmae_cli.corpora.card import card
    from hicmae_cli.corpora.catalogue import DATASETS, find_dataset

    console = Console()
    if name is not None:
        chosen = find_dataset(name)
        if console.is_terminal:
            console.print(Markdown(card(chosen)))
            console.print(" ".join(_place(chosen)), highlight=False, markup=False, soft_wrap=True)
        else:
            typer.echo(card(chosen))
            typer.echo(" ".join(_place(chosen)))
        return
    table = Table("name", "labels", "split", "place", "is")
    for dataset in DATASETS.values():
        labels = str(len(dataset.labels)) if dataset.labels else "those found"
        if dataset.task == "regression":
            labels += " targets"
        fixed = "fixed" if dataset.fold_rule.startswith("fixed") else "its columns"
        split = f"{len(dataset.folds)} folds" if dataset.folds else fixed
        table.add_row(dataset.name, labels, split, *map(escape, _place(dataset)))
    console.print(table)


def _place(dataset: Dataset) -> tuple[str, str]:
    """Where a dataset is looked for, and whether it is there and its clips prepared."""
    from hicmae_cli.corpora.catalogue import data_home, prepared_manifest

    root = data_home() / dataset.folder
    if prepared_manifest(dataset, root).is_file():
        return str(root), "prepared"
    return str(root), "found" if root.is_dir() else "absent"
