from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.cli.running import hicmae


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        (["finetune", "--manifest", "clips.csv", "--recipe", "puppets-nano"], "accelerate, sklearn"),
        (["evaluate", "--manifest", "clips.csv"], "sklearn"),
        (["export", "--onnx", "--weights", "mine.safetensors"], "torch, onnxscript"),
        (["weights", "import", "mine.safetensors", "--name", "mine", "--labels", "a,b"], "torch"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], gone: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in gone.split(", ") else find(name)
    )
    monkeypatch.chdir(tmp_path)
    shutil.copy(toy, "mine.safetensors")
    run = hicmae(*command)
    assert run.code == 1
    assert run.last_line.endswith(f"needs {gone}: install it with pip install 'hicmae[train]'")
