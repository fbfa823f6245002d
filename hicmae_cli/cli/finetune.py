"""``hicmae finetune``: train a classifier or a regressor on a dataset by a recipe, fold by fold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import (
    DatasetOption,
    DeviceOption,
    ManifestOption,
    OverrideOption,
    ProfileOption,
    RecipeOption,
    RootOption,
    RunOption,
    SetOption,
)

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Bar, Screen
    from hicmae_cli.corpora.manifest import Sample
    from hicmae_cli.corpora.splits import Split
    from hicmae_cli.recipes.settings import FinetuneSettings
    from hicmae_cli.training.finetuning.progress import FinetuningProgress
    from hicmae_cli.training.finetuning.results import FinetuningResult


def finetune(
    dataset: DatasetOption = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K|all", help="Fold to test; by default all folds, one after the other.")
    ] = None,
    recipe: RecipeOption = None,
    profile: ProfileOption = None,
    output: RunOption = Path("runs/finetune"),
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Start from this weight instead of from scratch.")
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option(metavar="val|last|test-best", help="Epoch to keep; by default as in the recipe, usually val."),
    ] = None,
    set_: SetOption = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="classification or regression; by default the task of the dataset."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="Labels in the order of the outputs; by default the dataset's order, or alphabetical."
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight.")] = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Fine-tune a model on a labelled dataset, fold by fold, and test each fold once.

    The epoch that is best on validation speakers, who are taken from the training clips, is kept as
    DIR/best.safetensors, or DIR/fold-K/best.safetensors. `--selection last` trains on all training clips and keeps the
    last epoch. `--selection test-best` chooses the epoch on the test clips, as the paper's authors do, and every output
    says so. Run the same command again to resume an interrupted run.

    [bold]Examples[/bold]

        hicmae finetune --dataset puppets --output runs/puppets

        hicmae finetune --dataset crema-d --root CREMA-D --init voxceleb2-base

        hicmae finetune --dataset mafw --fold 1 --set class_weights=balanced

        hicmae finetune --dataset folder --root my-videos --profile laptop

        hicmae finetune --manifest interviews.csv --recipe crema-d
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.corpora.catalogue import find_dataset
    from hicmae_cli.weights.catalogue import find_weight

    # An unknown name fails here; torch takes seconds to import.
    if dataset is not None:
        find_dataset(dataset)
    if init is not None:
        find_weight(init, ".safetensors")
    require_training("finetune", "torch", "torchvision", "accelerate")
    from hicmae_cli.recipes.recipe import parse_overrides
    from hicmae_cli.training.finetuning.folds import finetune_folds
    from hicmae_cli.training.machine import leave_process_group

    options = {"selection": selection, "epochs": epochs, "batch_size": batch_size, "seed": seed}
    screen = Screen(silent=process_number() > 0, all_on_stdout=True)
    with screen.bar() as bar:
        result = finetune_folds(
            dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            recipe=recipe,
            overrides={**options, **parse_overrides(set_ or [])},
            profile=profile,
            output=output,
            init=init,
            task=task,
            labels=labels.split(",") if labels is not None else (),
            licence=licence or "",
            device=device,
            draw_puppets=puppets_manifest,
            progress=_Display(screen, bar, init or "").hooks(),
        )
    leave_process_group()
    _show(result, screen)


def _show(result: FinetuningResult, screen: Screen) -> None:
    """Print the scores, or how to resume; exit with 130 after Ctrl-C, and with 1 if clips could not be read."""
    from hicmae_cli.cli.screen import exit_stopped, print_scores

    (seed,) = result.seeds
    if not result.finished:
        outcome = seed.folds[-1].outcome
        exit_stopped(screen, outcome.step, outcome.total_steps)
    if seed.document is not None:
        screen.done("result", seed.report)
        print_scores(screen, seed.document)


class _Display:
    """Progress on the screen: lines, and a bar for each fold."""

    def __init__(self, screen: Screen, bar: Bar, init: str) -> None:
        self.screen, self.bar, self.init = screen, bar, init
        self.prefix, self.test_clips = "", 0

    def hooks(self) -> FinetuningProgress:
        """Return the functions to call during a run."""
        from hicmae_cli.training.finetuning.progress import FinetuningProgress

        return FinetuningProgress(
            on_fold=self.fold,
            on_split=self.split,
            on_init=lambda transfer: self.screen.say(f"{self.init}: {transfer}"),
            on_start=self.start,
            on_step=self.step,
            on_epoch=lambda report: self.screen.say(f"{self.prefix}{report}"),
            on_test_clip=self.test_clip,
            on_result=lambda run: self.screen.done("weight", run.weight),
            warn=self.screen.warn,
        )

    def fold(self, fold: str | None, settings: FinetuneSettings) -> None:
        """Begin a fold."""
        self.settings = settings
        self.prefix = f"fold {fold}  " if fold else ""

    def split(self, parts: Split[Sample]) -> None:
        """Print the number of clips in each part."""
        self.test_clips = len(parts.test)
        counts = f"{len(parts.train)} clips to train on, "
        if self.settings.selection == "val":
            people = {sample.speaker for sample in parts.validation}
            who = f" of {len(people)} other people" if people - {""} else ""
            counts += f"{len(parts.validation)}{who} to validate on, "
        counts += f"{len(parts.test)} to test on"
        if self.settings.selection == "test-best":
            counts += ", which also choose the epoch: the score will be optimistic"
        self.screen.say(self.prefix + counts)

    def start(self, step: int, total: int) -> None:
        """Begin to train."""
        if 0 < step < total:
            self.screen.say(f"{self.prefix}resuming after step {step} of {total}")

    def step(self, epoch: int, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """Move the bar by a step."""
        text = f"{self.prefix}epoch {epoch}/{self.settings.epochs}"
        loss = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.bar.update(step, total=steps, description=text, note=loss)

    def test_clip(self) -> None:
        """Move the bar by a test clip."""
        if self.test_clips:
            self.bar.start(self.test_clips, description=f"{self.prefix}testing")
            self.test_clips = 0
        self.bar.advance()
