"""``hicmae pretrain``: pre-train on unlabelled videos of talking faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import (
    DeviceOption,
    ExtendOption,
    OverrideOption,
    PrecisionOption,
    ProfileOption,
    RecipeOption,
    RunOption,
    SetOption,
    TrackerOption,
)

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Bar, Screen
    from hicmae_cli.media.listing import Listing
    from hicmae_cli.recipes.settings import PretrainSettings
    from hicmae_cli.training.pretraining.progress import PretrainingProgress
    from hicmae_cli.training.pretraining.recordings import RecordingList
    from hicmae_cli.training.pretraining.results import PretrainingOutcome
    from hicmae_cli.training.pretraining.state import StepReport


def pretrain(
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A known dataset, whose labels are ignored; `hicmae datasets` lists them."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of prepared clips to train on instead; labels are ignored.")
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of videos to train on instead; their faces are cut once, before training."
        ),
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
    fold: Annotated[
        str | None,
        typer.Option(
            metavar="K", help="Exclude the clips and people of this fold, so that it can test the fine-tuned model."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Start from this pre-trained weight of the same architecture, not from scratch."
        ),
    ] = None,
    recipe: RecipeOption = None,
    profile: ProfileOption = None,
    output: RunOption = Path("runs/pretrain"),
    set_: SetOption = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    extend_epochs: ExtendOption = 0,
    licence: Annotated[str | None, typer.Option(help="Licence of the weight; by default the dataset's.")] = None,
    tracker: TrackerOption = None,
    device: DeviceOption = "auto",
    mixed_precision: PrecisionOption = None,
) -> None:
    """Pre-train on unlabelled videos of talking faces, as the paper does.

    The result is a weight for `hicmae finetune --init`, DIR/last.safetensors. Run the same command again to resume an
    interrupted run exactly where it stopped. For several GPUs, see docs/pretrain.md.

    [bold]Examples[/bold]

        hicmae pretrain --dataset puppets --output runs/pretrain-puppets

        hicmae pretrain --dataset voxceleb2 --root VoxCeleb2

        hicmae pretrain --videos interviews --recipe pretrain-puppets-nano

        hicmae pretrain --dataset crema-d --fold 1 --init base --recipe my.toml
    """
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.training.pretraining.recordings import choose_recipe
    from hicmae_cli.weights.reading import find_parameters

    # Wrong usage fails here; torch takes seconds to import.
    choose_recipe(recipe, dataset, manifest, videos)
    if init is not None:
        find_parameters(init, "start from")
    require_training("pretrain", "torch", "torchvision", "accelerate")
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.recipes.recipe import parse_overrides
    from hicmae_cli.training.machine import leave_process_group
    from hicmae_cli.training.pretraining.run import pretrain as run

    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "trackers": tracker,
        "mixed_precision": mixed_precision,
    }
    screen = Screen(silent=process_number() > 0, all_on_stdout=True)
    with screen.bar() as bar:
        outcome = run(
            dataset,
            root=root,
            manifest=manifest,
            videos=videos,
            recipe=recipe,
            overrides={**options, **parse_overrides(set_ or [])},
            profile=profile,
            extend_epochs=extend_epochs,
            init=init,
            fold=fold,
            output=output,
            licence=licence or "",
            device=device,
            draw_puppets=puppets_manifest,
            progress=_Display(screen, bar, videos).hooks(),
        )
    leave_process_group()
    _show(outcome, screen)


def _show(outcome: PretrainingOutcome, screen: Screen) -> None:
    """Print how a run ended and what to do next; exit with 130 after Ctrl-C."""
    from hicmae_cli.cli.screen import exit_stopped
    from hicmae_cli.training.pretraining.state import SKIPPED

    if outcome.skipped:
        first = ": ".join(min(outcome.skipped.items()))
        screen.warn(
            f"{len(outcome.skipped)} broken recordings were skipped, listed in {outcome.run / SKIPPED}; the first: "
            f"{first}"
        )
    if not outcome.finished:
        exit_stopped(screen, outcome.step, outcome.total_steps)
    screen.done("pre-trained weight", outcome.weight)
    screen.say(f"next: hicmae finetune --init {outcome.weight} …")


class _Display:
    """Progress on the screen: lines, and a bar below them."""

    def __init__(self, screen: Screen, bar: Bar, videos: Path | None) -> None:
        self.screen, self.bar, self.videos = screen, bar, videos
        self.weights: Mapping[str, float] = {}
        self.latest: StepReport | None = None

    def hooks(self) -> PretrainingProgress:
        """Return the functions to call during a run."""
        from hicmae_cli.training.pretraining.progress import PretrainingProgress

        return PretrainingProgress(
            on_listing=self.listing,
            on_video=self.bar.advance,
            on_wait=lambda store: self.screen.say(f"another process cuts faces into {store}; waiting for it to end"),
            on_hash=lambda done, total: self.bar.update(done, total=total, description="checking clips"),
            on_recordings=self.recordings,
            on_start=self.start,
            on_step=self.step,
            on_epoch=self.epoch,
            warn=self.screen.warn,
        )

    def listing(self, listing: Listing) -> None:
        """Begin to cut the faces of a folder of videos."""
        from hicmae_cli.report.console import print_skipped_links

        assert self.videos is not None
        print_skipped_links(self.screen.out, self.videos, listing.links)
        self.bar.start(len(listing.files), description="cutting faces")

    def recordings(self, found: RecordingList, settings: PretrainSettings) -> None:
        """Print the size of the run."""
        from hicmae_cli.models.config import find_variant
        from hicmae_cli.training.pretraining.objectives import objective_weights

        self.weights = objective_weights(settings)
        self.screen.say(
            f"{len(found.recordings)} recordings of {found.name}, {find_variant(settings.dims)}, "
            f"{settings.epochs} epochs of {len(found.recordings) // settings.batch_size} steps of "
            f"{settings.batch_size} clips"
        )

    def start(self, step: int, total: int) -> None:
        """Begin to train."""
        if step:
            done = f"resuming after step {step} of {total}" if step < total else f"already finished: {total} steps"
            self.screen.say(done)
        self.bar.start(total, step, "epoch 1")

    def step(self, report: StepReport) -> None:
        """Move the bar by a step."""
        self.latest = report
        text = f"loss {report.loss:.4f} = {_format_losses(report.losses, self.weights)}"
        text += f"  lr {report.learning_rate:.1e}  {report.clips_per_s:.1f} clips/s"
        self.bar.update(report.step, description=f"epoch {report.epoch}", note=text)

    def epoch(self, epoch: int, loss: float) -> None:
        """Print the mean loss of an epoch."""
        assert self.latest is not None
        losses = "  ".join(f"{name} {self.latest.losses[name]:.4f}" for name in self.weights)
        self.screen.say(
            f"epoch {epoch:3d}  loss {loss:.4f}  (last step: {losses})  lr {self.latest.learning_rate:.2e}  "
            f"{self.latest.clips_per_s:.1f} clips/s"
        )


def _format_losses(losses: Mapping[str, float], weights: Mapping[str, float]) -> str:
    """Write the losses of a step as a sum: ``video 0.750 + audio 0.980 + 0.0025 x contrastive 5.010``."""
    return " + ".join(
        ("" if weight == 1 else f"{weight:g} x ") + f"{name} {losses[name]:.3f}" for name, weight in weights.items()
    )
