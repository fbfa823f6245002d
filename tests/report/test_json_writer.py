from __future__ import annotations

import json
from pathlib import Path

from hicmae_cli.report.json_writer import write_json
from tests.report.toys import prediction
from tests.runtime.stubs import track, window


def test_json_keeps_every_digit_and_every_name(tmp_path: Path) -> None:
    row = (0.1, 1 / 3, 1 - 0.1 - 1 / 3)
    write_json(prediction(track(1, window(row=row)), path="caf\udce9.mp4"), tmp_path / "a.json")
    file, _ = json.loads((tmp_path / "a.json").read_text())["files"]
    assert file["path"] == "caf\udce9.mp4"
    assert tuple(file["tracks"][0]["windows"][0]["probabilities"].values()) == row
