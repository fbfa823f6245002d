"""``hicmae compare``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import hicmae
from tests.evaluation.comparison.decisions import TRUTH, document, guess, write


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """Documents of three systems, the first far better."""
    return [
        write(tmp_path / f"{name}.json", document(guess(share, TRUTH, seed), TRUTH, speakers=12))
        for seed, (name, share) in enumerate((("good", 0.9), ("fair", 0.5), ("poor", 0.45)))
    ]


def test_tables_sentences_and_warnings(results: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run = hicmae("compare", *results, "--draws", 1000)
    assert run.code == 0
    assert "good - fair" in run.out and "p (Holm)" in run.out
    assert max(map(len, run.out.splitlines())) <= 80
    assert "good scored 0." in run.out
    assert "fair scored 0." in run.out and "these clips do not show a difference" in " ".join(run.out.split())
    assert "warning: a single training run of good, fair, poor" in run.err


def test_documents(results: list[Path], tmp_path: Path) -> None:
    run = hicmae("compare", *results[:2], "--draws", 1000, "--metric", "war", "--json", "-", "--seed", 3)
    assert (run.document["schema"], run.document["metric"], run.document["seed"]) == ("hicmae.compare/1", "war", 3)
    assert "good - fair" in run.err
    hicmae("compare", *results[:2], "--draws", 1000, "--json", tmp_path / "c.json", "--markdown", tmp_path / "c.md")
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["metric"] == "uar"
    assert (tmp_path / "c.md").read_text("utf-8").startswith("# UAR compared")


def test_wrong_usage(results: list[Path], tmp_path: Path) -> None:
    assert hicmae("compare", results[0]).code == 2
    run = hicmae("compare", *results, "--metric", "ccc", "--draws", 1000)
    assert (run.code, "--metric ccc: expected one of uar, war" in run.err) == (2, True)
    run = hicmae("compare", *results, "--json", tmp_path)
    assert (run.code, "is a folder" in run.err) == (2, True)
    other = write(tmp_path / "other.json", document(["joy"], ["joy"]))
    run = hicmae("compare", results[0], other)
    assert run.code == 1
    assert "different test clips: 179 only in good (c1, c2, c3, …)" in run.last_line


def test_streams_of_one_result(tmp_path: Path) -> None:
    audio = {"audio": {"samples": document(guess(0.5, TRUTH, 1), TRUTH, speakers=12)["samples"]}}
    path = write(tmp_path / "a.json", document(guess(0.9, TRUTH, 0), TRUTH, speakers=12, by_modality=audio))
    run = hicmae("compare", path, "--streams", "--draws", 1000)
    assert run.code == 0
    assert "av - audio" in run.out
    run = hicmae("compare", path)
    assert (run.code, "got 1; --streams compares the streams of one" in run.err) == (2, True)


def test_tables_are_written_in_the_format_of_the_suffix(results: list[Path], tmp_path: Path) -> None:
    for suffix in ("csv", "tex", "md"):
        assert hicmae("compare", *results, "--draws", 1000, "--table", tmp_path / f"t.{suffix}").code == 0
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text("utf-8").splitlines()]
    document = hicmae("compare", *results, "--draws", 1000, "--json", "-").document
    found = {tuple(line[:2]): line for line in lines}
    for system in document["systems"]:
        assert float(found["scores", system["name"]][3]) == system["score"]
    pair = document["pairs"][1]
    row = found["differences", f"{pair['first']} - {pair['second']}"]
    assert [float(cell) for cell in row[3:]] == [pair["difference"], *pair["interval"], pair["p"], pair["p_holm"]]
    tex = (tmp_path / "t.tex").read_text("utf-8")
    assert tex.count(r"\begin{tabular}") == tex.count(r"\bottomrule") == 3 and r"95 \% interval" in tex
    assert (tmp_path / "t.md").read_text("utf-8").startswith("# UAR compared")
    wrong = hicmae("compare", *results, "--table", tmp_path / "t.xlsx")
    assert (wrong.code, "expected a name that ends in .csv, .tex, .md" in wrong.err) == (2, True)
