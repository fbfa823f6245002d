"""``hicmae compare``: tests of differences between systems on the same clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import QuietOption, parse_path


def compare(
    systems: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C …]",
            parser=parse_path,
            help="Two or more: a result.json, a file of `hicmae evaluate --json`, or the folder of a fine-tuning run.",
        ),
    ],
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Metric to compare; by default uar, or ccc for a regression.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(metavar="av|video|audio", help="Streams to compare, for results that have several.")
    ] = None,
    streams: Annotated[
        bool, typer.Option("--streams", help="Compare the streams of a single A, as `evaluate --modality each` wrote.")
    ] = False,
    draws: Annotated[int, typer.Option(min=1000, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the comparison as JSON; '-' for stdout.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables, sentences and warnings as Markdown.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv|.tex|.md", help="Write the tables: CSV with full precision, LaTeX or Markdown."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Compare systems on the same test clips, with intervals, paired tests and a conclusion.

    Systems that were tested on different clips are refused. People are resampled, not clips, if the results name them.

    [bold]Examples[/bold]

        hicmae compare runs/crema-d-base runs/crema-d-tiny

        hicmae compare a.json b.json c.json --metric war --json comparison.json

        hicmae compare result.json --streams
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import SettingsError
    from hicmae_cli.report.files import write_text
    from hicmae_cli.report.score_tables import check_table

    for file in filter(None, (json_file, markdown, table)):
        if file.is_dir():
            raise SettingsError(f"{file}: is a folder; give the name of a file")
    if table is not None:
        check_table(table)
    require_training("compare", "scipy")
    from hicmae_cli.evaluation.comparison.compare import compare as compare_systems
    from hicmae_cli.evaluation.comparison.tables import write_comparison

    screen = Screen(quiet=quiet)
    with screen.wait("comparing"):
        comparison = compare_systems(
            *systems, metric=metric, modality=modality, streams=streams, draws=draws, seed=seed
        )
    if markdown is not None:
        write_text(markdown, comparison.to_markdown())
    if table is not None:
        write_comparison(comparison, table)
    if json_file is not None:
        write_document(comparison.to_dict(), json_file)
    on_stderr = json_file == STDOUT
    screen.show(*comparison.grids(), on_stderr=on_stderr)
    screen.show(*comparison.render_sentences(), on_stderr=on_stderr)
    for warning in comparison.warnings:
        screen.warn(warning)
