from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hicmae_cli.cli import training_extra
from tests.cli.running import hicmae


@pytest.mark.parametrize(
    "command",
    [
        ["finetune", "--manifest", "clips.csv"],
        ["export", "--onnx", "--weights", "mine.safetensors"],
        ["weights", "import", "mine.safetensors", "--name", "mine", "--labels", "a,b"],
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(training_extra, "_PACKAGES", ("torch", "no_such_package", "nor_this"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(toy, "mine.safetensors")
    run = hicmae(*command)
    assert run.code == 1
    assert run.last_line.endswith(
        "needs no_such_package, nor_this: install it with pip install 'hicmae[train]'"
    )
