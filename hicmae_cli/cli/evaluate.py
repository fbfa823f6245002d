"""``hicmae evaluate``: score a model by the paper's test protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import DeviceOption, EngineOption, ManifestOption, QuietOption, RootOption, usage_error
from hicmae_cli.corpora.manifest import ALL_FOLDS

_TASKS = ("classification", "regression")


def evaluate(
    manifest: ManifestOption = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset by name; `hicmae datasets` lists them.")] = None,
    root: RootOption = None,
    split: Annotated[
        str, typer.Option(help="Split of a manifest without folds to score; 'all' takes every line.")
    ] = "test",
    fold: Annotated[
        str | None, typer.Option(help="Only the clips of this fold; 'all' scores every fold by its own weight.")
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            "-w",
            metavar="NAME|FILE|DIR",
            help="A name from `hicmae weights list`, a file, or the folder of a run over folds.",
        ),
    ] = DEFAULT_WEIGHT,
    cross: Annotated[
        bool, typer.Option("--cross", help="The weight is of another corpus: score the labels that both have.")
    ] = False,
    label_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="A=B,…|FILE.toml",
            help="Corpus label = model label, where names differ; '-' leaves a label's clips out.",
        ),
    ] = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str | None,
        typer.Option(
            help="av, video or audio, by default what the weight has learned from; 'each' scores all three to show "
            "what every stream brings."
        ),
    ] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(min=1, help="Take every n-th frame; by default what the weight was trained with.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write metrics, confusion and every clip here.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables and the protocol in words here.")
    ] = None,
    confusion: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the confusion matrix here.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write result.json, result.md and confusion.png here."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Score a model on prepared clips: UAR, WAR, F1, CCC and more, beside the paper's numbers.

    [bold]Examples[/bold]

        hicmae evaluate --dataset puppets --modality each

        hicmae evaluate --manifest crema-d/fold1/test.csv --weights crema-d-base --json result.json

        hicmae evaluate --dataset crema-d --fold all --weights runs/crema-d --output results/crema-d

        hicmae evaluate --cross --dataset ravdess --weights runs/crema-d/fold-1/best.safetensors --map calm=neutral
    """
    from rich.console import Console
    from rich.progress import Progress

    from hicmae_cli.cli.clip_lists import find_under_test
    from hicmae_cli.corpora.splits import list_folds
    from hicmae_cli.errors import SettingsError, one_line
    from hicmae_cli.evaluation.evaluate import MODALITIES
    from hicmae_cli.evaluation.subject import find_weights, leak_warning, score, some_weight
    from hicmae_cli.report.console import demo_notice, licence_line
    from hicmae_cli.report.files import make_folder
    from hicmae_cli.report.score_files import write_scores
    from hicmae_cli.report.scores import score_grids
    from hicmae_cli.runtime.opening import open_engine
    from hicmae_cli.weights.reading import read_info

    if modality not in (None, *MODALITIES, "each"):
        raise usage_error(f"--modality {modality}: expected av, video, audio or each")
    for file in filter(None, (json_file, markdown, confusion)):
        if file.is_dir():
            raise SettingsError(f"{file}: is a folder; give a name for a file")
    if output is not None:
        make_folder(output)
        json_file, markdown = json_file or output / "result.json", markdown or output / "result.md"
    tested = find_under_test(
        manifest=manifest, dataset=dataset, root=root, fold=fold, split=split, cross=cross, label_map=label_map
    )
    info = read_info(some_weight(weights, tested.fold))
    if info.task == "regression" and confusion is not None:
        raise SettingsError("--confusion: a regression has no classes to confuse")
    out, err = Console(), Console(stderr=True)
    if not quiet:
        err.print(licence_line(weights, info), style="dim", highlight=False, markup=False)
    if notice := demo_notice(weights, info):
        err.print(notice, style="yellow", highlight=False, soft_wrap=True)
    samples = tested.read(info)
    files = find_weights(weights, tested.fold, list_folds(samples), cross=cross)
    infos = {name: read_info(file) for name, file in files.items()}
    parts = {name: (tested.clips(samples, name, infos[name].fold), file) for name, file in files.items()}
    if info.modality != "av" and modality not in (None, info.modality):
        raise SettingsError(f"--modality {modality}: the weight has learned from {info.modality} alone")
    modalities = MODALITIES if modality == "each" else (modality or info.modality,)
    labels = sorted({sample.label for sample in samples})
    with Progress(console=err, transient=True, disable=quiet) as progress:
        task = progress.add_task("clips", total=None)
        results, protocol = score(
            tested,
            parts,
            lambda weight: open_engine(weight, engine, device, tasks=_TASKS),
            found=labels,
            sampling_rate=sampling_rate,
            modalities=modalities,
            on_start=lambda total: progress.update(task, total=total),
            on_clip=lambda: progress.advance(task),
        )
    document = protocol.to_dict(next(iter(results.values())))
    if not cross:
        document["warnings"] += filter(None, (leak_warning(each, name) for name, each in infos.items()))
    if len(modalities) > 1:
        document["warnings"] += [
            f"{name}: no scores, as {'a fold' if tested.fold == ALL_FOLDS else 'the list'} has no clip with it"
            for name in modalities
            if name not in results
        ]
    if len(results) > 1:
        document["by_modality"] = {
            name: {**found.pooled.metrics, "decisions": len(found.pooled.samples)} for name, found in results.items()
        }
    for sentence in document["protocol"] if not quiet else ():
        err.print(one_line(sentence), style="dim", highlight=False, markup=False, soft_wrap=True)
    for grid in score_grids(document, screen=True):
        out.print(grid.to_rich())
    for warning in document["warnings"]:
        err.print(one_line(f"warning: {warning}"), style="yellow", highlight=False, markup=False, soft_wrap=True)
    for failure in document["failures"]:
        line = one_line(f"failed {failure['id']}: {failure['message']}")
        err.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    if confusion is None and output is not None and info.task == "classification":
        confusion = output / "confusion.png"
    write_scores(document, weights, json_file, markdown, confusion)
    if document["failures"]:
        raise typer.Exit(1)
