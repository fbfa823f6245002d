"""``hicmae weights``: list, show and import model weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from hicmae_cli.weights.info import WeightInfo

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, show and import model weights.\n\n[bold]Examples[/bold]\n\n    hicmae weights list\n\n"
    "    hicmae weights show puppets-nano\n\n    hicmae weights import checkpoint-99.pth --name voxceleb2-base",
)


@app.command("list")
def list_weights() -> None:
    """List the weights that are available by name, without a network connection.

    [bold]Example[/bold]

        hicmae weights list
    """
    from rich.table import Table

    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.weights.catalogue import list_stored, locate_stored, read_catalogue
    from hicmae_cli.weights.reading import read_info
    from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

    table = Table("name", "variant", "trained on", "labels", "files", "licence")
    rows = [(entry.name, [Path(file.name).suffix for file in entry.files]) for entry in read_catalogue()]
    for name in list_stored():
        suffixes = [s for s in WEIGHT_SUFFIXES if locate_stored(name, s).is_file()]
        rows.append((name, suffixes))
    for name, suffixes in rows:
        try:
            info = read_info(name)
            facts = (info.variant, info.dataset, ", ".join(info.labels))
            licence = info.licence
        except WeightsError as error:
            facts, licence = ("unreadable", str(error), ""), ""
        _add_row(table, name, *facts, " ".join(suffixes), licence)
    Screen().show(table)


@app.command()
def show(
    weight: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name from the list, or a weight file.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the metadata as one JSON document and nothing else.")
    ] = False,
) -> None:
    """Show the metadata of a weight (labels, data, licence, scores) and its model card.

    [bold]Examples[/bold]

        hicmae weights show puppets-nano

        hicmae weights show runs/crema-d/fold-1/best.safetensors --json
    """
    from rich.markdown import Markdown
    from rich.text import Text

    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.report.console import demo_notice
    from hicmae_cli.weights.reading import read_card, read_info

    info = read_info(weight)
    if as_json:
        write_document(info.to_dict(), STDOUT)
        return
    screen = Screen()
    if notice := demo_notice(weight, info):
        screen.show(Text(notice, "yellow"))
    screen.show(_make_table(info))
    if card := read_card(weight):
        screen.show(Markdown(card))


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth", help="A checkpoint, fine-tuned or pre-trained.")],
    name: Annotated[str, typer.Option(help="Name to store the weight under.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Labels in the order of the model's outputs; a pre-trained model has none."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Name of the training data.")] = "unknown",
    sampling_rate: Annotated[
        int, typer.Option(help="Number n if every n-th frame was used in training, at 25 frames/s; 4 in the paper.")
    ] = 4,
    heads: Annotated[int | None, typer.Option(help="Number of attention heads, if it is not width / 64.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weight.")] = "unknown",
    source: Annotated[str | None, typer.Option(help="Origin of the checkpoint; by default its file name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a weight with this name.")] = False,
) -> None:
    """Import a checkpoint of the paper's authors without running any code in it.

    `hicmae finetune --init NAME` starts from a pre-trained weight.

    [bold]Examples[/bold]

        hicmae weights import checkpoint-99.pth --name voxceleb2-base

        hicmae weights import best.pth --name mer-base --labels ANG,HAP,NEU,SAD
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.weights.catalogue import check_name

    # A wrong name or file fails here; torch takes seconds to import.
    check_name(name, force=force)
    if not file.is_file():
        raise WeightsError(f"{file}: no such file")
    require_training("weights import", "torch", "torchvision")
    from hicmae_cli.weights.importing import import_weight

    names = [label.strip() for label in labels.split(",")] if labels else []
    model, info = import_weight(
        file,
        name,
        names,
        heads=heads,
        dataset=dataset,
        sampling_rate=sampling_rate,
        licence=licence,
        source=source,
        force=force,
    )
    screen = Screen()
    if heads is None and info.variant == "custom":
        screen.warn(
            f"the checkpoint does not contain its number of attention heads: assumed {model.dims.heads} (width / 64); "
            "pass --heads if the model has another number, otherwise its predictions are wrong"
        )
    count = sum(parameter.numel() for parameter in model.parameters())
    use = f"labels {', '.join(info.labels)}" if names else f"pre-trained; use it with `hicmae finetune --init {name}`"
    screen.done(
        "imported",
        f"{name}: {info.variant}, {count / 1e6:.1f} M parameters, all {len(model.state_dict())} tensors matched; {use}",
    )


def _make_table(info: WeightInfo) -> Table:
    from rich.table import Table

    table = Table("field", "value", show_header=False, box=None)
    for field, value in info.to_dict().items():
        if field not in ("metrics", "run", "seen"):  # `hicmae show` prints the last two
            _add_row(table, field, ", ".join(value) if isinstance(value, list) else str(value))
    for name, scores in info.metrics.items():
        _add_row(table, f"metrics: {name}", ", ".join(f"{metric} {score:.4g}" for metric, score in scores.items()))
    return table


def _add_row(table: Table, *cells: str) -> None:
    """Add texts that may come from a file."""
    from rich.markup import escape

    from hicmae_cli.errors import one_line

    table.add_row(*(escape(one_line(cell)) for cell in cells))
