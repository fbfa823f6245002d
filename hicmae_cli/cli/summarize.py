"""``hicmae summarize``: one tidy table of measures per person and event, from saved predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import AbstainOption, QuietOption, SmoothOption, parse_path


def summarize(
    predictions: Annotated[
        Path,
        typer.Argument(metavar="DIR|FILE.json", help="predictions.json, or a folder with such files at any depth."),
    ],
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            metavar="FILE.csv",
            help="Events of the recordings: event,start_s,end_s, and optionally file and person. "
            "By default one event, `all`.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            "--groups", metavar="FILE.csv", help="Groups: person or file or both, and columns to add to each row."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="START-END|EVENT",
            help="Add how each mean differs from that in these seconds or event.",
        ),
    ] = None,
    smooth: SmoothOption = None,
    abstain: AbstainOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.csv", parser=parse_path, help="File for the table; by default stdout."
        ),
    ] = None,
    methods: Annotated[
        Path | None,
        typer.Option(
            "--methods", metavar="FILE.md", parser=parse_path, help="Write a paragraph for a methods section, too."
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Summarize saved predictions in one table, per person and event, for mixed models.

    A row is one measure of one label in one event of a person. Measures are the mean probability of each label over
    time, its peak, the share of time with it, its onset, the time that a person speaks, and coverage. Nothing is
    predicted again.

    [bold]Examples[/bold]

        hicmae predict recordings/ --output results

        hicmae summarize results -o summary.csv --methods methods.md

        hicmae summarize results --events markers.csv --baseline neutral

        hicmae summarize results --groups people.csv -o summary.csv

        hicmae summarize results/predictions.json --baseline 0-10
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.files import write_text
    from hicmae_cli.summaries.summarize import summarize as make_summary

    screen = Screen(quiet=quiet)
    with screen.wait("summarizing"):
        summary = make_summary(
            predictions, events=events, groups=groups, baseline=baseline, smooth_s=smooth, abstain=abstain
        )
    for warning in summary.warnings:
        screen.warn(warning)
    if methods is not None:
        write_text(methods, summary.methods)
    if output is None:
        typer.echo(summary.to_csv(), nl=False)
        return
    write_text(output, summary.to_csv())
    screen.done("wrote", f"{len(summary.rows)} rows to {output}")
