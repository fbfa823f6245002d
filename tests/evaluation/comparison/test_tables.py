"""The tables of a comparison as CSV."""

from __future__ import annotations

import csv

from hicmae_cli.evaluation.comparison.compare import compare
from hicmae_cli.evaluation.comparison.tables import comparison_csv
from tests.evaluation.comparison.decisions import system


def test_every_test_has_a_row_of_its_own() -> None:
    found = compare(system("g", 0.9, 1, 2, folds=3), system("f", 0.6, 1, 2, folds=3), draws=1000)
    rows = [row for row in csv.DictReader(comparison_csv(found).splitlines()) if row["table"] == "tests"]
    assert {row["metric"]: float(row["p"]) for row in rows} == {
        **{f"mcnemar, {test.run}": test.p for test in found.pairs[0].mcnemar},
        **{f"wilcoxon over {test.over}": test.p for test in found.pairs[0].wilcoxon},
    }
    assert [row["metric"] for row in rows] == [
        "mcnemar, seed 1",
        "mcnemar, seed 2",
        "wilcoxon over folds",
        "wilcoxon over runs",
    ]
