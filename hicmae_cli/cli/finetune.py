"""``hicmae finetune``: train a classifier or a regressor on a dataset by a recipe, fold by fold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import (
    DeviceOption,
    ManifestOption,
    OverrideOption,
    RecipeOption,
    RootOption,
    RunOption,
    SetOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.corpora.manifest import Sample
    from hicmae_cli.corpora.splits import Split
    from hicmae_cli.recipes.settings import FinetuneSettings
    from hicmae_cli.training.finetuning.progress import FinetuningProgress
    from hicmae_cli.training.finetuning.results import FinetuningResult, FoldResult


def finetune(
    dataset: Annotated[str | None, typer.Option(help="A dataset by name; `hicmae datasets` lists them.")] = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K|all", help="Fold to test; by default all folds, one by one.")
    ] = None,
    recipe: RecipeOption = None,
    output: RunOption = Path("runs/finetune"),
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Start from this weight instead of from scratch.")
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option(
            metavar="val|last|test-best", help="Which epoch to keep; by default as the recipe says, usually val."
        ),
    ] = None,
    set_: SetOption = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; by default the dataset's task.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="a,b,…", help="Order of the outputs; by default the dataset's, or alphabetical."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence to write into the weight.")] = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Fine-tune a model on a labelled dataset, fold by fold, and test each fold once.

    The best epoch on validation speakers, cut from the training clips, is kept as DIR/best.safetensors, or
    DIR/fold-K/best.safetensors. `--selection last` trains on all training clips and keeps the last epoch.
    `--selection test-best` chooses on the test clips as the paper's authors do, and every output says so. Give the same
    command again to resume a run that was interrupted.

    [bold]Examples[/bold]

        hicmae finetune --dataset puppets --output runs/puppets

        hicmae finetune --dataset crema-d --root CREMA-D --init voxceleb2-base --output runs/crema-d

        hicmae finetune --dataset mafw --fold 1 --set class_weights=balanced --set modality=video

        hicmae finetune --manifest interviews.csv --recipe crema-d --init my-model.safetensors
    """
    from rich.console import Console

    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.corpora.catalogue import find_dataset
    from hicmae_cli.weights.catalogue import find_weight

    # A wrong name is found here in a second; torch takes longer to import.
    if dataset is not None:
        find_dataset(dataset)
    if init is not None:
        find_weight(init, ".safetensors")
    require_training("finetune", "torch", "torchvision", "accelerate")
    from hicmae_cli.recipes.recipe import parse_overrides
    from hicmae_cli.training.finetuning.folds import finetune_folds
    from hicmae_cli.training.machine import leave_process_group

    options = {"selection": selection, "epochs": epochs, "batch_size": batch_size, "seed": seed}
    console = Console(quiet=process_number() > 0)
    with _Display(console, init or "") as display:
        result = finetune_folds(
            dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            recipe=recipe,
            overrides={**options, **parse_overrides(set_ or [])},
            output=output,
            init=init,
            task=task,
            labels=labels.split(",") if labels is not None else (),
            licence=licence or "",
            device=device,
            draw_puppets=puppets_manifest,
            progress=display.hooks(),
        )
    leave_process_group()
    _show(result, console)


def _show(result: FinetuningResult, console: Console) -> None:
    """Print the scores, or how to resume; exits with 130 after Ctrl-C, and with 1 if clips could not be read."""
    from rich.markup import escape

    from hicmae_cli.errors import one_line
    from hicmae_cli.report.scores import score_grids

    (seed,) = result.seeds
    if not result.finished:
        outcome = seed.folds[-1].outcome
        console.print(
            f"[yellow]stopped[/yellow] after step {outcome.step} of {outcome.total_steps}, and saved; give the same "
            "command again to resume",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(130)
    if seed.document is None:
        return
    for grid in score_grids(seed.document, screen=True):
        console.print(grid.to_rich())
    for warning in seed.document["warnings"]:
        console.print(one_line(f"warning: {warning}"), style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(f"[green]result[/green] {escape(str(seed.report))}", soft_wrap=True)
    for failure in seed.document["failures"]:
        line = one_line(f"failed {failure['id']}: {failure['message']}")
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    if seed.document["failures"]:
        raise typer.Exit(1)


class _Display:
    """Progress on the screen, with a bar for each fold."""

    def __init__(self, console: Console, init: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
        )
        self.console, self.init = console, init
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=None, loss="")
        self.prefix, self.test_clips = "", 0

    def __enter__(self) -> _Display:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def hooks(self) -> FinetuningProgress:
        from hicmae_cli.training.finetuning.progress import FinetuningProgress

        return FinetuningProgress(
            on_fold=self.fold,
            on_split=self.split,
            on_init=lambda transfer: self.say(f"{self.init}: {transfer}"),
            on_start=self.start,
            on_step=self.step,
            on_epoch=lambda report: self.say(f"{self.prefix}{report}"),
            on_test_clip=self.test_clip,
            on_result=self.result,
            warn=lambda line: self.say(line, style="yellow"),
        )

    def say(self, line: str, style: str | None = None) -> None:
        self.console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    def fold(self, fold: str | None, settings: FinetuneSettings) -> None:
        self.settings = settings
        self.prefix = f"fold {fold}  " if fold else ""
        self.bar.reset(self.task, description="", total=None, loss="")
        self.bar.start()

    def split(self, parts: Split[Sample]) -> None:
        self.test_clips = len(parts.test)
        counts = f"{len(parts.train)} clips to train on, "
        if self.settings.selection == "val":
            people = {sample.speaker for sample in parts.validation}
            who = f" of {len(people)} other people" if people - {""} else ""
            counts += f"{len(parts.validation)}{who} to validate on, "
        counts += f"{len(parts.test)} to test on"
        if self.settings.selection == "test-best":
            counts += ", which also choose the epoch: the score will be optimistic"
        self.say(self.prefix + counts)

    def start(self, step: int, total: int) -> None:
        if 0 < step < total:
            self.say(f"{self.prefix}resuming after step {step} of {total}")

    def step(self, epoch: int, step: int, steps: int, losses: Mapping[str, float]) -> None:
        text = f"{self.prefix}epoch {epoch}/{self.settings.epochs}"
        loss = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.bar.update(self.task, description=text, completed=step, total=steps, loss=loss)

    def test_clip(self) -> None:
        if self.test_clips:
            self.bar.reset(self.task, description=f"{self.prefix}testing", total=self.test_clips, loss="")
            self.test_clips = 0
        self.bar.advance(self.task)

    def result(self, run: FoldResult) -> None:
        from rich.markup import escape

        self.bar.stop()
        self.console.print(f"[green]weight[/green] {escape(str(run.weight))}", soft_wrap=True)
