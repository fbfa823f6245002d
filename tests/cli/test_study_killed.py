"""``hicmae study`` killed in the middle of a training."""

from __future__ import annotations

import csv
import signal
import time
from pathlib import Path

import pytest

from tests.cli.killing import end, linux_only, start
from tests.studies.toys import write_corpus, write_study


def read_runs(output: Path) -> list[dict[str, str]]:
    """The rows of all runs, with their numbers."""
    with (output / "toy" / "runs.csv").open() as file:
        return list(csv.DictReader(file))


@linux_only
@pytest.mark.slow
def test_killed_and_started_again_it_finds_the_same(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    options = ("--manifest", corpus, "--budget", "trial", "--jobs", 2, "-o")
    command = ("study", write_study(tmp_path), *options)
    killed = tmp_path / "killed"
    for count in (1, 5):
        process = start(*command, killed)
        while len(list(killed.glob("runs/*/done.json"))) < count and process.poll() is None:
            time.sleep(0.05)
        end(process, signal.SIGKILL)
        assert not (killed / "toy").exists()
    for folder in (killed, tmp_path / "whole"):
        process = start(*command, folder)
        _, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
    assert read_runs(killed) == read_runs(tmp_path / "whole")
    assert len(read_runs(killed)) == 4
