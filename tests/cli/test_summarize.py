"""``hicmae summarize``, from the prediction to the table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.cli.running import hicmae
from tests.report.toys import prediction
from tests.runtime.stubs import track


def test_a_table_on_stdout_or_in_a_file(tmp_path: Path) -> None:
    prediction(track(1)).save(tmp_path, ["json"])
    shown = hicmae("summarize", tmp_path, "--baseline", "0-1")
    assert shown.code == 0, shown.err
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert {row["measure"] for row in rows} == {"coverage", "mean", "peak", "peak_s", "share", "onset_s", "change"}
    assert "warning: 1 files have no prediction: b.mp4" in shown.err
    table, text = tmp_path / "out" / "s.csv", tmp_path / "out" / "m.md"
    written = hicmae("summarize", tmp_path / "predictions.json", "--baseline", "0-1", "-o", table, "--methods", text)
    assert written.code == 0, written.err
    assert table.read_text("utf-8") == shown.out
    assert "**Limits.**" in text.read_text("utf-8")
    assert f"wrote {len(rows)} rows" in written.out


def test_faults_name_options(tmp_path: Path) -> None:
    prediction(track(1)).save(tmp_path, ["json"])
    wrong = hicmae("summarize", tmp_path, "--baseline", "rest")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "--baseline rest: expected two times in seconds, such as 0-10, or an event of --events" in wrong.err
    missing = hicmae("summarize", tmp_path, "--events", tmp_path / "no.csv")
    assert (missing.code, missing.err.count("\n")) == (1, 1)
    assert "no.csv: no such file" in missing.err
