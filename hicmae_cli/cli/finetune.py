"""``hicmae finetune``: train a classifier or a regressor on a dataset by a recipe, fold by fold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hicmae_cli.cli.options import (
    DatasetOption,
    DeviceOption,
    ExtendOption,
    ManifestOption,
    OverrideOption,
    PrecisionOption,
    ProfileOption,
    RecipeOption,
    RootOption,
    RunOption,
    SetOption,
    TrackerOption,
    usage_error,
)

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Bar, Screen
    from hicmae_cli.corpora.manifest import Sample
    from hicmae_cli.corpora.splits import Split
    from hicmae_cli.recipes.settings import FinetuneSettings
    from hicmae_cli.training.finetuning.progress import FinetuningProgress
    from hicmae_cli.training.finetuning.results import FinetuningResult, FoldResult


class FinetuneCommand(TyperCommand):
    """A command whose option ``--seeds`` takes several values: ``--seeds 0 1 2``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with the numbers after ``--seeds`` as one value."""
        return super().parse_args(ctx, join_numbers(args, "--seeds"))


COMMAND_CLASS = FinetuneCommand


def join_numbers(arguments: list[str], option: str) -> list[str]:
    """Join the numbers that follow an option: ``--seeds 0 1 2 --fold 1`` -> ``--seeds 0,1,2 --fold 1``."""
    joined: list[str] = []
    numbers: list[str] | None = None
    for argument in arguments:
        if numbers is not None and re.fullmatch(r"[\d,]+", argument):
            numbers.append(argument.strip(","))
            continue
        joined += [",".join(numbers)] if numbers else []
        joined.append(argument)
        numbers = [] if argument == option else None
    return joined + ([",".join(numbers)] if numbers else [])


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Parse ``0,1,2``.

    Raises:
        typer.BadParameter: something else.
    """
    if text is None:
        return ()
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", text.strip()):
        raise usage_error(f"--seeds {text}: expected whole numbers, such as --seeds 0 1 2")
    return tuple(map(int, text.split(",")))


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
        typer.Option(
            metavar="TASK", help="classification, multilabel or regression; by default the task of the dataset."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Labels in the order of the outputs, by default the dataset's order, or alphabetical; clips of other "
            "labels are skipped.",
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight.")] = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="A B …", help="Repeat everything with each of these seeds, in DIR/seed-A and so on."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="official|loso|kfold:N|repeated:NxM",
            help="Folds to test: the dataset's own (default), one speaker each, N folds over people, or these M times.",
        ),
    ] = None,
    split_seed: Annotated[
        int | None,
        typer.Option(help="Seed that draws validation people, folds and the label share; by default the recipe's, 0."),
    ] = None,
    label_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Train on this share of the training clips of each class, such as 0.1."),
    ] = None,
    extend_epochs: ExtendOption = 0,
    tracker: TrackerOption = None,
    device: DeviceOption = "auto",
    mixed_precision: PrecisionOption = None,
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

        hicmae finetune --dataset crema-d --protocol loso --seeds 0 1 2
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.corpora.catalogue import find_dataset
    from hicmae_cli.corpora.fold_protocols import parse_protocol
    from hicmae_cli.weights.reading import find_parameters

    seed_list = parse_seeds(seeds)
    parse_protocol(protocol)
    # An unknown name fails here; torch takes seconds to import.
    if dataset is not None:
        find_dataset(dataset)
    if init is not None:
        find_parameters(init, "start from")
    require_training("finetune", "torch", "torchvision", "accelerate")
    from hicmae_cli.recipes.recipe import parse_overrides
    from hicmae_cli.training.finetuning.folds import finetune_folds
    from hicmae_cli.training.machine import leave_process_group

    options = {
        "selection": selection,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "split_seed": split_seed,
        "label_share": label_share,
        "trackers": tracker,
        "mixed_precision": mixed_precision,
    }
    screen = Screen(silent=process_number() > 0, all_on_stdout=True)
    with screen.bar() as bar:
        result = finetune_folds(
            dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            seeds=seed_list,
            protocol=protocol,
            recipe=recipe,
            overrides={**options, **parse_overrides(set_ or [])},
            extend_epochs=extend_epochs,
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
    _show(result, output, screen)


def _show(result: FinetuningResult, output: Path, screen: Screen) -> None:
    """Print the scores, or how to resume; exit with 130 after Ctrl-C, and with 1 if clips could not be read."""
    from hicmae_cli.cli.screen import exit_stopped, print_scores
    from hicmae_cli.report.experiment import experiment_grid, experiment_notes

    last = result.seeds[-1]
    if not result.finished:
        outcome = last.folds[-1].outcome
        exit_stopped(screen, outcome.step, outcome.total_steps)
    if last.document is None:
        return
    if len(result.seeds) == 1:
        screen.done("result", last.report)
        print_scores(screen, last.document)
        return
    document = result.to_dict()
    screen.done("result", output / "result.md")
    screen.show(experiment_grid(document))
    for note in experiment_notes(document):
        screen.say(note)
    for warning in document["warnings"]:
        screen.warn(warning)
    failed = {failure for seed in result.seeds if seed.pooled for failure in seed.pooled.failures}
    for clip, reason in sorted(failed):
        screen.fail(f"{clip}: {reason}")
    if failed:
        raise typer.Exit(1)


class _Display:
    """Progress on the screen: lines, and a bar for each fold."""

    def __init__(self, screen: Screen, bar: Bar, init: str) -> None:
        self.screen, self.bar, self.init = screen, bar, init
        self.prefix, self.test_clips = "", 0

    def hooks(self) -> FinetuningProgress:
        """Return the functions to call during a run."""
        from hicmae_cli.training.finetuning.progress import FinetuningProgress

        return FinetuningProgress(
            on_plan=self.plan,
            on_hash=lambda done, total: self.bar.update(done, total=total, description="checking clips"),
            on_fold=self.fold,
            on_split=self.split,
            on_init=lambda transfer: self.screen.say(f"{self.init}: {transfer}"),
            on_start=self.start,
            on_step=self.step,
            on_validation=self.validation,
            on_epoch=lambda report: self.screen.say(f"{self.prefix}{report}"),
            on_test_clip=self.test_clip,
            on_result=self.result,
            warn=self.screen.warn,
        )

    def plan(self, runs: int) -> None:
        """Begin to count the runs."""
        from hicmae_cli.training.finetuning.remaining import Remaining

        self.remaining = Remaining(runs)

    def fold(self, fold: str | None, settings: FinetuneSettings) -> None:
        """Begin a fold."""
        self.settings = settings
        self.prefix = f"fold {fold}  " if fold else ""

    def split(self, parts: Split[Sample]) -> None:
        """Print the number of clips in each part."""
        self.test_clips = len(parts.test)
        drawn = f" ({self.settings.epoch_clips} drawn for each epoch)" if self.settings.epoch_clips else ""
        counts = f"{len(parts.train)} clips to train on{drawn}, "
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
        self.remaining.start_run(step, total)
        if 0 < step < total:
            self.screen.say(f"{self.prefix}resuming after step {step} of {total}")

    def step(self, epoch: int, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """Move the bar by a step."""
        self.remaining.count_step()
        text = f"{self.prefix}epoch {epoch}/{self.settings.epochs}"
        notes = [f"{name} {value:.3f}" for name, value in losses.items()]
        if left := str(self.remaining):
            notes.append(f"all runs: {left} left")
        self.bar.update(step, total=steps, description=text, note="  ".join(notes))

    def validation(self, epoch: int, done: int, clips: int) -> None:
        """Move the bar to the validation clips that are done."""
        self.bar.update(done, total=clips, description=f"{self.prefix}validating epoch {epoch}", note="")

    def test_clip(self) -> None:
        """Move the bar by a test clip."""
        if self.test_clips:
            self.bar.start(self.test_clips, description=f"{self.prefix}testing")
            self.test_clips = 0
        self.bar.advance()

    def result(self, run: FoldResult) -> None:
        """Print a finished fold: its weight, its scores, and the time that all others still need."""
        self.screen.done("weight", run.weight)
        self.remaining.end_run()
        if self.remaining.runs > 1:
            left = str(self.remaining) if self.remaining.run < self.remaining.runs else ""
            count = f"run {self.remaining.run} of {self.remaining.runs}"
            self.screen.say(f"{run}; {count}" + (f", {left} left" if left else ""))
