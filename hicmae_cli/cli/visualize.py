"""``hicmae visualize``: draw what a model has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import DeviceOption, WeightsOption, usage_error

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Visualize what a model has learned.\n\n[bold]Example[/bold]\n\n"
    "    hicmae visualize reconstruction interview.mp4 -w runs/pretrain",
)


@app.callback()
def _sub_commands() -> None:
    """Keep ``reconstruction`` a sub-command; Typer would merge a single one into ``visualize``."""


@app.command()
def reconstruction(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A video with sound, raw or prepared (160 x 160 faces).")
    ],
    weights: WeightsOption,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.png",
            help="Picture to write; by default NAME.reconstruction.png in the current folder.",
        ),
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Start of the 2.56 s; by default they are in the middle of the video."),
    ] = None,
    mask_video: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the faces to hide; by default as in pre-training.")
    ] = None,
    mask_audio: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the sound to hide; by default as in pre-training.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed; another one hides other patches.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Hide most of 2.56 s of a video and let a pre-trained model rebuild it.

    The picture shows faces and spectrogram three times: original, masked and rebuilt. Each hidden patch is drawn with
    its own true mean and contrast; the model adds the pattern.

    [bold]Examples[/bold]

        hicmae visualize reconstruction interview.mp4 -w runs/pretrain

        hicmae visualize reconstruction clip.mkv -w runs/pretrain --at 1.5
    """
    target = output or Path(f"{source.stem}.reconstruction.png")
    if target.suffix.lower() != ".png":
        raise usage_error(f"--output {target}: expected a name that ends in .png")
    if target.resolve() == source.resolve():
        raise usage_error(f"--output {target}: is the input, which is not overwritten; choose another name")
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.weights.reading import find_parameters

    # An unknown name fails here; torch takes seconds to import.
    find_parameters(weights, "rebuild with")
    require_training("visualize reconstruction", "torch", "torchvision")
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.training.pretraining.rebuilding import rebuild_video

    screen = Screen()
    with screen.wait("hiding and rebuilding"):
        rebuilt = rebuild_video(
            source, weights, at_s=at, mask_video=mask_video, mask_audio=mask_audio, seed=seed, device=device
        )
        rebuilt.draw(target)
    typer.echo(rebuilt)
    screen.done("wrote", target)
