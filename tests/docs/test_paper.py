"""The tutorial of a whole paper: its commands run, in order, and leave what it promises."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks

PAGE = "docs/tutorials/paper.md"


@pytest.mark.slow
def test_a_paper_from_data_to_methods(tmp_path: Path) -> None:
    (recipe,) = blocks(PAGE, "toml")
    (tmp_path / "steps.toml").write_text(recipe, "utf-8")
    lines = "".join(blocks(PAGE, "sh")).replace("\\\n", " ").splitlines()
    commands = [line for line in lines if line.startswith("hicmae ")]
    assert [command.split()[1] for command in commands] == [
        "puppets",
        "finetune",
        "finetune",
        "compare",
        "evaluate",
        "show",
        "rerun",
    ]
    said = {}
    for command in commands:
        words = [sys.executable, "-m", "hicmae_cli.cli", *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        said[command.split()[1]] = done.stdout
    compared = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert [system["name"] for system in compared["systems"]] == ["both", "voice"]
    assert [len(system["runs"]) for system in compared["systems"]] == [3, 3]
    assert (compared["clips"], compared["people"]) == (100, 10)
    # Voices alone cannot tell the emotions of 40 % of the clips apart from one other.
    both, voice = (system["score"] for system in compared["systems"])
    assert both > voice and voice < 0.85
    assert r"\begin{tabular}" in (tmp_path / "comparison.tex").read_text("utf-8")
    files = {path.name for path in (tmp_path / "results").iterdir()}
    assert {"result.json", "result.md", "scores.csv", "scores.tex", "confusion.pdf"} <= files
    assert (tmp_path / "results" / "confusion.pdf").read_bytes().startswith(b"%PDF")
    assert "We left one speaker out at a time (10 folds), and repeated everything with 3 random seeds" in said["show"]
    assert "equal" in said["rerun"]
