"""The README's Python runs, and prints what the README shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
PERCENT = re.compile(r"(\d+)%")


def python_blocks() -> list[tuple[str, str]]:
    """Every block of Python with the output that follows it."""
    found = re.findall(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return [(code, output) for code, output in found]


def test_every_block_of_python_has_its_output() -> None:
    assert len(python_blocks()) == README.read_text("utf-8").count("```python") >= 1


@pytest.mark.parametrize(("code", "expected"), python_blocks())
def test_the_readme_prints_what_it_shows(
    code: str,
    expected: str,
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    shutil.copy(sample, tmp_path / "docs" / "assets")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert PERCENT.sub("%", printed).splitlines() == PERCENT.sub("%", expected).splitlines()
    # Processors round differently, so a percentage may be one more or less.
    mine, shown = (list(map(int, PERCENT.findall(text))) for text in (printed, expected))
    assert mine == pytest.approx(shown, abs=1)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["predictions.csv", "predictions.json"]
