"""``hicmae evaluate``: score a model by the paper's test protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    DEFAULT_PUPPETS,
    DataOption,
    DeviceOption,
    EngineOption,
    QuietOption,
    WeightsOption,
    usage_error,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from hicmae_cli.evaluation.results import Evaluation


def evaluate(
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV of prepared clips, or the authors' lines `<frame folder> <wav> <label>`."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset by name: puppets.")] = None,
    data: DataOption = DEFAULT_PUPPETS,
    split: Annotated[
        str, typer.Option(help="Split of the manifest to score; 'all' takes every line.")
    ] = "test",
    fold: Annotated[str | None, typer.Option(help="Only the lines of this fold.")] = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str,
        typer.Option(help="av, video or audio; 'each' scores all three to show what every stream brings."),
    ] = "av",
    sampling_rate: Annotated[
        int | None,
        typer.Option(min=1, help="Take every n-th frame; by default what the weight was trained with."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write metrics, confusion and every clip here."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Score a model on prepared clips: UAR, WAR, F1 and the confusion matrix.

    [bold]Examples[/bold]

        hicmae evaluate --dataset puppets --modality each

        hicmae evaluate --manifest crema-d/fold1/test.csv --weights crema-d-base --json result.json
    """
    from rich.console import Console
    from rich.progress import Progress

    from hicmae_cli.cli.training_extra import require_training

    require_training("evaluate", "sklearn")
    from hicmae_cli.corpora.manifest import read_manifest
    from hicmae_cli.errors import ManifestError, one_line
    from hicmae_cli.evaluation.evaluate import MODALITIES
    from hicmae_cli.evaluation.evaluate import evaluate as score
    from hicmae_cli.report.console import demo_notice, licence_line
    from hicmae_cli.report.files import to_json, write_text
    from hicmae_cli.runtime.opening import open_engine

    if (manifest is None) == (dataset is None):
        raise usage_error("give either --manifest FILE or --dataset NAME")
    if modality not in (*MODALITIES, "each"):
        raise usage_error(f"--modality {modality}: expected av, video, audio or each")
    if dataset is not None:
        from hicmae_cli.cli.datasets import dataset_manifest

        manifest = dataset_manifest(dataset, data)
    assert manifest is not None
    out, err = Console(), Console(stderr=True)
    opened = open_engine(weights, engine, device)
    if not quiet:
        err.print(licence_line(weights, opened.info), style="dim", highlight=False, markup=False)
    if notice := demo_notice(weights, opened.info):
        err.print(notice, style="yellow", highlight=False, soft_wrap=True)
    samples = read_manifest(manifest, opened.info.labels)
    chosen = [
        sample
        for sample in samples
        # A list without splits is scored whole: the authors' files hold one split each.
        if (split == "all" or not sample.split or sample.split == split)
        and (fold is None or sample.fold == fold)
    ]
    if not chosen:
        raise ManifestError(f"{manifest}: no clips in split {split!r}" + (f", fold {fold!r}" if fold else ""))
    modalities = MODALITIES if modality == "each" else (modality,)
    with Progress(console=err, transient=True, disable=quiet) as progress:
        task = progress.add_task("clips", total=len(chosen))
        results = score(
            chosen,
            opened,
            sampling_rate=sampling_rate,
            modalities=modalities,
            on_clip=lambda: progress.advance(task),
        )
    first = next(iter(results.values()))
    out.print(_scores(results))
    out.print(_confusion(first))
    for clip, reason in first.failures:
        err.print(
            one_line(f"failed {clip}: {reason}"), style="red", highlight=False, markup=False, soft_wrap=True
        )
    if json_file is not None:
        document = first.to_dict()
        if len(results) > 1:
            document["by_modality"] = {name: result.metrics for name, result in results.items()}
        write_text(json_file, to_json(document))
    if first.failures:
        raise typer.Exit(1)


def _scores(results: dict[str, Evaluation]) -> Table:
    from rich.table import Table

    table = Table(
        "streams", "clips", "UAR", "WAR", "weighted F1", "macro F1", title="scores", title_justify="left"
    )
    for name, result in results.items():
        m = result.metrics
        values = (m["uar"], m["war"], m["weighted_f1"], m["macro_f1"])
        table.add_row(name, str(len(result.samples)), *(f"{value:.4f}" for value in values))
    return table


def _confusion(result: Evaluation) -> Table:
    from rich.table import Table

    labels: Sequence[str] = result.info.labels
    title = f"confusion, {result.modality} (rows: true, columns: predicted)"
    table = Table("", *labels, "recall", title=title, title_justify="left")
    for label, row in zip(labels, result.confusion, strict=True):
        recall = result.recalls[label]
        table.add_row(label, *map(str, row), "-" if recall is None else f"{recall:.2f}")
    return table
