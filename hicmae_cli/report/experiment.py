"""The table of a whole experiment: every seed and repetition, and mean and spread over them and over the folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hicmae_cli.errors import one_line
from hicmae_cli.metric_names import TITLES
from hicmae_cli.report.files import make_folder, to_csv, to_json, write_text
from hicmae_cli.report.grid import Grid

_FEW_SEEDS = 5


def experiment_grid(document: Mapping[str, Any]) -> Grid:
    """Make the table of a ``hicmae.finetune/1`` document: pooled scores of each run, and their means and spreads.

    The rows have the names that ``score_grids`` gives to the scores of a single run.
    """
    # Micro F1 equals WAR.
    names = [name for name in document["mean"] if name in TITLES and name != "micro_f1"]
    rows = [(_name_run(run), *_cells(run["metrics"], names)) for run in document["seeds"] if run["metrics"]]
    summary = {
        "mean over runs": document["mean"],
        "sd over seeds": document["sd"],
        "sd over repetitions": document["sd_over_repetitions"],
        "mean over folds": document["mean_over_folds"],
        "sd over folds": document["sd_over_folds"],
    }
    rows += [(title, *_cells(scores, names)) for title, scores in summary.items() if scores]
    return Grid("scores of all runs", ("", *(TITLES[name] for name in names)), tuple(rows))


def experiment_notes(document: Mapping[str, Any]) -> list[str]:
    """Say what the table means, one sentence each."""
    protocol = document["protocol"]
    notes = [
        "Protocol: the folds or the split of the list."
        if protocol == "official"
        else f"Protocol: {protocol}, drawn with split_seed {document['split_seed']}; these are not the official folds."
    ]
    if document["label_share"] != 1:
        notes.append(f"Trained on {document['label_share']:.3g} of the training clips of each class.")
    seeds = {run["seed"] for run in document["seeds"]}
    if 1 < len(seeds) < _FEW_SEEDS:
        notes.append(f"A standard deviation over {len(seeds)} seeds is a rough estimate.")
    if not document["finished"]:
        notes.append("Not finished: the table holds the runs so far.")
    return notes


def experiment_markdown(document: Mapping[str, Any]) -> str:
    """Make a Markdown page of a document."""
    lines = [f"# {document['dataset']}, all runs", ""]
    for warning in document.get("warnings", ()):
        lines += [f"> **Warning:** {one_line(warning)}.", ""]
    lines += [f"- {note}" for note in experiment_notes(document)]
    lines += ["", *experiment_grid(document).to_section()]
    return "\n".join(lines)


def experiment_csv(document: Mapping[str, Any]) -> str:
    """Make a CSV with a row for every fold of every run, and one for the pooled decisions of the run."""
    metrics = list(document["mean"])
    rows: list[list[Any]] = [["seed", "repetition", "fold", *metrics]]
    for run in document["seeds"]:
        own = [run["seed"], run["repetition"] or ""]
        rows += [
            [*own, fold["fold"], *(fold["metrics"][name] for name in metrics)]
            for fold in run["folds"]
            if fold["metrics"]
        ]
        if run["metrics"] and len(run["folds"]) > 1:
            rows.append([*own, "pooled", *(run["metrics"][name] for name in metrics)])
    return to_csv(rows)


def write_experiment(document: dict[str, Any], folder: Path) -> None:
    """Write ``result.json``, ``result.md`` and ``result.csv``.

    Raises:
        HicmaeError: the folder cannot be written to.
    """
    make_folder(folder)
    write_text(folder / "result.json", to_json(document))
    write_text(folder / "result.md", experiment_markdown(document))
    write_text(folder / "result.csv", experiment_csv(document))


def _name_run(run: Mapping[str, Any]) -> str:
    repetition = run["repetition"]
    name = f"seed {run['seed']}" + (f", repetition {repetition}" if repetition is not None else "")
    return f"pooled, {name}" if len(run["folds"]) > 1 else name


def _cells(scores: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{scores[name]:.4f}" for name in names)
