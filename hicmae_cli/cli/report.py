"""``hicmae report``: write saved predictions in any format, without predicting again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import AbstainOption, QuietOption, SmoothOption, parse_path
from hicmae_cli.report.formats import FORMATS, WHOLE_CALL, explain_missing, find_formats, warn_of_links


def report(
    predictions: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="predictions.json, or the output of `hicmae predict --json`.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", parser=parse_path, help="Folder to write the results to.")
    ],
    formats: Annotated[
        str, typer.Option("--format", help=f"Formats to write, separated by commas: {', '.join(FORMATS)}, or all.")
    ],
    smooth: SmoothOption = None,
    abstain: AbstainOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write saved predictions in any format, without predicting again.

    Timelines are made anew from the windows, so their smoothing and their smallest probability can change; without
    `--smooth` and `--abstain` they are as in the file. The file itself is never overwritten.

    [bold]Examples[/bold]

        hicmae report predictions.json --format elan,textgrid -o corrections

        hicmae report predictions.json --format html --smooth 3 -o results
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.prediction import Prediction

    chosen = find_formats([name for text in formats.split(",") if (name := text.strip())])
    prediction = Prediction.load(predictions).with_timeline(smooth, abstain)
    screen = Screen(quiet=quiet)
    whole = [each for each in chosen if not each.per_input]
    kept = [each for each in whole if (output / f"{WHOLE_CALL}{each.suffix}").resolve() == predictions.resolve()]
    for each in kept:
        screen.warn(f"{predictions}: is the input and stays as it is; for {each.name}, choose another --output")
    names = [each.name for each in chosen if each not in kept]
    written = prediction.save(output, names) if names else ()
    for line in explain_missing(prediction, chosen):
        screen.say(line)
    for line in warn_of_links(prediction, chosen):
        screen.warn(line)
    screen.done("wrote", f"{len(written)} file{'' if len(written) == 1 else 's'} to {output}")
