"""``hicmae finetune``: train a classifier on a dataset by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import (
    DEFAULT_PUPPETS,
    DataOption,
    DeviceOption,
    OverrideOption,
    RecipeOption,
    RunOption,
    usage_error,
)

if TYPE_CHECKING:
    from hicmae_cli.training.finetune import EpochReport
    from hicmae_cli.training.transfer import Transfer


def finetune(
    dataset: Annotated[str | None, typer.Option(help="A dataset by name: puppets.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Or a CSV of prepared clips with a split column (train, validation).")
    ] = None,
    data: DataOption = DEFAULT_PUPPETS,
    recipe: RecipeOption = None,
    output: RunOption = Path("runs/finetune"),
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Start from this weight instead of from scratch.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="a,b,…", help="Order of the outputs; by default the alphabet's.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence to write into the weight.")] = "unknown",
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Fine-tune a classifier; the best epoch by the validation split is kept as DIR/best.safetensors.

    A run that was cut off resumes exactly when the same command is given again.

    [bold]Examples[/bold]

        hicmae finetune --dataset puppets --output runs/puppets

        hicmae finetune --dataset puppets --init runs/pretrain-puppets/last.safetensors

        hicmae finetune --manifest crema-d/fold1.csv --recipe my.toml --init my-model.safetensors
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hicmae_cli.cli.datasets import DATASET_LICENCES, dataset_manifest, manifest_name
    from hicmae_cli.cli.training_extra import require_training

    if (manifest is None) == (dataset is None):
        raise usage_error("give either --dataset NAME or --manifest FILE")
    if recipe is None and dataset is None:
        raise usage_error("--manifest needs a --recipe: a .toml file, or a name to begin with: puppets-nano")
    require_training("finetune", "torch", "torchvision", "accelerate", "sklearn")
    from hicmae_cli.corpora.manifest import read_manifest
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.labels import canonical_label
    from hicmae_cli.runtime.torch_engine import choose_device
    from hicmae_cli.training.finetune import Progress as Hooks
    from hicmae_cli.training.finetune import finetune as train
    from hicmae_cli.training.recipes import load_settings
    from hicmae_cli.training.settings import FinetuneSettings
    from hicmae_cli.weights.catalogue import find_weight
    from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END

    choose_device(device)  # accelerate would take another one without a word
    given = tuple(canonical_label(name) for name in labels.split(",")) if labels else None
    if given is not None and (not all(given) or len(set(given)) < len(given)):
        raise usage_error(f"--labels {labels}: expected distinct names with commas between them")
    recipe = recipe or "puppets-nano"
    settings = load_settings(
        FinetuneSettings, recipe, {"epochs": epochs, "batch_size": batch_size, "seed": seed}
    )
    if dataset is not None:
        manifest = dataset_manifest(dataset, data)
        licence = DATASET_LICENCES.get(dataset, licence)
    assert manifest is not None
    samples = read_manifest(manifest, given)
    ours = all(sample.video is None or sample.video.suffix == ".mkv" for sample in samples)
    data_given = f"--dataset {dataset}" if dataset else f"--manifest {manifest.name}"
    source = f"hicmae finetune {data_given} --recipe {Path(recipe).name} --seed {settings.seed} "
    source += f"--epochs {settings.epochs} --batch-size {settings.batch_size}"
    source += f" --init {Path(init).name}" if init else ""
    start = None
    if init is not None:
        start = find_weight(init, ".safetensors")
        if start is None:
            raise WeightsError(f"{init}: has no .safetensors file to start from")

    console = Console()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, loss=float("nan"))

        def on_step(epoch: int, step: int, steps: int, loss: float) -> None:
            text = f"epoch {epoch}/{settings.epochs}"
            progress.update(task, description=text, completed=step, total=steps, loss=loss)

        best = train(
            output,
            train=[sample for sample in samples if sample.split == "train"],
            validation=[sample for sample in samples if sample.split == "validation"],
            labels=given or sorted({sample.label for sample in samples}),
            dataset=dataset or manifest_name(manifest),
            licence=licence,
            front_end=OUR_FRONT_END if ours else FRAME_FOLDERS,
            source=source,
            settings=settings,
            init=start,
            device=device,
            progress=Hooks(
                on_start=lambda transfer: console.print(
                    _taken(transfer, init or ""), markup=False, soft_wrap=True
                ),
                on_step=on_step,
                on_epoch=lambda report: console.print(_line(report), highlight=False, soft_wrap=True),
            ),
        )
    console.print(f"[green]best weight[/green] {escape(str(best))}", soft_wrap=True)


def _taken(transfer: Transfer, init: str) -> str:
    """What was taken from the weight of ``--init``; decoders, which nobody misses, are counted and not listed."""
    text = f"took {len(transfer.taken)} of {len(transfer.taken) + len(transfer.fresh)} tensors from {init}"
    text += f"; start anew: {', '.join(transfer.fresh)}" if transfer.fresh else ""
    parts = [name.split(".")[0] for name in transfer.unused]
    left = [f"{part} ({parts.count(part)} tensors)" for part in dict.fromkeys(parts)]
    return text + (f"; not used: {', '.join(left)}" if left else "")


def _line(report: EpochReport) -> str:
    text = f"epoch {report.epoch:3d}  loss {report.loss:.4f}  lr {report.learning_rate:.2e}  "
    text += f"{report.clips_per_s:.1f} clips/s"
    if report.validation_uar is not None:
        text += f"  validation UAR {report.validation_uar:.4f}  WAR {report.validation_war:.4f}"
        text += f"  best UAR {report.best_uar:.4f}"
    return text
