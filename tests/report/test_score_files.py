"""The files of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from hicmae_cli.report.score_files import write_scores
from tests.report.test_scores import document


def test_only_the_files_that_were_asked_for_are_written(tmp_path: Path) -> None:
    made = document()
    write_scores(made, "toy", tmp_path / "a.json", None, None)
    assert json.loads((tmp_path / "a.json").read_text()) == made
    write_scores(made, "toy", None, tmp_path / "a.md", tmp_path / "a.png")
    assert "| published, fold 1 |" in (tmp_path / "a.md").read_text()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert len(list(tmp_path.iterdir())) == 3
