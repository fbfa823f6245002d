"""``run.json``: one entry for every start of a run, and none for another run's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.records.facts import RunFacts, RunRecord
from hicmae_cli.records.folder import SessionLog, find_earlier, find_record_folders, read_run_record


def record(**recipe: object) -> RunRecord:
    return RunRecord(run=RunFacts(phase="fine-tuning", recipe=recipe, date="2026-01-01T00:00:00Z"))


def open_log(folder: Path, **recipe: object) -> SessionLog:
    return SessionLog(folder, record(**recipe), find_earlier(folder))


def test_every_start_is_a_session(tmp_path: Path) -> None:
    log = open_log(tmp_path, epochs=2)
    assert not (tmp_path / "run.json").exists()  # the run may still refuse the folder
    log.begin(0)
    assert read_run_record(tmp_path).sessions[0].outcome == ""  # what a killed run leaves
    log = open_log(tmp_path, epochs=2)
    log.begin(4)
    log.fail(KeyboardInterrupt())
    log = open_log(tmp_path, epochs=2)
    log.begin(4)
    log.end("finished", step=9, update={"finished": True, "scores": {"uar": 0.5}})
    found = read_run_record(tmp_path)
    assert [(each.from_step, each.to_step, each.outcome) for each in found.sessions] == [
        (0, None, ""),
        (4, None, "failed: KeyboardInterrupt"),
        (4, 9, "finished"),
    ]
    assert found.finished and found.scores == {"uar": 0.5} and found.duration_s is not None
    assert all(each.host and each.arguments and each.started for each in found.sessions)


def test_a_call_without_work_leaves_no_trace_and_an_extension_does(tmp_path: Path) -> None:
    log = open_log(tmp_path, epochs=2)
    log.begin(0)
    log.end("finished", step=4, update={"finished": True})
    before = (tmp_path / "run.json").read_bytes()
    for machine in ({}, {"num_workers": 2}):
        log = open_log(tmp_path, epochs=2, **machine)
        log.begin(4)
        log.end("finished", step=4, update={"finished": True})
        assert (tmp_path / "run.json").read_bytes() == before
    log = open_log(tmp_path, epochs=3)
    log.begin(4)
    log.end("finished", step=6, update={"finished": True})
    assert read_run_record(tmp_path).sessions[1].changed == {"epochs": [2, 3]}


def test_records_of_folds_are_found_in_order(tmp_path: Path) -> None:
    for name in ("seed-0/fold-10", "seed-0/fold-2", "seed-1/repeat-1/fold-2"):
        (tmp_path / name).mkdir(parents=True)
        log = open_log(tmp_path / name)
        log.begin(0)
    names = [folder.relative_to(tmp_path).as_posix() for folder in find_record_folders(tmp_path)]
    assert names == ["seed-0/fold-2", "seed-0/fold-10", "seed-1/repeat-1/fold-2"]
    with pytest.raises(WeightsError, match="has no record of a run"):
        read_run_record(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(WeightsError, match="is not the record of a run: run: Field required"):
        read_run_record(tmp_path)
