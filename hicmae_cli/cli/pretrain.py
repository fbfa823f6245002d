"""``hicmae pretrain``: learn from unlabelled talking faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import DeviceOption, OverrideOption, RecipeOption, RunOption, SetOption

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.media.listing import Listing
    from hicmae_cli.recipes.settings import PretrainSettings
    from hicmae_cli.training.pretraining.progress import PretrainingProgress
    from hicmae_cli.training.pretraining.recordings import RecordingList
    from hicmae_cli.training.pretraining.results import PretrainingOutcome
    from hicmae_cli.training.pretraining.state import StepReport


def pretrain(
    dataset: Annotated[str | None, typer.Option(help="Dataset to train on: puppets or voxceleb2.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV of prepared clips to train on instead; labels are ignored.")
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of videos to train on instead; their faces are cut first, once."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "--root",
            metavar="DIR",
            help="Folder of the dataset (missing puppets are drawn there), or of the faces cut from --videos.",
        ),
    ] = None,
    recipe: RecipeOption = None,
    output: RunOption = Path("runs/pretrain"),
    set_: SetOption = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight; by default the dataset's.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Pre-train on unlabelled videos of talking faces, as the paper does.

    `hicmae finetune --init` starts from the weight, DIR/last.safetensors. After an interruption or Ctrl-C, the same
    command resumes the run exactly. On several GPUs: docs/pretrain.md.

    [bold]Examples[/bold]

        hicmae pretrain --dataset puppets --output runs/pretrain-puppets

        hicmae pretrain --dataset voxceleb2 --data VoxCeleb2 --recipe pretrain-voxceleb2-base

        hicmae pretrain --videos interviews --recipe pretrain-puppets-nano --set contrast_weight=0
    """
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.training.pretraining.recordings import choose_recipe

    # Wrong usage fails here; torch takes seconds to import.
    choose_recipe(recipe, dataset, manifest, videos)
    require_training("pretrain", "torch", "torchvision", "accelerate")
    from rich.console import Console

    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.recipes.recipe import parse_overrides
    from hicmae_cli.training.machine import leave_process_group
    from hicmae_cli.training.pretraining.run import pretrain as run

    console = Console(quiet=process_number() > 0)
    with _Display(console, videos) as display:
        outcome = run(
            dataset,
            root=root,
            manifest=manifest,
            videos=videos,
            recipe=recipe,
            overrides={"epochs": epochs, "batch_size": batch_size, "seed": seed, **parse_overrides(set_ or [])},
            output=output,
            licence=licence or "",
            device=device,
            draw_puppets=puppets_manifest,
            progress=display.hooks(),
        )
    leave_process_group()
    _show(outcome, console)


def _show(outcome: PretrainingOutcome, console: Console) -> None:
    """Print how a run ended and what to do next; exits with 130 after Ctrl-C."""
    from rich.markup import escape

    from hicmae_cli.errors import one_line
    from hicmae_cli.training.pretraining.state import SKIPPED

    if outcome.skipped:
        first = ": ".join(min(outcome.skipped.items()))
        console.print(
            f"{len(outcome.skipped)} broken recordings were skipped, listed in {outcome.run / SKIPPED}; the first: "
            f"{one_line(first)}",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if not outcome.finished:
        console.print(
            f"[yellow]stopped[/yellow] after step {outcome.step} of {outcome.total_steps} and saved; give the same "
            "command again to resume",
            highlight=False,
        )
        raise typer.Exit(130)
    weight = escape(str(outcome.weight))
    console.print(
        f"[green]pre-trained weight[/green] {weight}\nnext: hicmae finetune --init {weight} …",
        soft_wrap=True,
        highlight=False,
    )


class _Display:
    """A progress bar, and the lines above it."""

    def __init__(self, console: Console, videos: Path | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        columns = (
            TextColumn("{task.description}", table_column=Column(min_width=9, no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.console, self.videos = console, videos
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("", losses="", total=None)
        self.weights: Mapping[str, float] = {}
        self.latest: StepReport | None = None

    def __enter__(self) -> _Display:
        return self

    def __exit__(self, *_: object) -> None:
        # Rich prints an empty line for a bar that was not shown.
        if self.bar.live.is_started:
            self.bar.stop()

    def hooks(self) -> PretrainingProgress:
        """The functions to call during a run."""
        from hicmae_cli.training.pretraining.progress import PretrainingProgress

        return PretrainingProgress(
            on_listing=self.listing,
            on_video=lambda: self.bar.advance(self.task),
            on_wait=lambda store: self.say(f"another process cuts faces into {store}; waiting for it to end"),
            on_recordings=self.recordings,
            on_start=self.start,
            on_step=self.step,
            on_epoch=self.epoch,
            warn=lambda line: self.say(line, style="yellow"),
        )

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line."""
        self.console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    def listing(self, listing: Listing) -> None:
        """Begin to cut the faces of a folder of videos."""
        from hicmae_cli.report.console import print_skipped_links

        assert self.videos is not None
        print_skipped_links(self.console, self.videos, listing.links)
        self.bar.reset(self.task, description="cutting faces", total=len(listing.files), losses="")
        self.bar.start()

    def recordings(self, found: RecordingList, settings: PretrainSettings) -> None:
        """Print what the run is about to do."""
        from hicmae_cli.errors import one_line
        from hicmae_cli.models.config import find_variant
        from hicmae_cli.training.pretraining.objectives import objective_weights

        self.weights = objective_weights(settings)
        self.say(
            f"{len(found.recordings)} recordings of {one_line(found.name)}, {find_variant(settings.dims)}, "
            f"{settings.epochs} epochs of {len(found.recordings) // settings.batch_size} steps of "
            f"{settings.batch_size} clips"
        )

    def start(self, step: int, total: int) -> None:
        """Begin to train."""
        if step:
            self.say(f"resuming after step {step} of {total}" if step < total else f"already finished: {total} steps")
        self.bar.reset(self.task, description="epoch 1", total=total, completed=step, losses="")
        self.bar.start()

    def step(self, report: StepReport) -> None:
        """Move the bar."""
        self.latest = report
        text = f"loss {report.loss:.4f} = {_format_losses(report.losses, self.weights)}"
        text += f"  lr {report.learning_rate:.1e}  {report.clips_per_s:.1f} clips/s"
        self.bar.update(self.task, description=f"epoch {report.epoch}", completed=report.step, losses=text)

    def epoch(self, epoch: int, loss: float) -> None:
        """Print the mean loss of an epoch."""
        assert self.latest is not None
        losses = "  ".join(f"{name} {self.latest.losses[name]:.4f}" for name in self.weights)
        self.say(
            f"epoch {epoch:3d}  loss {loss:.4f}  (last step: {losses})  lr {self.latest.learning_rate:.2e}  "
            f"{self.latest.clips_per_s:.1f} clips/s"
        )


def _format_losses(losses: Mapping[str, float], weights: Mapping[str, float]) -> str:
    """Write the losses of a step as a sum: ``video 0.750 + audio 0.980 + 0.0025 x contrastive 5.010``."""
    return " + ".join(
        ("" if weight == 1 else f"{weight:g} x ") + f"{name} {losses[name]:.3f}" for name, weight in weights.items()
    )
