"""``hicmae weights``: list, show, calibrate, add and import model weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import DatasetOption, DeviceOption, EngineOption, ManifestOption, QuietOption, RootOption
from hicmae_cli.cli.pull import card, path, pull, remove, verify

if TYPE_CHECKING:
    from rich.table import Table

    from hicmae_cli.weights.info import WeightInfo

PAPER_RATE = 4
"""Every n-th frame that the paper's models use, at 25 frames/s."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, show, pull, check, calibrate, add and import model weights.\n\n[bold]Examples[/bold]\n\n"
    "    hicmae weights list\n\n    hicmae weights show puppets-nano\n\n    hicmae weights pull hicmae-crema-d-1",
)


@app.command("list")
def list_weights() -> None:
    """List the weights that are here by name, and those that can be pulled; needs no network connection.

    [bold]Example[/bold]

        hicmae weights list
    """
    from rich.table import Table

    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.weights.catalogue import list_stored, locate_stored, read_catalogue
    from hicmae_cli.weights.published import list_published
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
    screen = Screen()
    screen.show(table)
    here = {name for name, _ in rows}
    more = Table("can be pulled", "what it is")
    for name, entry in list_published().items():
        if name not in here:
            _add_row(more, name, entry.summary)
    if more.row_count:
        screen.show(more)


for command in (pull, verify, remove, path, card):
    app.command()(command)


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
    from hicmae_cli.report.console import weight_notice
    from hicmae_cli.weights.reading import read_card, read_info, read_precision

    info, precision = read_info(weight), read_precision(weight)
    if as_json:
        write_document({**info.to_dict(), "precision": precision}, STDOUT)
        return
    screen = Screen()
    if notice := weight_notice(weight, info):
        screen.show(Text(notice, "yellow"))
    screen.show(_make_table(info, precision))
    if card := read_card(weight):
        screen.show(Markdown(card))


