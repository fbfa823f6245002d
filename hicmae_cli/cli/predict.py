"""``hicmae predict``: predict emotions in videos, sounds and photographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    AbstainOption,
    DeviceOption,
    EngineOption,
    FacesOption,
    HopOption,
    QuietOption,
    SmoothOption,
    WeightsOption,
    parse_faces,
    parse_path,
    usage_error,
)
from hicmae_cli.errors import SettingsError
from hicmae_cli.report.formats import DEFAULT_FORMATS, FORMATS, find_formats


def predict(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders or patterns such as 'clips/*.mp4'; - reads a live stream from stdin.",
        ),
    ] = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str, typer.Option(help="Streams to use: auto takes those that a file has; av, video and audio require theirs.")
    ] = "auto",
    window: Annotated[
        float | None,
        typer.Option(help="Length of a window, in seconds; by default that of the weight's training, usually 2.56."),
    ] = None,
    hop: HopOption = None,
    start: Annotated[float, typer.Option(help="Start of the part to predict in each file, in seconds.")] = 0.0,
    end: Annotated[
        float | None, typer.Option(help="End of that part, in seconds; by default the end of the file.")
    ] = None,
    faces: FacesOption = "4",
    people: Annotated[
        Path | None,
        typer.Option(
            "--people",
            metavar="DIR",
            parser=parse_path,
            help="Folder with photographs of people, NAME.jpg or NAME/*.jpg; a track that clearly matches is named.",
        ),
    ] = None,
    sound: Annotated[
        str,
        typer.Option(
            help="Who gets the sound: speaker gives a voice to who speaks, and judges listeners by the face; shared "
            "gives any sound to everybody in view."
        ),
    ] = "speaker",
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also find what moved each answer, for the JSON and the report; takes about 60 times as long.",
        ),
    ] = False,
    features: Annotated[
        bool,
        typer.Option(
            "--features", help="Also save the embedding of each window in the JSON, as hicmae embed; needs torch."
        ),
    ] = False,
    smooth: SmoothOption = 0.0,
    abstain: AbstainOption = 0.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", parser=parse_path, help="Folder to write the results to."),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Formats to write to --output, separated by commas: {', '.join(FORMATS)}, or all; by default "
            f"{','.join(DEFAULT_FORMATS)}.",
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Skip files that already have a result in --output (same weight, settings and content).",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Number of worker processes; 0 uses no separate process.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Ray cluster to use instead: HOST:PORT, auto or local."),
    ] = None,
    camera: Annotated[
        int | None, typer.Option(metavar="N", help="Predict what camera N shows, until Ctrl-C; 0 is the first one.")
    ] = None,
    max_delay: Annotated[
        float, typer.Option(help="With --camera or -, drop pictures and windows that are older, in seconds.")
    ] = 2.0,
    timings: Annotated[
        bool,
        typer.Option(
            "--timings", help="Also show where the time went: decoding, faces, who speaks, model and the rest."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Predict emotions in videos, sounds and photographs, per person and over time.

    Each person becomes a track. The summary of a file is that of the main person, who is visible longest. The voice is
    used for the person who speaks. If a file has no voice, only the faces are used; if it has no face, only the voice.
    A photograph is one moment.

    Files that cannot be read are reported and skipped. With `--output`, each result is saved when its file is done;
    `--skip-existing` resumes an interrupted run.

    With `--camera`, or `-` for a stream that is piped in, a view shows each person now. Ctrl-C ends it, and the result
    is that of the time so far.

    [bold]Examples[/bold]

        hicmae predict interview.mp4

        hicmae predict recordings/ --output results --format csv --skip-existing

        hicmae predict interview.mp4 --people photographs/

        hicmae predict call.wav --json

        hicmae predict interview.mp4 --explain --output results --format html

        hicmae predict --camera 0 --output results
    """
    from hicmae_cli.runtime.timings import StageClock

    clock = StageClock()
    from hicmae_cli.cli.predict_batch import predict_batch
    from hicmae_cli.cli.pull import offer_pull
    from hicmae_cli.runtime.batch import PredictorPool
    from hicmae_cli.runtime.settings import PredictSettings

    wanted = DEFAULT_FORMATS if formats is None else [name for text in formats.split(",") if (name := text.strip())]
    find_formats(wanted)
    if formats is not None and output is None:
        raise SettingsError("`formats` needs `output`, the folder to write to")
    if skip_existing and output is None:
        raise SettingsError("`skip_existing` needs `output`, the folder with the earlier results")
    settings = PredictSettings(
        modality,
        window,
        hop,
        parse_faces(faces),
        start,
        end,
        people=None if people is None else str(people),
        smooth_s=smooth or 0.0,
        abstain=abstain or 0.0,
        sound=sound,
        explain=explain,
        features=features,
    )
    offer_pull(weights)
    if camera is not None or "-" in (inputs or ()):
        from hicmae_cli.cli.live import check_live, predict_stream

        check_live(inputs or [], camera, skip_existing=skip_existing, timings=timings, ray=ray)
        predict_stream(
            camera, max_delay, weights, engine, device, settings, output, wanted, as_json=as_json, quiet=quiet
        )
        return
    if not inputs:
        raise usage_error("give files, folders or patterns; or --camera N, or - for a stream that is piped in")
    debug = bool(context.obj and context.obj["debug"])
    jobs = 0 if debug else jobs
    open_pool = partial(
        PredictorPool, weights, engine, device, settings, jobs, raise_unexpected=debug, timings=timings, ray=ray
    )
    predict_batch(
        inputs,
        open_pool,
        device,
        output,
        wanted,
        clock if timings else None,
        jobs=jobs,
        skip_existing=skip_existing,
        as_json=as_json,
        quiet=quiet,
        is_debugged=debug,
    )
