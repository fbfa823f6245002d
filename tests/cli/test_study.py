"""``hicmae study``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hicmae_cli.studies.study import list_studies
from tests.cli.running import hicmae
from tests.studies.toys import STUDY, pretend, write_corpus, write_study


def test_studies_are_listed_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = hicmae("study", "list")
    assert run.code == 0
    assert all(name in run.out for name in list_studies())
    shown = hicmae("study", "show", "masking-ratio").out
    (tmp_path / "mine.toml").write_text(shown)
    assert hicmae("study", "show", tmp_path / "mine.toml").out == shown


def test_a_study_runs_by_its_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hicmae_cli.studies.run.run_job", lambda job, report, **_: pretend(job, report))
    corpus, output = write_corpus(tmp_path / "corpus"), tmp_path / "studies"
    options = ("--manifest", corpus, "--budget", "trial", "-o", output, "--jobs", 0)
    run = hicmae("study", write_study(tmp_path), *options)
    assert run.code == 0, run.err
    assert "random minus tube +0." in run.out
    assert f"wrote report {output}" in run.out or f"report {output / 'toy' / 'report.md'}" in run.out
    document = json.loads((output / "toy" / "result.json").read_text())
    assert document["command"] == "hicmae study toy.toml --manifest toys.csv --budget trial"
    again = hicmae("study", "run", write_study(tmp_path), *options)
    assert "8 trainings and measurements, 8 of them done before" in again.err
    planned = hicmae("study", write_study(tmp_path), *options, "--dry-run")
    assert "8 of 8 jobs are done; the other 0 take about 0 s in 1 process" in planned.out


def test_a_dry_run_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("hicmae_cli.studies.estimate._Timer.time", lambda *_: 0.5)
    run = hicmae("study", "modality", "--budget", "trial", "--dry-run", "--jobs", 2, "-o", tmp_path / "studies")
    assert run.code == 0, run.err
    assert "clips of puppets: 40 train, 20 validation and 30 test clips" in run.err
    assert "the puppets are not drawn yet" in run.err
    assert "0 of 4 jobs are done; the other 4 take about" in run.out
    assert not list(tmp_path.iterdir())


def test_a_dry_transfer_names_the_world_that_it_would_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("hicmae_cli.studies.estimate._Timer.time", lambda *_: 0.5)
    run = hicmae("study", "transfer", "--budget", "trial", "--dry-run", "--jobs", 2, "-o", tmp_path / "studies")
    assert run.code == 0, run.err
    assert "30 test clips; tested on puppets of the world comic, too" in run.err
    assert "the puppets are not drawn yet" in run.err
    assert not list(tmp_path.iterdir())


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    run = hicmae("study", "skip-conections", "--budget", "full")
    assert (run.code, run.last_line) == (2, "error: no study named skip-conections; did you mean skip-connections?")
    output = ("-o", tmp_path / "studies")
    run = hicmae("study", "seeds", "--manifest", tmp_path / "absent.csv", *output)
    assert run.code == 1
    assert "absent.csv: cannot read the manifest" in run.last_line
    run = hicmae("study", "seeds", "--seeds", "4", *output)
    assert run.code == 2
    assert run.last_line.startswith("error: --seeds 4: expected at least two different ones")
    run = hicmae("study", "seeds", "--seeds", "one,two", *output)
    assert (run.code, "expected whole numbers with commas" in run.last_line) == (2, True)
    run = hicmae("study", "seeds", "--dataset", "crema-d", "--root", tmp_path, *output)
    assert run.code == 1
    assert "not prepared yet" in run.last_line
    bad = write_study(tmp_path, STUDY.replace("seeds = [0, 1]", "seeds = [1]"))
    run = hicmae("study", bad, *output)
    assert (run.code, "expected at least two different ones, got 1" in run.last_line) == (2, True)
    assert not (tmp_path / "studies").exists()
