"""``hicmae embed``: write embeddings of clips or recordings as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    DatasetOption,
    DeviceOption,
    FacesOption,
    HopOption,
    ManifestOption,
    QuietOption,
    RootOption,
    WeightsOption,
    parse_faces,
    parse_path,
    usage_error,
)


def embed(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Raw recordings, window by window: files, folders or patterns. Without them, prepared clips.",
            show_default=False,
        ),
    ] = None,
    *,
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
        typer.Option(
            metavar="av|video|audio", help="Streams that the model gets; by default those that it was trained on."
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(
            help="Length of a window of a recording, in seconds; by default that of the training, usually 2.56."
        ),
    ] = None,
    hop: HopOption = None,
    start: Annotated[float, typer.Option(help="Start of the part to embed of each recording, in seconds.")] = 0.0,
    end: Annotated[
        float | None, typer.Option(help="End of that part, in seconds; by default the end of the file.")
    ] = None,
    faces: FacesOption = "4",
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Write embeddings (outputs of a model's layers) of clips, or of windows of recordings.

    A row of a recording has its times and person; a row of a clip has its label, fold and speaker. Fused embeddings of
    a base model have 2,048 values, those of one layer 512. Fine-tuned and pre-trained weights work.

    [bold]Examples[/bold]

        hicmae embed interviews/ -w voxceleb2-base -o interviews.parquet

        hicmae embed --dataset crema-d -w voxceleb2-base -o crema-d.npz

        hicmae embed --manifest clips.csv -w my-weight --layers each -o layers.npz
    """
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.embedding.table import check_table
    from hicmae_cli.report.console import licence_line, weight_notice
    from hicmae_cli.weights.reading import read_info

    check_table(output)
    if inputs and (dataset or manifest):
        raise usage_error("got both recordings and a dataset or manifest; give one of them")
    info = read_info(weights)
    require_training("embed", "torch", "torchvision")
    from hicmae_cli.embedding.clips import embed_clips
    from hicmae_cli.embedding.recordings import embed_recordings

    screen = Screen(quiet=quiet)
    screen.say(licence_line(weights, info))
    if notice := weight_notice(weights, info):
        screen.warn(notice)
    names = [name.strip() for name in layers.split(",")]
    with screen.bar("recordings" if inputs else "clips") as bar:
        if inputs:
            table = embed_recordings(
                inputs,
                weights=weights,
                layers=names,
                modality=modality or "auto",
                device=device,
                window_s=window,
                hop_s=hop,
                start_s=start,
                end_s=end,
                faces=parse_faces(faces),
                on_start=bar.start,
                on_file=bar.advance,
            )
        else:
            table = embed_clips(
                weights=weights,
                dataset=dataset,
                root=root,
                manifest=manifest,
                layers=names,
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
