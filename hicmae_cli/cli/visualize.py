"""``hicmae visualize``: what a model does, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import DeviceOption, WeightsOption, usage_error

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Visualize what a model has learned.")


@app.callback()
def _sub_commands() -> None:
    """A sub-app of one command would otherwise be that command."""


@app.command()
def reconstruction(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A video with sound, raw or prepared (160 x 160 faces).")
    ],
    weights: WeightsOption,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.png", help="By default NAME.reconstruction.png, here."),
    ] = None,
    at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Where the 2.56 s begin; by default in the middle.")
    ] = None,
    mask_video: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of the faces to hide; by default as in the pre-training.")
    ] = None,
    mask_audio: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of the sound to hide; by default as in the pre-training.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed hides other patches.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Hide most of 2.56 s of a video and let a pre-trained model rebuild it.

    The picture shows faces and spectrogram as they are, as the model saw them, and as it rebuilt them. Each hidden
    patch is drawn with its own true mean and contrast: what the model adds is the pattern.

    [bold]Examples[/bold]

        hicmae visualize reconstruction interview.mp4 --weights pretrained.safetensors

        hicmae visualize reconstruction clip.mkv -w pretrained.safetensors --at 1.5 --mask-video 0.75 -o clip.png
    """
    target = output or Path(f"{source.stem}.reconstruction.png")
    if target.suffix.lower() != ".png":
        raise usage_error(f"--output {target}: expected a name that ends in .png")
    if target.resolve() == source.resolve():
        raise usage_error(f"--output {target}: is the input, which stays as it is; choose another name")
    from rich.console import Console

    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import SettingsError, WeightsError
    from hicmae_cli.weights.catalogue import find_weight

    weight_file = find_weight(weights, ".safetensors")
    if weight_file is None:
        raise WeightsError(f"{weights}: has no .safetensors file, and only torch can rebuild")
    require_training("visualize reconstruction", "torch", "torchvision")
    from hicmae_cli.clips.snippet import read_snippet
    from hicmae_cli.faces import FaceFinder
    from hicmae_cli.model_input import WINDOW_S
    from hicmae_cli.models.inputs import normalise_patches
    from hicmae_cli.models.masking import draw_masks
    from hicmae_cli.models.reconstruction import reconstruct
    from hicmae_cli.report.plots import reconstruction_picture
    from hicmae_cli.runtime.torch_engine import choose_device
    from hicmae_cli.weights.checkpoint import load_pretrained

    torch_device = choose_device(device)
    model, info = load_pretrained(weight_file)
    facts = info.pretraining
    assert facts is not None, "load_pretrained refuses a weight without them"
    ratios = (
        facts.video_mask_ratio if mask_video is None else mask_video,
        facts.audio_mask_ratio if mask_audio is None else mask_audio,
    )
    try:
        masks = draw_masks((facts.video_mask, facts.audio_mask), ratios, seed)
    except ValueError as error:
        raise SettingsError(f"--mask-video {ratios[0]:g}, --mask-audio {ratios[1]:g}: {error}") from error
    console = Console()
    with console.status("hiding and rebuilding"):
        try:
            snippet = read_snippet(source, at, FaceFinder)
        except SettingsError as error:
            # The option is --at here; --start is another command's.
            raise SettingsError(str(error).replace("start_s=", "at_s=", 1)) from error
        made = reconstruct(
            model.to(torch_device),
            snippet.faces[None],
            snippet.log_mel[None, None],
            *masks,
            normalise=normalise_patches,
            frame_difference=facts.frame_difference,
        )
        hidden = f"{ratios[0]:.0%} of the faces ({facts.video_mask}), {ratios[1]:.0%} of the sound ({facts.audio_mask})"
        end_s = snippet.start_s + WINDOW_S
        title = f"{source.name}, {snippet.start_s:.2f} to {end_s:.2f} s"
        title += f" · rebuilt by {Path(weights).name} · hidden: {hidden}"
        reconstruction_picture(made, target, title=title, start_s=snippet.start_s, end_s=end_s)
    console.print(f"hidden: {hidden}", highlight=False)
    for name, off, guess_off in (
        ("faces", made.face_error, made.face_guess_error),
        ("sound", made.log_mel_error, made.log_mel_guess_error),
    ):
        verdict = "better" if off < guess_off else "no better"
        console.print(
            f"error, {name}: {off:.3f}, {verdict} than the mean of each patch: {guess_off:.3f}", highlight=False
        )
    typer.echo(f"wrote {target}")
