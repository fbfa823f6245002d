"""The table of all seeds and repetitions: on a screen, as a page and as CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from hicmae_cli.report.experiment import (
    experiment_csv,
    experiment_grid,
    experiment_markdown,
    experiment_notes,
    write_experiment,
)


def run(seed: int, repetition: int | None, *scores: float) -> dict[str, Any]:
    folds = [{"fold": str(fold), "metrics": {"uar": score, "war": 0.5}} for fold, score in enumerate(scores)]
    return {"seed": seed, "repetition": repetition, "folds": folds, "metrics": {"uar": scores[0], "war": 0.5}}


def document(**changes: object) -> dict[str, Any]:
    return {
        "dataset": "toys",
        "protocol": "repeated:2x2",
        "split_seed": 7,
        "label_share": 1.0,
        "finished": True,
        "seeds": [run(1, 1, 0.25, 0.5), run(1, 2, 0.75, 1.0)],
        "mean": {"uar": 0.5, "war": 0.5},
        "sd": None,
        "sd_over_repetitions": {"uar": 0.125, "war": 0.0},
        "mean_over_folds": {"uar": 0.625, "war": 0.5},
        "sd_over_folds": {"uar": 0.0625, "war": 0.0},
        **changes,
    }


def test_every_run_has_a_row_and_a_missing_spread_has_none() -> None:
    rows = {row[0]: row[1] for row in experiment_grid(document()).rows}
    assert rows == {
        "pooled, seed 1, repetition 1": "0.2500",
        "pooled, seed 1, repetition 2": "0.7500",
        "mean over runs": "0.5000",
        "sd over repetitions": "0.1250",
        "mean over folds": "0.6250",
        "sd over folds": "0.0625",
    }


def test_the_notes_say_what_a_reader_must_know() -> None:
    assert experiment_notes(document()) == [
        "Protocol: repeated:2x2, drawn with split_seed 7; these are not the official folds."
    ]
    seeds = [run(seed, None, 0.5) for seed in range(3)]
    notes = " ".join(experiment_notes(document(protocol="official", label_share=0.1, finished=False, seeds=seeds)))
    for words in ("split of the list", "0.1 of the training clips", "over 3 seeds is a rough", "Not finished"):
        assert words in notes


def test_the_page_starts_with_the_warnings() -> None:
    page = experiment_markdown(document(warnings=["the weight's epoch was chosen on the test clips: optimistic"]))
    assert page.splitlines()[2] == "> **Warning:** the weight's epoch was chosen on the test clips: optimistic."
    assert "Warning" not in experiment_markdown(document())


def test_the_files_hold_every_fold(tmp_path: Path) -> None:
    write_experiment(document(), tmp_path)
    assert json.loads((tmp_path / "result.json").read_text()) == document()
    page = (tmp_path / "result.md").read_text()
    assert "| pooled, seed 1, repetition 2 | 0.7500 | 0.5000 |" in page and "# toys, all runs" in page
    rows = list(csv.DictReader((tmp_path / "result.csv").read_text().splitlines()))
    assert [(row["repetition"], row["fold"], float(row["uar"])) for row in rows] == [
        ("1", "0", 0.25),
        ("1", "1", 0.5),
        ("1", "pooled", 0.25),
        ("2", "0", 0.75),
        ("2", "1", 1.0),
        ("2", "pooled", 0.75),
    ]
    assert "pooled" not in experiment_csv(document(seeds=[run(1, None, 0.5)]))
