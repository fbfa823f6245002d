"""``hicmae weights``: what models there are, what they are, and how to take one in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, show and import model weights.")


@app.command("list")
def list_weights() -> None:
    """List the weights that can be used by name, offline.

    [bold]Example[/bold]

        hicmae weights list
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from hicmae_cli.errors import WeightsError, one_line
    from hicmae_cli.weights.catalogue import list_stored, locate_stored, read_catalogue
    from hicmae_cli.weights.reading import read_info

    table = Table("name", "variant", "trained on", "labels", "files", "licence")
    rows = [(entry.name, [Path(file.name).suffix for file in entry.files]) for entry in read_catalogue()]
    for name in list_stored():
        suffixes = [s for s in (".safetensors", ".onnx") if locate_stored(name, s).is_file()]
        rows.append((name, suffixes))
    for name, suffixes in rows:
        try:
            info = read_info(name)
        except WeightsError as error:
            cells = (name, "unreadable", str(error), "", " ".join(suffixes), "")
            table.add_row(*(escape(one_line(cell)) for cell in cells))
            continue
        cells = (name, info.variant, info.dataset, ", ".join(info.labels), " ".join(suffixes), info.licence)
        table.add_row(*(escape(one_line(cell)) for cell in cells))
    Console().print(table)


@app.command()
def show(
    weight: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name from the list, or a weight file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the metadata as one JSON document.")] = False,
) -> None:
    """Show what a weight says of itself: labels, data, licence, scores, and its card.

    [bold]Example[/bold]

        hicmae weights show puppets-nano
    """
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.markup import escape
    from rich.table import Table

    from hicmae_cli.errors import one_line
    from hicmae_cli.report.console import demo_notice
    from hicmae_cli.report.files import to_json
    from hicmae_cli.weights.reading import read_card, read_info

    info = read_info(weight)
    if as_json:
        typer.echo(to_json(info.to_dict()), nl=False)
        return
    console = Console()
    if notice := demo_notice(weight, info):
        console.print(notice, style="yellow", highlight=False)
    table = Table("field", "value", show_header=False, box=None)
    for field, value in info.to_dict().items():
        if field != "metrics":
            text = ", ".join(value) if isinstance(value, list) else str(value)
            table.add_row(field, escape(one_line(text)))
    for name, scores in info.metrics.items():
        table.add_row(
            *(
                escape(one_line(cell))
                for cell in (f"metrics: {name}", ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
            )
        )
    console.print(table)
    if card := read_card(weight):
        console.print(Markdown(card))


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="An authors' checkpoint (.pth), fine-tuned or pre-trained.")],
    name: Annotated[str, typer.Option(help="Name to use it by from now on.")],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="a,b,…", help="Class names in the order of the model's outputs; a pre-trained one has none."
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="What it was trained on.")] = "unknown",
    sampling_rate: Annotated[int, typer.Option(help="Every n-th frame at 25 frames/s; the paper's is 4.")] = 4,
    heads: Annotated[int | None, typer.Option(help="Attention heads, where they are not width / 64.")] = None,
    licence: Annotated[str, typer.Option(help="What the weight may be used under.")] = "unknown",
    source: Annotated[str | None, typer.Option(help="Where it came from; by default the file's name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a weight of the same name.")] = False,
) -> None:
    """Take in an authors' checkpoint without running any code it carries.

    A pre-trained one is taken by `hicmae finetune --init NAME`.

    [bold]Examples[/bold]

        hicmae weights import checkpoint-99.pth --name voxceleb2-base --dataset voxceleb2

        hicmae weights import checkpoint-best.pth --name crema-d-base --labels ANG,DIS,FEA,HAP,NEU,SAD
    """
    from rich.console import Console

    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.weights.catalogue import check_name

    check_name(name, force=force)  # before anything that takes long
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
    count = sum(parameter.numel() for parameter in model.parameters())
    if heads is None and info.variant == "custom":
        Console(stderr=True).print(
            f"attention heads leave no trace in a checkpoint: {model.dims.heads} were assumed (width / 64); pass "
            "--heads if the model has another number, or its answers are wrong",
            style="yellow",
            highlight=False,
        )
    Console().print(
        f"[green]imported[/green] {name}: {info.variant}, {count / 1e6:.1f} M parameters in {len(model.state_dict())} "
        f"tensors, all of them matched; "
        + (f"labels {', '.join(info.labels)}" if names else "pre-trained: take it by `hicmae finetune --init`")
    )
