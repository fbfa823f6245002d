"""``hicmae datasets``: list the known datasets and whether they are present, or show one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hicmae_cli.corpora.dataset import Dataset

SCHEMA = "hicmae.datasets/1"


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Dataset to show.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """List the datasets hicmae knows, or show one: labels, folds, files, licence, where to get it.

    Datasets are looked up in the folder $HICMAE_DATA, by default `data`. Installed packages can add datasets as
    plug-ins; the list then names the package of each.

    [bold]Examples[/bold]

        hicmae datasets

        hicmae datasets crema-d

        hicmae datasets crema-d --json
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.corpora.catalogue import find_dataset, list_datasets

    chosen = list(list_datasets().values()) if name is None else [find_dataset(name, labelled=False)]
    if json:
        write_document({"schema": SCHEMA, "datasets": [_describe(dataset) for dataset in chosen]}, STDOUT)
    elif name is None:
        Screen().show(_render_list(chosen))
    else:
        Screen().show(*_render_one(chosen[0]))


def _describe(dataset: Dataset) -> dict[str, Any]:
    path, status = _find_status(dataset)
    return {**dataset.to_dict(), "path": path, "status": status}


def _find_status(dataset: Dataset) -> tuple[str, str]:
    """Return the folder of a dataset, and whether it is ``prepared``, ``found`` or ``absent``."""
    from hicmae_cli.corpora.catalogue import data_home, prepared_manifest

    root = data_home() / dataset.folder
    if prepared_manifest(dataset, root).is_file():
        return str(root), "prepared"
    return str(root), "found" if root.is_dir() else "absent"


def _render_list(chosen: list[Dataset]) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table

    has_plugins = any(dataset.package for dataset in chosen)
    table = Table("name", "task", "split", "path", "status", *(["from"] if has_plugins else []))
    for dataset in chosen:
        cells = [_name_task(dataset), _name_split(dataset), *map(escape, _find_status(dataset))]
        table.add_row(dataset.name, *cells, *([escape(dataset.package or "hicmae")] if has_plugins else []))
    return table


def _name_task(dataset: Dataset) -> str:
    if not dataset.is_labelled:
        return "pre-training"
    from hicmae_cli.corpora.card import name_outputs

    return f"{len(dataset.labels)} {name_outputs(dataset)}" if dataset.labels else "your labels"


def _name_split(dataset: Dataset) -> str:
    if dataset.folds:
        return f"{len(dataset.folds)} folds"
    if not dataset.is_labelled:
        return "none"
    return "your columns" if dataset.own else "fixed"


def _render_one(dataset: Dataset) -> Iterator[RenderableType]:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hicmae_cli.corpora import card

    yield Text.assemble((card.make_title(dataset), "bold"), f" ({dataset.name})\n")
    facts = Table.grid(padding=(0, 2))
    for name, value in (*card.list_facts(dataset), ("Path", ", ".join(_find_status(dataset)))):
        facts.add_row(Text(name, "dim"), Text(value.replace("`", "")))
    yield facts
    lists = (
        ("Files, relative to the root:", dataset.layout.splitlines()),
        ("Excluded clips:", card.list_excluded(dataset)),
        (card.title_choices(dataset), dataset.choices),
    )
    for title, lines in lists:
        if lines:
            bullets = Table.grid(padding=(0, 1))
            for line in lines:
                bullets.add_row(Text("-"), Text(line.replace("`", "")))
            yield Group(Text(f"\n{title}"), bullets)
    if rows := card.list_published(dataset):
        yield Text(f"\n{card.title_published(dataset)}")
        table = Table()
        for title in rows[0]:
            table.add_column(title, justify="left" if title == "fold" else "right")
        for row in rows[1:]:
            table.add_row(*row)
        yield table
