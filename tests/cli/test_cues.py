"""``hicmae cues``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import soundfile

from hicmae_cli.preparing import cues
from hicmae_cli.workers import run_here
from tests.cli.running import hicmae
from tests.corpora.toys import tone


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cues, "run_in_pool", lambda jobs, work, workers: run_here(jobs, work))


def test_a_copy_of_the_list_has_cues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = partial(hicmae, "cues", "list.csv", "-o", "out/cues.csv", "--workers", 1)
    soundfile.write("a.wav", tone(0.5), 16_000)
    Path("list.csv").write_text("id,video,audio,label\na,,a.wav,anger\n", "utf-8")
    done = run()
    assert (done.code, done.out) == (0, "1 clips are listed in out/cues.csv: 0 with cues of the face, 1 of the voice\n")
    Path("a.wav").write_bytes(b"nonsense")
    failed = run()
    assert failed.code == 1
    assert "no cues of a: a.wav: " in failed.out
    assert "0 of the voice" in failed.out


def test_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = hicmae("cues", "list.csv", "-o", "list.csv")
    assert (run.code, run.last_line) == (2, "error: --output list.csv: is the list itself; choose another file")
    assert hicmae("cues", "list.csv", "--output", "other.csv").code == 1
