"""``hicmae predict``: raw video or sound in, emotion out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    DeviceOption,
    EngineOption,
    QuietOption,
    WeightsOption,
    usage_error,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from hicmae_cli.runtime.predictor import Predictor
    from hicmae_cli.runtime.results import FileResult

_FORMATS = ("json", "csv")


def predict(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Files, folders or patterns such as 'clips/*.mp4'."),
    ],
    weights: WeightsOption = DEFAULT_WEIGHT,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str, typer.Option(help="auto takes what is there; av, video or audio insist on it.")
    ] = "auto",
    window: Annotated[float, typer.Option(help="Seconds the model sees at once.")] = 2.56,
    hop: Annotated[float, typer.Option(help="Seconds between the starts of two windows.")] = 0.64,
    faces: Annotated[int, typer.Option(help="Most people followed at once.")] = 4,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Also write the results here.")
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="With --output: json, csv, or both.")] = "json,csv",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Predict emotions in a video or audio file, per person and over time.

    Every person becomes a track; the summary is the one seen most. Without a voice the face decides, without a
    face the voice does.

    [bold]Examples[/bold]

        hicmae predict interview.mp4

        hicmae predict recordings/ --output results --format csv

        hicmae predict call.wav --json
    """
    from rich.console import Console

    from hicmae_cli.report.console import demo_notice, licence_line, print_failures, print_prediction
    from hicmae_cli.report.files import make_folder, to_json, windows_csv, write_text
    from hicmae_cli.runtime.inputs import find_inputs
    from hicmae_cli.runtime.opening import open_engine
    from hicmae_cli.runtime.predictor import Predictor, PredictSettings
    from hicmae_cli.runtime.results import FileResult, Prediction

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in _FORMATS]
    if unknown or not wanted:
        raise usage_error(f"--format {formats}: expected {' or '.join(_FORMATS)}, or both with a comma")
    settings = PredictSettings(modality, window, hop, faces)
    paths, faults = find_inputs(inputs)
    if output is not None:
        make_folder(output)
    out, err = Console(), Console(stderr=True)
    opened = open_engine(weights, engine, device)
    if not quiet:
        err.print(licence_line(weights, opened.info), style="dim", highlight=False, markup=False)
    if notice := demo_notice(weights, opened.info):
        err.print(notice, style="yellow", highlight=False, markup=False, soft_wrap=True)
    debug = bool(context.obj and context.obj["debug"])
    files = _predict_all(Predictor(opened, settings), paths, err, quiet=quiet or as_json, debug=debug)
    files += [FileResult(Path(name), "error", message) for name, message in faults]
    prediction = Prediction(weights, opened.info, opened.name, opened.device, tuple(files))
    document = prediction.to_dict()
    if as_json:
        typer.echo(to_json(document), nl=False)
        print_failures(err, prediction)
    else:
        print_prediction(out, prediction)
    if output is not None:
        writers = {"json": to_json, "csv": windows_csv}
        for name in wanted:
            write_text(output / f"predictions.{name}", writers[name](document))
    if prediction.failures:
        raise typer.Exit(1)


def _predict_all(
    predictor: Predictor, paths: list[Path], err: Console, *, quiet: bool, debug: bool
) -> list[FileResult]:
    """Judge files one after another under a progress bar that counts seconds of media.

    Whatever goes wrong with one, the others are judged.
    """
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from hicmae_cli.errors import HicmaeError, one_line
    from hicmae_cli.media import probe
    from hicmae_cli.runtime.results import FileResult

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        TimeRemainingColumn(),
    )  # fmt: skip
    results = []
    with Progress(*columns, console=err, transient=True, disable=quiet) as progress:
        for number, path in enumerate(paths, 1):
            name = f"{path.name} ({number}/{len(paths)})" if len(paths) > 1 else path.name
            try:
                total = probe(path).duration_s
            except HicmaeError:
                total = 0.0  # predict will say why
            task = progress.add_task(escape(one_line(name)), total=total)
            advance = partial(_show_time, progress, task)
            try:
                results.append(predictor.predict(path, advance))
            except Exception as error:
                if debug:
                    raise
                reason = f"{path}: unexpected {type(error).__name__}: {error}"
                results.append(
                    FileResult(path, "error", f"{reason} (run again with --debug for the traceback)")
                )
            progress.remove_task(task)
    return results


def _show_time(progress: Progress, task: TaskID, time_s: float) -> None:
    progress.update(task, completed=time_s)
