"""``hicmae visualize``: draw what a model has learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import (
    DatasetOption,
    DeviceOption,
    ManifestOption,
    QuietOption,
    RootOption,
    WeightsOption,
    parse_path,
    usage_error,
)

if TYPE_CHECKING:
    from hicmae_cli.embedding.projection import Projection
    from hicmae_cli.embedding.table import Embeddings
    from hicmae_cli.report.grid import Grid

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Visualize what a model has learned.\n\n[bold]Examples[/bold]\n\n"
    "    hicmae visualize reconstruction interview.mp4 -w runs/pretrain\n\n"
    "    hicmae visualize embeddings --dataset puppets -w runs/pretrain",
)


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


@app.command()
def embeddings(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A table of `hicmae embed --layers each`, in place of a weight and clips.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="NAME|FILE|RUN",
            help="A name from `hicmae weights list`, a weight file, or the folder of a training run.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", parser=parse_path, help="Picture to write: .png, .svg or .pdf."),
    ] = Path("embeddings.png"),
    method: Annotated[str, typer.Option(metavar="tsne|umap", help="Method; UMAP needs umap-learn.")] = "tsne",
    layers: Annotated[str | None, typer.Option(metavar="1,2,…", help="Encoder layers, from 1; by default all.")] = None,
    limit: Annotated[int, typer.Option(min=4, max=5000, help="Most clips to draw, spread over the list.")] = 500,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the method.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write places and numbers as JSON; '-' for stdout.")
    ] = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Draw the embeddings of faces and voices in each layer, coloured by stream, class and speaker.

    Two numbers say how the streams align: the modality gap (the distance between their means) and recall@1 (how often
    a face finds its voice among all clips, and back). Distances in the picture mean little; read the numbers.

    [bold]Examples[/bold]

        hicmae visualize embeddings --dataset puppets -w runs/pretrain

        hicmae visualize embeddings layers.npz --layers 1,6 --method umap
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import SettingsError
    from hicmae_cli.report.figures import check_picture

    check_picture(output)
    if (table is None) == (weights is None):
        raise usage_error("give either a table of embeddings, or --weights with --dataset or --manifest")
    try:
        chosen = [int(part) for part in layers.split(",")] if layers else []
    except ValueError as error:
        raise SettingsError(f"layers={layers!r}: expected numbers such as 1,6") from error
    require_training("visualize embeddings", "sklearn", *(["torch", "torchvision"] if weights else []))
    from hicmae_cli.embedding.projection import check_method, project

    check_method(method)
    screen = Screen(quiet=quiet)
    found: Embeddings | Path | None = table
    if weights is not None:
        from hicmae_cli.embedding.clips import embed_clips

        with screen.bar("clips") as bar:
            found = embed_clips(
                weights=weights,
                dataset=dataset,
                root=root,
                manifest=manifest,
                layers=("each",),
                device=device,
                draw_puppets=puppets_manifest,
                on_start=bar.start,
                on_clip=bar.advance,
            )
    assert found is not None, "either a table or a weight is given"
    with screen.wait("projecting"):
        projection = project(found, method=method, layers=chosen, limit=limit, seed=seed)
        _draw_projection(projection, output, weights or str(table))
    if json_file is not None:
        write_document(projection.to_dict(), json_file)
    screen.show(_make_grid(projection), on_stderr=json_file == STDOUT)
    if json_file != STDOUT:
        screen.done("wrote", output)


def _draw_projection(projection: Projection, output: Path, name: str) -> None:
    from hicmae_cli.embedding.projection import METHODS
    from hicmae_cli.report.projection_plot import plot_projection

    shown = f"{METHODS[projection.method]} of {len(projection.labels)} clips"
    title = f"{shown}, {Path(name).name} (dots: faces, crosses: voices)"
    plot_projection(
        projection.points,
        projection.labels,
        projection.speakers,
        projection.gaps,
        projection.recalls,
        output,
        title=title,
    )


def _make_grid(projection: Projection) -> Grid:
    from hicmae_cli.report.grid import Grid

    rows = tuple(
        (str(layer), f"{gap:.3f}", f"{projection.recalls[layer]:.3f}") for layer, gap in projection.gaps.items()
    )
    title = f"alignment of {len(projection.labels)} clips; chance of recall@1 is {projection.chance:.3f}"
    return Grid(title, ("layer", "modality gap", "recall@1"), rows)
