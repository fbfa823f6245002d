"""Tables of scores as files: CSV with all numbers, LaTeX, Markdown."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.report.grid import Grid, escape_latex
from hicmae_cli.report.score_tables import scores_csv, scores_latex, write_tables
from hicmae_cli.report.scores import score_grids
from tests.report.test_scores import document, shown

BOUNDS = document()["intervals"]["bounds"]
FULL: dict[str, Any] = document(
    intervals={**document()["intervals"], "classes": {"anger": {"recall": [0.3, 1.0]}}},
    probability_metrics={"auc": 1 / 3, "top_2": None},
    classes={
        "anger": {"precision": 0.75, "recall": 1.0, "f1": 6 / 7, "support": 3},
        "[red]|x": {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1},
    },
    calibration={
        "before": {"ece": 0.2, "brier": 0.4, "nll": 1.0},
        "after": {"ece": 0.1, "brier": 0.3, "nll": 0.9},
        "temperature": 1.5,
        "fitted_on": "12 validation clips",
    },
    groups=[
        {
            "column": "sex",
            "metric": "uar",
            "groups": [
                {
                    "group": name,
                    "decisions": 2,
                    "people": None,
                    "metrics": document()["metrics"],
                    "intervals": document()["intervals"],
                    "notes": ["fewer than 20 clips"],
                }
                for name in ("female", "male")
            ],
            "gap": {"best": "male", "worst": "female", "difference": 0.25, "bounds": [-0.125, 0.5]},
        }
    ],
    robustness=[
        {
            "degradation": "noise",
            "unit": "dB",
            "meaning": "ratio",
            "modality": "av",
            "levels": [
                {"level": level, "metrics": document()["metrics"], "intervals": document()["intervals"]}
                for level in (None, 10.0)
            ],
        }
    ],
    selection={"optimistic": True},
)


def test_a_screen_shows_every_part() -> None:
    text = shown(FULL)
    for part in (
        "anger 3 ? 0.7500 1.0000 [0.300,1.000] 0.8571",
        "[red]|x 1 ? - 0.0000 0.0000",
        "AUC 0.3333",
        "top-2 -",
        "temperature 1.500 0.1000 0.3000 0.9000",
        "female 2 ? 0.5000 [0.400,0.600] 0.7500 [0.650,0.850] fewer than 20 clips",
        "gap: male - female 0.2500 [-0.125,0.500]",
        "noise clean av 0.5000",
        "noise 10 dB av 0.5000",
    ):
        assert part in text, part


def test_each_stream_has_its_own_interval_below_it() -> None:
    metrics = document()["metrics"]
    narrow = {**document()["intervals"], "bounds": dict.fromkeys(metrics, (0.1, 0.2))}
    streams = {
        "av": {**metrics, "decisions": 4, "intervals": document()["intervals"]},
        "audio": {**metrics, "decisions": 3, "intervals": narrow},
    }
    rows = [row[:3] for row in score_grids(document(by_modality=streams, published={}))[0].rows]
    assert rows == [
        ("av", "4", "0.5000"),
        ("av, 95 % interval", "", "0.400 to 0.600"),
        ("audio", "3", "0.5000"),
        ("audio, 95 % interval", "", "0.100 to 0.200"),
    ]


def test_a_number_that_was_not_verified_says_so() -> None:
    assert "published, fold 1, not verified 0.8666" in shown(document(official=None))
    assert "not verified" not in shown(document(official=True)) + shown(document())


def test_csv_holds_every_number_in_full() -> None:
    rows = list(csv.DictReader(scores_csv(FULL).splitlines()))
    found = {(row["table"], row["row"], row["metric"]): (row["value"], row["lower"], row["upper"]) for row in rows}
    assert found["scores", "av", "uar"] == ("0.5", "0.4", "0.6")
    assert found["scores", "published, fold 1", "uar"] == ("0.8666", "", "")
    assert found["probabilities", "av", "auc"] == (repr(1 / 3), "", "")
    assert found["probabilities", "av", "top_2"] == ("", "", "")
    assert found["classes, av", "anger", "f1"][0] == repr(6 / 7)
    assert found["confusion, av", "[red]|x", "anger"][0] == "1"
    assert found["by sex", "gap: male - female", "uar"] == ("0.25", "-0.125", "0.5")
    assert found["noise (dB), av", "10", "war"][0] == "0.75"
    assert len(found) == len(rows)
    folds = {"1": {"metrics": FULL["metrics"], "decisions": 4}}
    assert 'scores,"pooled, av",uar,0.5,' in scores_csv({**FULL, "folds": folds, "mean": FULL["metrics"], "sd": None})


def test_latex_is_escaped_and_captioned() -> None:
    assert escape_latex("a_b 5% {x} \\ ~^ #&$\x1b") == (
        r"a\_b 5\% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{} \#\&\$\textbackslash{}x1b"
    )
    text = scores_latex(
        document(labels=["a&b", "c_d"], recalls={"a&b": 1.0, "c_d": 0.0}, selection={"optimistic": True})
    )
    assert text.startswith("% \\usepackage{booktabs}\n")
    assert r"\caption{Scores: toys, fold 1. Intervals: 95 \%, bootstrap over speakers. Optimistic:" in text
    assert r"    a\&b & 3 & 0 & 1.00 \\" in text and r"\label{tab:toys-fold-1-av-confusion}" in text
    for opened, closed in ((r"\begin{", r"\end{"), ("{", "}")):
        assert text.count(opened) == text.count(closed)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{table}") == 2
    body = Grid("t", ("", "a"), (("x", "1"),)).to_latex("caption", "key")
    assert r"  \begin{tabular}{lr}" in body


def test_a_caption_names_streams_once_and_explains_intervals() -> None:
    text = scores_latex(FULL)
    assert r"\caption{Confusion, av (rows: true, columns: predicted): toys, fold 1. Optimistic:" in text
    assert r"\caption{Classes, av: toys, fold 1. Intervals: 95 \%, bootstrap over speakers. Optimistic:" in text
    assert r"\caption{Probabilities [95 \% interval]: toys, fold 1. Intervals: 95 \%, bootstrap over" in text


@pytest.mark.parametrize("suffix", [".csv", ".tex", ".md", ".MD"])
def test_the_suffix_is_the_format(tmp_path: Path, suffix: str) -> None:
    write_tables(FULL, tmp_path / f"t{suffix}")
    start = {"c": "table,row,metric", "t": "% \\usepackage", "m": "Scores: toys, fold 1."}[suffix[1].lower()]
    assert (tmp_path / f"t{suffix}").read_text().startswith(start)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"t\.xlsx: expected a name that ends in \.csv, \.tex, \.md"):
        write_tables(FULL, tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []
