"""``hicmae embed``: write what a model's layers say about clips or recordings as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    DatasetOption,
    DeviceOption,
    ManifestOption,
    QuietOption,
    RootOption,
    WeightsOption,
    parse_path,
)


def embed(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=parse_path, help="Table to write: .npz, or .parquet (pyarrow)."
        ),
    ],
    dataset: DatasetOption = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    layers: Annotated[
        str,
        typer.Option(
            metavar="A,B,…|each",
            help="Layers: fused, video, audio, video_fusion, audio_fusion, video_1, audio_1, …; 'each' for all.",
        ),
    ] = "fused",
    modality: Annotated[
        str | None,
        typer.Option(metavar="av|video|audio", help="Streams that the model gets; by default as it was trained."),
    ] = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Write embeddings of clips: what the layers of a model say about them, with ids, labels, folds and speakers.

    Fused embeddings of a base model have 2,048 values, those of one layer 512. Fine-tuned and pre-trained weights work.

    [bold]Examples[/bold]

        hicmae embed --dataset crema-d -w voxceleb2-base -o crema-d.npz

        hicmae embed --manifest clips.csv -w runs/crema-d/fold-1 --layers each -o layers.parquet
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.embedding.table import check_table
    from hicmae_cli.report.console import demo_notice, licence_line
    from hicmae_cli.weights.reading import read_info

    check_table(output)
    info = read_info(weights)
    require_training("embed", "torch", "torchvision")
    from hicmae_cli.embedding.embed import embed_clips

    screen = Screen(quiet=quiet)
    screen.say(licence_line(weights, info))
    if notice := demo_notice(weights, info):
        screen.warn(notice)
    with screen.bar("clips") as bar:
        table = embed_clips(
            weights=weights,
            dataset=dataset,
            root=root,
            manifest=manifest,
            layers=[name.strip() for name in layers.split(",")],
            modality=modality,
            device=device,
            draw_puppets=puppets_manifest,
            on_start=bar.start,
            on_clip=bar.advance,
        )
    table.save(output)
    widths = ", ".join(f"{name} ({values.shape[1]} values)" for name, values in table.layers.items())
    screen.done("wrote", f"{output}: {len(table)} embeddings; {widths}")
    for id_, message in table.failures.items():
        screen.fail(f"{id_}: {message}")
    if table.failures:
        raise typer.Exit(1)