@app.command()
def calibrate(
    weight: Annotated[
        str, typer.Argument(metavar="FILE|RUN|NAME", help="A weight file, the folder of a training run, or a name.")
    ],
    manifest: ManifestOption = None,
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: Annotated[
        str, typer.Option(help="Split to fit on, if the list has no folds; 'all' takes every clip.")
    ] = "validation",
    fold: Annotated[str | None, typer.Option(metavar="K", help="Fold to fit on.")] = None,
    modality: Annotated[
        str | None,
        typer.Option(metavar="av|video|audio", help="Fit the temperature of these streams only; by default of each."),
    ] = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; by default the weight is replaced."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Fit a temperature on held-out clips and write it into a weight; predict then applies it.

    The labels stay the same, and so do the tensors; only the probabilities become more honest. A weight of both streams
    also gets a temperature for clips with only one of them.

    [bold]Example[/bold]

        hicmae weights calibrate runs/mine/fold-1 --manifest held-out.csv
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.evaluation.calibrate_weight import calibrate_weight

    screen = Screen(quiet=quiet)
    with screen.bar("clips") as bar:
        report = calibrate_weight(
            weight,
            output,
            dataset=dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            split=split,
            modality=modality,
            engine=engine,
            device=device,
            draw_puppets=puppets_manifest,
            on_start=lambda _info, clips: bar.start(clips),
            on_clip=bar.advance,
        )
    for warning in report.warnings:
        screen.warn(warning)
    for streams, found in report.streams.items():
        error = f"expected calibration error {found.ece_before:.3f} on {found.clips} clips"
        if found.temperature is None:
            screen.warn(f"{streams}: the clips do not determine a temperature; {error}")
        else:
            screen.done(streams, f"temperature {found.temperature:.3f}; {error}, {found.ece_after:.3f} with it")
    screen.done("wrote", report.path)


NameOption = Annotated[str, typer.Option(help="Name to store the weight under.")]
RelabelOption = Annotated[
    str | None,
    typer.Option(metavar="OLD=NEW,…", help="Rename labels of a hicmae weight; the weight keeps a record of it."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a weight with this name.")]


@app.command("add")
def add(
    weight: Annotated[
        str, typer.Argument(metavar="FILE|RUN", help="A .safetensors or .onnx file, or the folder of a training run.")
    ],
    name: NameOption,
    relabel: RelabelOption = None,
    dataset: Annotated[
        str | None, typer.Option(help="Name of the training data, if the file does not know it.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight, if the file does not know it.")] = None,
    force: ForceOption = False,
) -> None:
    """Store a weight of your own under a name. It keeps its labels, data, licence, fold and scores.

    [bold]Examples[/bold]

        hicmae weights add runs/my-videos/fold-1 --name my-videos

        hicmae weights add crema-d.onnx --name crema-d --relabel sadness=sorrow
    """
    _add(weight, name, relabel=relabel, dataset=dataset, licence=licence, force=force)


@app.command("import")
def import_weights(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.pth", help="A checkpoint of the authors, fine-tuned or pre-trained.")
    ],
    name: NameOption,
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Labels in the order of the model's outputs; a pre-trained model has none."),
    ] = None,
    relabel: RelabelOption = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the training data.")] = None,
    fold: Annotated[
        str | None, typer.Option(help="Fold of it that the training left out; evaluate then refuses the other folds.")
    ] = None,
    sampling_rate: Annotated[
        int | None,
        typer.Option(
            help="Number n if every n-th frame was used in training, at 25 frames/s; by default the paper's 4."
        ),
    ] = None,
    heads: Annotated[int | None, typer.Option(help="Number of attention heads, if it is not width / 64.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight.")] = None,
    source: Annotated[str | None, typer.Option(help="Origin of the checkpoint; by default its file name.")] = None,
    force: ForceOption = False,
) -> None:
    """Import a checkpoint of the paper's authors without running any code in it.

    `hicmae finetune --init NAME` starts from a pre-trained weight. A .safetensors or .onnx file of hicmae is added as
    `hicmae weights add` does: it keeps its metadata, and options that contradict it are refused.

    [bold]Examples[/bold]

        hicmae weights import checkpoint-99.pth --name voxceleb2-base

        hicmae weights import best.pth --name mer-base --labels ANG,HAP,NEU,SAD
    """
    from hicmae_cli.cli.options import usage_error
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.weights.catalogue import check_name
    from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

    # A wrong name or file fails here; torch takes seconds to import.
    check_name(name, force=force)
    if not file.is_file():
        raise WeightsError(f"{file}: no such file")
    names = [label.strip() for label in labels.split(",")] if labels else []
    if file.suffix in WEIGHT_SUFFIXES:
        if fold is not None:
            raise usage_error(
                "--fold: is for authors' checkpoints; a weight of hicmae says itself which one it left out"
            )
        _add(
            str(file),
            name,
            relabel=relabel,
            labels=names,
            dataset=dataset,
            sampling_rate=sampling_rate,
            licence=licence,
            source=source,
            heads=heads,
            force=force,
        )
        return
    if relabel is not None:
        raise usage_error("--relabel: an authors' checkpoint has no names of labels; give them with --labels")
    require_training("weights import", "torch", "torchvision")
    from hicmae_cli.weights.importing import import_weight
    from hicmae_cli.weights.info import UNKNOWN

    model, info = import_weight(
        file,
        name,
        names,
        heads=heads,
        dataset=dataset or UNKNOWN,
        fold=fold or "",
        sampling_rate=PAPER_RATE if sampling_rate is None else sampling_rate,
        licence=licence or UNKNOWN,
        source=source,
        force=force,
    )
    screen = Screen()
    if heads is None and info.variant == "custom":
        screen.warn(
            f"the checkpoint does not contain its number of attention heads: assumed {model.dims.heads} (width / 64); "
            "pass --heads if the model has another number, otherwise its predictions are wrong"
        )
    screen.say(f"source: {info.source}")
    count = sum(parameter.numel() for parameter in model.parameters())
    use = f"labels {', '.join(info.labels)}" if names else f"pre-trained; use it with `hicmae finetune --init {name}`"
    screen.done(
        "imported",
        f"{name}: {info.variant}, {count / 1e6:.1f} M parameters, all {len(model.state_dict())} tensors matched; {use}",
    )


def _add(
    weight: str,
    name: str,
    *,
    relabel: str | None,
    labels: Sequence[str] = (),
    dataset: str | None = None,
    sampling_rate: int | None = None,
    licence: str | None = None,
    source: str | None = None,
    heads: int | None = None,
    force: bool,
) -> None:
    """Store a hicmae weight under a name, and say what it is."""
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.console import licence_line, weight_notice
    from hicmae_cli.weights.adding import add_weight, parse_relabel

    info = add_weight(
        weight,
        name,
        relabel=parse_relabel(relabel) if relabel is not None else None,
        labels=labels,
        dataset=dataset,
        sampling_rate=sampling_rate,
        licence=licence,
        source=source,
        heads=heads,
        force=force,
    )
    screen = Screen()
    screen.done("added", licence_line(name, info))
    if notice := weight_notice(name, info):
        screen.warn(notice)


def _make_table(info: WeightInfo, precision: str) -> Table:
    from rich.table import Table

    table = Table("field", "value", show_header=False, box=None)
    shown = {**info.to_dict(), "relabelled": info.list_renamed(), "precision": precision}
    shown["held_out"] = [str(score) for score in info.held_out]
    for field, value in shown.items():
        if field not in ("metrics", "run", "seen") and value != []:  # `hicmae show` prints run and seen
            _add_row(table, field, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
    for name, scores in info.metrics.items():
        _add_row(table, f"metrics: {name}", ", ".join(f"{metric} {score:.4g}" for metric, score in scores.items()))
    return table


def _add_row(table: Table, *cells: str) -> None:
    """Add texts that may come from a file."""
    from rich.markup import escape

    from hicmae_cli.errors import one_line

    table.add_row(*(escape(one_line(cell)) for cell in cells))
