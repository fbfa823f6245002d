"""Predict the files of one call of ``hicmae predict``, print each result and save them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hicmae_cli.cli.flags import to_flags
from hicmae_cli.errors import DiskError, HicmaeError, one_line

if TYPE_CHECKING:
    from hicmae_cli.cli.file_bars import FileBars
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.input_files import InputFiles
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.runtime.batch import PredictorPool
    from hicmae_cli.runtime.log import PredictionLog
    from hicmae_cli.runtime.results import FileResult
    from hicmae_cli.runtime.settings import PredictSettings
    from hicmae_cli.runtime.timings import StageClock
    from hicmae_cli.weights.info import WeightInfo


def predict_batch(
    inputs: Sequence[str],
    open_pool: Callable[[], PredictorPool],
    device: str,
    output: Path | None,
    formats: Sequence[str],
    clock: StageClock | None,
    *,
    jobs: int,
    skip_existing: bool,
    as_json: bool,
    quiet: bool,
    is_debugged: bool,
) -> None:
    """Predict files, folders and patterns; print the results, and save them if there is a folder for them.

    A result is kept on disk only, from the moment it is there: memory does not grow with the number of files.

    Args:
        inputs: as given.
        open_pool: loads the model.
        device: as asked for.
        output: folder for the results; None for none.
        formats: names of the formats of the results.
        clock: runs since the start of the call; None if nobody asked for timings.
        jobs: processes.
        skip_existing: keep results of an earlier call.
        as_json: print one JSON document.
        quiet: show no notes and no progress.
        is_debugged: raise errors that hicmae did not foresee.

    Raises:
        typer.Exit: with 1, as something failed; with 130 after Ctrl-C.
        HicmaeError: nothing could be predicted, or a disk is full.
    """
    from hicmae_cli.cli.file_bars import FileBars
    from hicmae_cli.cli.saying import in_flags, introduce
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.report.console import print_failures
    from hicmae_cli.report.files import make_folder
    from hicmae_cli.report.formats import find_formats
    from hicmae_cli.report.input_files import InputFiles
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.report.timings import make_timings_table
    from hicmae_cli.runtime.inputs import find_inputs
    from hicmae_cli.runtime.log import LOG_NAME, LoggedResults, PredictionLog
    from hicmae_cli.runtime.results import FileResult
    from hicmae_cli.runtime.timings import StageClock, sum_timings

    paths, faults = find_inputs(inputs)
    if output is not None:
        make_folder(output)
    screen = Screen(quiet=quiet)
    log = None
    with ExitStack() as kept:
        with ExitStack() as stack, FileBars(screen.err, paths, disable=quiet or as_json) as display:
            with (clock or StageClock()).measure("loading"):
                pool = stack.enter_context(open_pool())
            introduce(screen, pool.model, device)
            if output is not None or as_json:
                place = None if output is None else output / LOG_NAME
                log = kept.enter_context(PredictionLog(place, pool.model, pool.settings))
            files = None if output is None else InputFiles(output, find_formats(formats), paths)
            run = _Run(paths, screen, display, files, is_printed=not as_json, is_debugged=is_debugged)
            run.predict(pool, log, skip_existing=skip_existing)
        lost = [FileResult(Path(name), "error", message) for name, message in faults]
        spent = sum_timings(run.fresh, clock.read(), max(1, jobs)) if clock is not None else None
        if log is not None:
            entries: list[Path | FileResult] = [*(path for path in paths if path in run.done), *lost]
            prediction = Prediction(pool.model, pool.settings, LoggedResults(log, entries), spent)
            if run.full_disk is None and run.is_ready:
                run.finish(prediction, formats)
            if as_json:
                write_document(prediction.to_dict(iter), STDOUT)
    failures = [in_flags(file) for file in (*run.failures, *lost)]
    print_failures(screen.err if as_json else screen.out, failures, len(run.done) + len(lost))
    if spent is not None:
        screen.show(make_timings_table(run.fresh, spent), on_stderr=as_json)
    if any(": unexpected " in text for text in (*run.faults, *(file.message for file in failures))):
        screen.show("run again with --debug for the traceback of an unexpected error", on_stderr=True)
    run.raise_if_stopped(output)
    if failures or run.faults:
        raise typer.Exit(1)


@dataclass
class _Run:
    """The files of one call.

    Attributes:
        paths: the files.
        screen: prints results and messages.
        display: the progress bars.
        files: writes the files of each input; None if nothing is saved.
        is_printed: whether to print each result.
        is_debugged: whether to raise errors that hicmae did not foresee.
        done: files with a result.
        fresh: what was predicted now, without the tracks.
        failed: files that failed.
        faults: what could not be written, and why.
        is_ready: whether the results of an earlier run have been read; without them, nothing is to be saved.
        is_interrupted: whether Ctrl-C stopped the run.
        full_disk: the error that stopped the run.
    """

    paths: Sequence[Path]
    screen: Screen
    display: FileBars
    files: InputFiles | None
    is_printed: bool
    is_debugged: bool
    done: set[Path] = field(default_factory=set)
    fresh: list[FileResult] = field(default_factory=list)
    failed: set[Path] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    is_ready: bool = False
    is_interrupted: bool = False
    full_disk: DiskError | None = None

    @cached_property
    def numbers(self) -> dict[Path, int]:
        """The place of each file among all."""
        return {path: number for number, path in enumerate(self.paths)}

    def predict(self, pool: PredictorPool, log: PredictionLog | None, *, skip_existing: bool) -> None:
        """Predict the files, until Ctrl-C or a full disk stops the run."""
        from hicmae_cli.report.prediction import Prediction
        from hicmae_cli.runtime.batch import predict_files
        from hicmae_cli.runtime.versions import warn_of_versions

        try:
            if log is not None and skip_existing:
                self.done.update(log.resume(self.paths, lambda path: self.display.show_time(path, 0, 0)))
            elif log is not None:
                log.start()
            self.is_ready = True
            self.display.loaded(self.done)
            if self.done:
                self.screen.say(f"{len(self.done)} of {len(self.paths)} files are done already and skipped")
            if log is not None and (warning := warn_of_versions(log.kept_versions)):
                self.screen.warn(to_flags(warning))
            if log is not None and self.files is not None and not self.files.is_empty:
                for path in (path for path in self.paths if path in self.done):
                    self._write(Prediction(pool.model, pool.settings, (log.read(path),)), keeps=True)
            for result in predict_files(self.paths, pool, log, done=set(self.done), on_file=self.display.show_time):
                self.done.add(result.path)
                self.fresh.append(replace(result, tracks=()))
                if result.failed:
                    self.failed.add(result.path)
                with self.display.file_done(result.path):
                    self._print(result, pool.model.info, pool.settings)
                if not result.failed:
                    self._write(Prediction(pool.model, pool.settings, (result,)))
                del result  # a long one takes memory that the next one needs
        except KeyboardInterrupt:
            self.is_interrupted = True
        except DiskError as error:
            self.full_disk = error

    def finish(self, prediction: Prediction, formats: Sequence[str]) -> None:
        """Write what needs all files, if there is a folder, unless Ctrl-C stops it."""
        from hicmae_cli.report.formats import find_formats, write_whole

        if self.files is None:
            return
        try:
            with self.screen.wait("writing the results of all files") if self.is_printed else nullcontext():
                write_whole(prediction, self.files, find_formats(formats))
        except KeyboardInterrupt:
            self.is_interrupted = True
        for line in self.files.explain_missing():
            self.screen.say(line)

    def _write(self, prediction: Prediction, *, keeps: bool = False) -> None:
        """Write the files of an input; one that cannot be written gets a line."""
        from rich.text import Text

        if self.files is None or self.files.is_empty:
            return
        (file,) = prediction.files
        catches = HicmaeError if self.is_debugged else Exception
        with self.display.writing(file.path) as show:
            faults = self.files.write(self.numbers[file.path], prediction, keeps=keeps, catches=catches, on_format=show)
        for fault in faults:
            line = to_flags(one_line(fault))
            self.screen.show(Text(f"error: {line}", "red"), on_stderr=True, wrap=False)
            self.faults.append(line)

    @property
    def failures(self) -> list[FileResult]:
        """The files that failed, in the order given."""
        found = {each.path: each for each in self.fresh if each.path in self.failed}
        return [found[path] for path in self.paths if path in found]

    def raise_if_stopped(self, output: Path | None) -> None:
        """Print how to resume a run that was stopped, and exit.

        Raises:
            DiskError: the disk was full.
            typer.Exit: Ctrl-C was pressed.
        """
        from rich.text import Text

        if not self.is_interrupted and self.full_disk is None:
            return
        saved = "nothing is saved without --output"
        if output is not None:
            saved = f"saved in {output}; run again with --skip-existing to resume"
        line = f"interrupted: {len(self.done)} of {len(self.paths)} files done, {saved}"
        self.screen.show(Text(one_line(line)), on_stderr=True, wrap=False)
        raise self.full_disk or typer.Exit(130)

    def _print(self, result: FileResult, info: WeightInfo, settings: PredictSettings) -> None:
        from hicmae_cli.cli.saying import in_flags
        from hicmae_cli.report.console import print_file

        if not self.is_printed:
            return
        try:
            print_file(self.screen.out, in_flags(result), info, settings)
        except SystemExit:
            # Rich exits if the reader of its output has closed the pipe. A run that saves its results goes on.
            if self.files is None:
                raise
