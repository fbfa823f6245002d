"""``hicmae show``: print the record of a training run or of a weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import usage_error

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.records.facts import RunRecord


def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN|FILE|NAME", help="Folder of a run, a weight file, or a name of `hicmae weights`."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole record as one JSON document and nothing else.")
    ] = False,
    methods: Annotated[
        bool, typer.Option("--methods", help="Print a paragraph for the methods section of a paper and nothing else.")
    ] = False,
) -> None:
    """Show how a training run or a weight was made: data, recipe, versions, scores.

    It also shows the machine, the command and the time and, for the folder of a run, every session.

    [bold]Examples[/bold]

        hicmae show runs/crema-d/fold-1

        hicmae show runs/crema-d/fold-1/best.safetensors --json

        hicmae show runs/crema-d --methods
    """
    from rich.text import Text

    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.records.methods import describe_methods
    from hicmae_cli.report.console import weight_notice
    from hicmae_cli.weights.reading import read_info
    from hicmae_cli.weights.record import find_records

    if as_json and methods:
        raise usage_error("give either --json or --methods")
    records = find_records(run)
    if methods:
        typer.echo(describe_methods(list(records.values())))
        return
    if as_json:
        documents = {str(folder): record.model_dump(mode="json") for folder, record in records.items()}
        one = next(iter(documents.values()))
        write_document(one if len(documents) == 1 else {"runs": documents}, STDOUT)
        return
    screen = Screen()
    if not Path(run).is_dir() and (notice := weight_notice(run, read_info(run))):
        screen.show(Text(notice, "yellow"))
    for folder, record in records.items():
        if len(records) > 1:
            screen.done("run", folder)
        _print_record(screen, record)


def _print_record(screen: Screen, record: RunRecord) -> None:
    """Print a record as a table of two columns."""
    from rich.markup import escape
    from rich.table import Table

    from hicmae_cli.errors import one_line

    table = Table("field", "value", show_header=False, box=None)
    for field, value in _list_rows(record):
        table.add_row(field, escape(one_line(value)))
    screen.show(table)


def _list_rows(record: RunRecord) -> list[tuple[str, str]]:
    run, data = record.run, record.run.data
    rows = [("run", f"{run.phase}{f', test fold {run.fold}' if run.fold else ''}, seed {run.seed}")]
    rows += [("state", _describe_state(record)), ("command", run.command)]
    if data is not None:
        rows += [("data", f"{data.clips} clips{f' of {data.manifest}' if data.manifest else ''}")]
        rows += [("sha256 of the list", data.manifest_sha256)] if data.manifest_sha256 else []
        rows += [(f"sha256 of the files{'' if data.hashed == 'content' else ' (sizes)'}", data.files_sha256)]
    rows += [("list", record.manifest)] if record.manifest else []
    rows += [("recordings", record.root)] if record.root else []
    if run.init is not None:
        rows += [("start", f"{run.init.weight}, sha256 of its tensors {run.init.tensors_sha256}")]
    rows += [("recipe", _describe_recipe(record))]
    rows += [("versions", ", ".join(f"{name} {version}" for name, version in run.versions.items()))]
    rows += [("commit of hicmae", str(run.commit) if run.commit is not None else "not a git checkout")]
    rows += [("machine", ", ".join(run.machine.values())), ("processes", str(run.processes))]
    rows += [("began", run.date)]
    if (duration_s := record.duration_s) is not None:
        rows += [("duration", f"{duration_s:.1f} s")]
    rows += [(f"session {number}", _describe_session(record, number)) for number in range(1, len(record.sessions) + 1)]
    if record.weight:
        rows += [("weight", record.weight)]
    rows += [("sha256 of the tensors", record.tensors_sha256)] if record.tensors_sha256 else []
    rows += [("scores", ", ".join(f"{name} {score:.4f}" for name, score in record.scores.items()))]
    return [(field, value) for field, value in rows if value]


def _describe_state(record: RunRecord) -> str:
    if record.finished:
        return "finished"
    last = record.sessions[-1].outcome if record.sessions else ""
    return last or "running, or killed"


def _describe_recipe(record: RunRecord) -> str:
    """List the keys that differ from their defaults, which are the paper's."""
    from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings

    settings = PretrainSettings() if record.run.phase == "pre-training" else FinetuneSettings()
    defaults = settings.model_dump(mode="json")
    changed = {key: value for key, value in record.run.recipe.items() if value != defaults.get(key)}
    rest = len(record.run.recipe) - len(changed)
    listed = ", ".join(f"{key} = {value}" for key, value in changed.items())
    return f"{listed or 'nothing changed'}; {rest} other keys as by default (--json lists them)"


def _describe_session(record: RunRecord, number: int) -> str:
    session = record.sessions[number - 1]
    took = f", {session.duration_s:.1f} s" if session.duration_s is not None else ""
    steps = f"steps {session.from_step} to {session.to_step if session.to_step is not None else '?'}"
    changed = "".join(f", {key} {before} -> {now}" for key, (before, now) in session.changed.items())
    outcome = session.outcome or "running, or killed"
    return f"{session.started} on {session.host}{took}, {steps}, {outcome}{changed}: {' '.join(session.arguments)}"
