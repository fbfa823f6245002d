"""``hicmae predict``: raw video or sound in, emotion out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import DeviceOption, EngineOption, QuietOption, WeightsOption, parse_path, usage_error
from hicmae_cli.errors import DiskError
from hicmae_cli.model_input import WINDOW_S

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from hicmae_cli.runtime.results import FileResult
    from hicmae_cli.weights.info import WeightInfo

_LOG = "predictions.jsonl"


def predict(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders or patterns such as 'clips/*.mp4'.")
    ],
    weights: WeightsOption = DEFAULT_WEIGHT,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str, typer.Option(help="auto uses every stream that a file has; av, video and audio require theirs.")
    ] = "auto",
    window: Annotated[float, typer.Option(help="Seconds the model sees at once.")] = WINDOW_S,
    hop: Annotated[float, typer.Option(help="Seconds between the starts of two windows.")] = 0.64,
    faces: Annotated[int, typer.Option(help="Most people followed at once.")] = 4,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", parser=parse_path, help="Also write the results here."),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="With --output: json, csv, or both.")] = "json,csv",
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="With --output: keep the results that an earlier run left there (same weight, settings and file).",
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=0, help="Files at once, each in a process of its own; 0 works in this process alone."
        ),
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Predict emotions in a video or audio file, per person and over time.

    Each person becomes a track. The file's summary is that of the main person, the one visible longest. Without
    a voice, the face alone is used, and the other way round.

    Unreadable files are reported and skipped. With --output, each result is saved as soon as its file is done;
    --skip-existing resumes an interrupted run.

    [bold]Examples[/bold]

        hicmae predict interview.mp4

        hicmae predict recordings/ --output results --format csv --skip-existing

        hicmae predict call.wav --json
    """
    from rich.console import Console

    from hicmae_cli.report.console import demo_notice, licence_line, print_failures
    from hicmae_cli.report.files import WRITERS, make_folder, to_json, write_text
    from hicmae_cli.runtime.batch import PredictorPool, predict_files
    from hicmae_cli.runtime.inputs import find_inputs
    from hicmae_cli.runtime.log import PredictionLog
    from hicmae_cli.runtime.results import FileResult, Prediction
    from hicmae_cli.runtime.settings import PredictSettings

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    if not wanted or not WRITERS.keys() >= set(wanted):
        raise usage_error(f"--format {formats}: expected {' or '.join(WRITERS)}, or both with a comma")
    if skip_existing and output is None:
        raise usage_error("--skip-existing needs --output, which has the earlier results")
    settings = PredictSettings(modality, window, hop, faces)
    paths, faults = find_inputs(inputs)
    if output is not None:
        make_folder(output)
    out, err = Console(), Console(stderr=True)
    debug = bool(context.obj and context.obj["debug"])
    done: dict[Path, FileResult] = {}
    interrupted = False
    full_disk: DiskError | None = None
    with (
        ExitStack() as stack,
        _Display(err, paths, disable=quiet or as_json) as display,
        PredictorPool(weights, engine, device, settings, 0 if debug else jobs, raise_unexpected=debug) as pool,
    ):
        if not quiet:
            err.print(licence_line(weights, pool.model.info), style="dim", highlight=False, markup=False)
        if notice := demo_notice(weights, pool.model.info):
            err.print(notice, style="yellow", highlight=False, markup=False, soft_wrap=True)
        log = None
        if output is not None:
            log = stack.enter_context(PredictionLog(output / _LOG, pool.model, pool.settings))
        try:
            if log is not None and skip_existing:
                done = log.resume(paths, lambda path: display.show_time(path, 0, 0))
            elif log is not None:
                log.start()
            display.loaded(done)
            if done and not quiet:
                err.print(f"{len(done)} of {len(paths)} files are done already and skipped", style="dim")
            for result in predict_files(paths, pool, log, done=set(done), on_file=display.show_time):
                done[result.path] = result
                with display.file_done(result.path):
                    if not as_json:
                        _print(out, result, pool.model.info, is_saved=output is not None)
        except KeyboardInterrupt:
            interrupted = True
        except DiskError as error:
            full_disk = error
    files = [done[path] for path in paths if path in done]
    files += [FileResult(Path(name), "error", message) for name, message in faults]
    prediction = Prediction(pool.model, pool.settings, tuple(files))
    document = prediction.to_dict()
    if output is not None and full_disk is None:
        for name in wanted:
            write_text(output / f"predictions.{name}", WRITERS[name](document))
    if as_json:
        typer.echo(to_json(document), nl=False)
    print_failures(err if as_json else out, prediction)
    if any(": unexpected " in file.message for file in prediction.failures):
        err.print("run again with --debug for the traceback of an unexpected error", highlight=False)
    if interrupted or full_disk is not None:
        saved = "nothing is saved without --output"
        if output is not None:
            saved = f"saved in {output}; run again with --skip-existing to resume"
        line = f"interrupted: {len(done)} of {len(paths)} files done, {saved}"
        err.print(line, markup=False, highlight=False, soft_wrap=True)
        if full_disk is not None:
            raise full_disk
        raise typer.Exit(130)
    if prediction.failures:
        raise typer.Exit(1)


def _print(console: Console, result: FileResult, info: WeightInfo, *, is_saved: bool) -> None:
    """Print a result; where the reader of the output has gone, a run that saves its results goes on."""
    from hicmae_cli.report.console import print_file

    try:
        print_file(console, result, info)
    except SystemExit:  # rich's answer to a broken pipe; it prints no more
        if not is_saved:
            raise


class _Display:
    """A bar for each file at work, by its seconds, and one for all of them."""

    def __init__(self, console: Console, paths: list[Path], *, disable: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[unit]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable)
        self._loading = self._bar.add_task("loading the model", total=None, unit="")
        self._all = self._bar.add_task("all files", total=len(paths), unit="", visible=False)
        self._total = len(paths)
        self._done = 0
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> _Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def loaded(self, done: Collection[Path]) -> None:
        """The model is there, and some files are done already."""
        for path in done:
            self._remove(path)
        self._bar.remove_task(self._loading)
        self._count(len(done))

    def show_time(self, path: Path, done_s: float, total_s: float) -> None:
        """How far a file has come."""
        from rich.markup import escape

        from hicmae_cli.errors import one_line

        if path not in self._tasks:
            self._tasks[path] = self._bar.add_task(escape(one_line(path.name)), total=None, unit="")
        if total_s:
            unit = f"{done_s:.0f}/{total_s:.0f} s"
            self._bar.update(self._tasks[path], completed=done_s, total=total_s, unit=unit)

    @contextmanager
    def file_done(self, path: Path) -> Iterator[None]:
        """A file has ended; what the block prints goes above the bars."""
        self._remove(path)
        self._count(1)
        self._stop()
        try:
            yield
        finally:
            self._bar.start()

    def _stop(self) -> None:
        if not self._bar.disable:  # else rich prints an empty line
            self._bar.stop()

    def _remove(self, path: Path) -> None:
        if path in self._tasks:
            self._bar.remove_task(self._tasks.pop(path))

    def _count(self, files: int) -> None:
        self._done += files
        unit = f"{self._done}/{self._total} files"
        self._bar.update(self._all, completed=self._done, unit=unit, visible=self._total > 1)
