"""``hicmae predict --camera N`` and ``hicmae predict -``: predict a live stream."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hicmae_cli.cli.flags import to_flags
from hicmae_cli.cli.options import usage_error
from hicmae_cli.errors import MediaError, one_line
from hicmae_cli.report.formats import explain_missing, find_formats

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.live import LiveView
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.runtime.live import LivePrediction
    from hicmae_cli.runtime.settings import PredictSettings


def check_live(
    inputs: Sequence[str], camera: int | None, *, skip_existing: bool, timings: bool, ray: str | None
) -> None:
    """Check what was asked for.

    Raises:
        typer.BadParameter: a stream beside other inputs, or nothing is piped in.
    """
    if camera is not None and inputs:
        raise usage_error("give either --camera or inputs")
    if camera is None and len(inputs) > 1:
        raise usage_error("- reads one stream; give no other inputs")
    if skip_existing:
        raise usage_error("--skip-existing needs files; a live stream has no earlier result")
    if timings:
        raise usage_error("--timings needs files; the time of a live stream is that of its source")
    if ray is not None:
        raise usage_error("--ray needs files; a live stream is predicted here")
    if camera is None and (sys.stdin is None or sys.stdin.isatty()):
        raise usage_error("- reads from stdin, but nothing is piped in: ffmpeg … -f matroska - | hicmae predict -")


def predict_stream(
    camera: int | None,
    max_delay_s: float,
    weights: str,
    engine: str,
    device: str,
    settings: PredictSettings,
    output: Path | None,
    formats: Sequence[str],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict a camera, or what is piped in, until it ends or Ctrl-C; then print and save the result as for a file.

    Raises:
        typer.Exit: with 1, as nothing could be predicted.
    """
    from hicmae_cli.cli.saying import in_flags, introduce
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.report.console import print_failures, print_file
    from hicmae_cli.report.files import make_folder
    from hicmae_cli.report.live import LiveView
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.runtime.live import predict_live
    from hicmae_cli.runtime.log import LOG_NAME, PredictionLog
    from hicmae_cli.runtime.opening import describe_weight, open_predictor

    if output is not None:
        make_folder(output)
    screen = Screen(quiet=quiet)
    with screen.wait("loading the model"):
        predictor = open_predictor(weights, settings, engine, device)
        model = describe_weight(weights, predictor.engine)
    introduce(screen, model, device)
    source = camera if camera is not None else sys.stdin.buffer
    is_whole = True
    with ExitStack() as stack:
        live = stack.enter_context(predict_live(source, predictor, max_delay_s=max_delay_s))
        # A folder that cannot be written is to be known now, not after hours.
        log = None
        if output is not None:
            log = stack.enter_context(PredictionLog(output / LOG_NAME, model, live.settings))
        name = "stdin" if camera is None else f"camera {camera}"
        _watch(live, LiveView(name, model.info), screen, is_hidden=quiet)
        result = live.finish()
        prediction = Prediction(model, live.settings, (result,))
        # Printed first: nothing of it is lost if the disk is full.
        if as_json:
            write_document(prediction.to_dict(iter), STDOUT)
        else:
            print_file(screen.out, in_flags(result), model.info)
        if output is not None and log is not None:
            log.start()
            log.add(result)
            is_whole = _save(prediction, output, formats, screen)
    print_failures(screen.err if as_json else screen.out, [in_flags(result)] if result.failed else [], 1)
    if result.failed or not is_whole:
        raise typer.Exit(1)


def _watch(live: LivePrediction, view: LiveView, screen: Screen, *, is_hidden: bool) -> None:
    """Show each window as it is decided, until the stream ends or Ctrl-C is pressed."""
    from rich.live import Live

    drawn = None
    if screen.err.is_terminal and not is_hidden:
        drawn = Live(view.render(), console=screen.err, transient=True, auto_refresh=False)
    try:
        with drawn or nullcontext():
            for each in live:
                view.add(each.track, each.window, each.delay_s)
                if drawn is None:
                    screen.say(view.line(each.track))
                else:
                    drawn.update(view.render(), refresh=True)
    except KeyboardInterrupt:
        live.stop()


def _save(prediction: Prediction, output: Path, formats: Sequence[str], screen: Screen) -> bool:
    """Save a prediction, and print which files could not be written -> whether all could."""
    from rich.text import Text

    try:
        prediction.save(output, formats)
    except MediaError as error:
        screen.show(Text(f"error: {to_flags(one_line(str(error)))}", "red"), on_stderr=True, wrap=False)
        return False
    for line in explain_missing(prediction, find_formats(formats)):
        screen.say(line)
    return True
