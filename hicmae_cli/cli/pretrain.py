"""``hicmae pretrain``: learn from unlabelled talking faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import DeviceOption, OverrideOption, RecipeOption, RunOption, SetOption, usage_error

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.clips.recording import Recording
    from hicmae_cli.models.pretraining import PretrainingModel
    from hicmae_cli.training.pretraining.state import StepReport
    from hicmae_cli.training.settings import PretrainSettings

_DEFAULT_RECIPES = {"puppets": "pretrain-puppets-nano", "voxceleb2": "pretrain-voxceleb2-base"}
_LICENCES = {"puppets": "MIT", "voxceleb2": "CC-BY-4.0 (VoxCeleb2)"}


def pretrain(
    dataset: Annotated[str | None, typer.Option(help="A dataset by name: puppets or voxceleb2.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Or a CSV of prepared clips; labels are not looked at.")] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Or a folder of any videos; the faces are cut out first, once.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "--root",
            metavar="DIR",
            help="Where the dataset lies (puppets are drawn there when missing), or where faces of --videos go.",
        ),
    ] = None,
    recipe: RecipeOption = None,
    output: RunOption = Path("runs/pretrain"),
    set_: SetOption = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    licence: Annotated[str | None, typer.Option(help="Licence to write into the weight.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Pre-train on unlabelled videos of talking faces, as the paper does.

    The weight, DIR/last.safetensors, is what `hicmae finetune --init` starts from. A run that was cut off, or stopped
    by Ctrl-C, goes on exactly when the same command is given again. On several GPUs: docs/pretrain.md.

    [bold]Examples[/bold]

        hicmae pretrain --dataset puppets --output runs/pretrain-puppets

        hicmae pretrain --dataset voxceleb2 --data VoxCeleb2 --recipe pretrain-voxceleb2-base

        hicmae pretrain --videos interviews --recipe pretrain-puppets-nano --set contrast_weight=0
    """
    from hicmae_cli.cli.training_extra import process_number, require_training

    if sum(choice is not None for choice in (dataset, manifest, videos)) != 1:
        raise usage_error("give one of --dataset NAME, --manifest FILE and --videos DIR")
    if dataset is not None and dataset not in _DEFAULT_RECIPES:
        raise usage_error(f"--dataset {dataset}: known are {', '.join(_DEFAULT_RECIPES)}")
    if recipe is None and dataset is None:
        raise usage_error(
            "without --dataset a --recipe is needed: a .toml file, or a name such as pretrain-puppets-nano"
        )
    require_training("pretrain", "torch", "torchvision", "accelerate")
    from rich.console import Console
    from rich.markup import escape

    from hicmae_cli.errors import first_line, one_line
    from hicmae_cli.runtime.torch_engine import choose_device
    from hicmae_cli.training.machine import part_from_others
    from hicmae_cli.training.pretraining.loop import Progress
    from hicmae_cli.training.pretraining.loop import pretrain as train
    from hicmae_cli.training.recipes import load_settings, parse_overrides
    from hicmae_cli.training.settings import PretrainSettings

    choose_device(device)  # accelerate would take another one without a word
    recipe = recipe or _DEFAULT_RECIPES[dataset or ""]
    overrides = {"epochs": epochs, "batch_size": batch_size, "seed": seed, **parse_overrides(set_ or [])}
    settings = load_settings(PretrainSettings, recipe, overrides)
    console = Console(quiet=process_number() > 0)
    recordings, name, front_end = _recordings(dataset, manifest, videos, data, device, console)
    changed = [f"--set {key}={value}" for key, value in overrides.items() if value is not None]
    given = f"--dataset {dataset}" if dataset else f"on {(manifest or videos or Path()).name}"
    console.print(
        f"[bold]{len(recordings)}[/bold] recordings of {escape(name)}, {settings.variant}, {settings.epochs} epochs "
        f"of {len(recordings) // settings.batch_size} steps of {settings.batch_size} clips",
        highlight=False,
    )
    with _Display(console, settings, recordings, output) as display:
        outcome = train(
            output,
            recordings=recordings,
            dataset=name,
            licence=licence or _LICENCES.get(name, "unknown"),
            front_end=front_end,
            source=" ".join(["hicmae pretrain", given, f"--recipe {Path(recipe).name}", *changed]),
            settings=settings,
            device=device,
            progress=Progress(
                on_start=display.start,
                on_step=display.step,
                on_epoch=display.epoch,
                on_picture=display.picture,
                warn=display.warn,
            ),
        )
    part_from_others()
    if outcome.skipped:
        first = next(iter(sorted(outcome.skipped.items())))
        console.print(
            f"{len(outcome.skipped)} broken recordings were skipped, listed in {escape(str(output / 'skipped.csv'))}; "
            f"the first: {escape(one_line(': '.join(first)))}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    if process_number() == 0:
        try:
            display.curves()
        except OSError as error:
            console.print(f"no plot of the curves: {escape(first_line(error))}", style="yellow")
    if not outcome.finished:
        console.print(
            f"[yellow]stopped[/yellow] after step {outcome.step} of {outcome.total_steps}, and saved; give the same "
            "command again to go on",
            highlight=False,
        )
        raise typer.Exit(130)
    console.print(
        f"[green]pre-trained weight[/green] {escape(str(outcome.weight))}\n"
        f"next: hicmae finetune --init {escape(str(outcome.weight))} …",
        soft_wrap=True,
        highlight=False,
    )


def _recordings(
    dataset: str | None, manifest: Path | None, videos: Path | None, data: Path | None, device: str, console: Console
) -> tuple[Sequence[Recording], str, str]:
    """What to learn from, the name the weight will carry, and how the faces were cut."""
    from datetime import timedelta

    from accelerate import PartialState
    from rich.markup import escape

    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.corpora import unlabelled
    from hicmae_cli.corpora.catalogue import data_home
    from hicmae_cli.corpora.clip_list import manifest_name
    from hicmae_cli.errors import one_line
    from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END, VOXCELEB2_FRONT_END

    if dataset == "voxceleb2":
        if data is None:
            raise usage_error(
                "--dataset voxceleb2 needs --data DIR, the folder that holds its mp4 and aac folders (or dev/); "
                "ask for VoxCeleb2 at https://www.robots.ox.ac.uk/~vgg/data/voxceleb/, or try --dataset puppets"
            )
        return unlabelled.voxceleb2(data), dataset, VOXCELEB2_FRONT_END
    # The main process draws or cuts, which may take long, and the others find it done.
    with PartialState(cpu=device == "cpu", timeout=timedelta(days=7)).main_process_first():
        if videos is not None:
            store = data or Path("data") / f"{videos.name}-faces"
            recordings, skipped = _cut_faces(videos, store, console)
            for path, reason in skipped:
                console.print(
                    f"skipped {escape(one_line(f'{path}: {reason}'))}", style="yellow", highlight=False, soft_wrap=True
                )
            return recordings, videos.name, OUR_FRONT_END
        if dataset is not None:
            manifest = puppets_manifest(data or data_home() / "puppets")
    assert manifest is not None
    recordings, left_out = unlabelled.from_manifest(manifest)
    for id_, reason in left_out.items():
        console.print(f"left out {escape(one_line(f'{id_}: {reason}'))}", style="dim", highlight=False, soft_wrap=True)
    ours = all(recording.video.suffix == ".mkv" for recording in recordings)
    return recordings, dataset or manifest_name(manifest), OUR_FRONT_END if ours else FRAME_FOLDERS


def _cut_faces(videos: Path, store: Path, console: Console) -> tuple[list[Recording], list[tuple[Path, str]]]:
    from functools import partial

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hicmae_cli.media import VIDEO_SUFFIXES, list_media
    from hicmae_cli.preparing.videos import prepare_videos as cut_faces
    from hicmae_cli.report.console import print_skipped_links
    from hicmae_cli.workers import count_cores, run_in_pool

    listing = list_media(videos, VIDEO_SUFFIXES, exclude=store.resolve())
    print_skipped_links(console, videos, listing.links)
    columns = (TextColumn("cutting faces"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(listing.files))
        return cut_faces(
            videos,
            store,
            run=partial(run_in_pool, workers=count_cores()),
            on_video=lambda: progress.advance(task),
            on_wait=lambda: progress.console.print(
                f"another process cuts faces into {store}; waiting for it to end", markup=False
            ),
        )


class _Display:
    """Progress on the screen and pictures in the run's folder."""

    def __init__(
        self, console: Console, settings: PretrainSettings, recordings: Sequence[Recording], run: Path
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console, self.settings, self.recordings, self.run = console, settings, recordings, run
        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", epoch=1, losses="", total=None)
        self.latest: StepReport | None = None

    def __enter__(self) -> _Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def start(self, step: int, total: int) -> None:
        self.bar.reset(self.task, total=total, completed=step, epoch=1, losses="")
        if step:
            self.console.print(f"going on after step {step} of {total}", highlight=False)

    def step(self, report: StepReport) -> None:
        self.latest = report
        text = f"loss {report.loss:.4f} = video {report.video_loss:.3f} + audio {report.audio_loss:.3f}"
        if self.settings.contrasted:
            text += f" + {self.settings.contrast_weight:g} x contrast {report.contrastive_loss:.2f}"
        text += f"  lr {report.learning_rate:.1e}  {report.clips_per_s:.1f} clips/s"
        self.bar.update(self.task, completed=report.step, epoch=report.epoch, losses=text)

    def epoch(self, epoch: int, loss: float) -> None:
        assert self.latest is not None
        text = f"epoch {epoch:3d}  loss {loss:.4f}  (last step: video {self.latest.video_loss:.4f}  "
        text += f"audio {self.latest.audio_loss:.4f}  contrast {self.latest.contrastive_loss:.3f})  "
        text += f"lr {self.latest.learning_rate:.2e}  {self.latest.clips_per_s:.1f} clips/s"
        self.console.print(text, highlight=False, soft_wrap=True)

    def picture(self, step: int, model: PretrainingModel) -> None:
        """What the model makes of one clip, always the same with the same mask."""
        from hicmae_cli.errors import HicmaeError, first_line
        from hicmae_cli.models.inputs import normalise_patches
        from hicmae_cli.models.reconstruction import reconstruct
        from hicmae_cli.report.plots import reconstruction_picture
        from hicmae_cli.training.pretraining.data import example

        try:
            clip = example(self.recordings, self.settings)
            pictures = reconstruct(
                model,
                clip.faces,
                clip.audio,
                clip.video_mask,
                clip.audio_mask,
                normalise=normalise_patches,
                frame_difference=self.settings.frame_difference,
            )
            path = self.run / "pictures" / f"step-{step:08d}.png"
            reconstruction_picture(pictures, path, title=f"{clip.ids[0]}, step {step}")
        except (HicmaeError, OSError) as error:  # no picture is worth a run
            self.warn(f"no picture of step {step}: {first_line(error)}")

    def warn(self, line: str) -> None:
        self.console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def curves(self) -> None:
        from hicmae_cli.report.plots import plot_curves
        from hicmae_cli.training.runs import read_lines

        lines = read_lines(self.run / "metrics.jsonl")
        if lines:
            plot_curves(lines, self.run / "curves.png")
