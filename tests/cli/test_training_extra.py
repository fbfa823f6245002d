from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests import reference
from tests.cli.running import fresh_python, hicmae


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        (["finetune", "--manifest", "clips.csv", "--recipe", "puppets-nano"], "accelerate"),
        (["export", "--onnx", "--weights", "mine.safetensors"], "torch, onnxscript"),
        (["weights", "import", "mine.pth", "--name", "mine", "--labels", "a,b"], "torch"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], gone: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone.split(", ") else find(name))
    monkeypatch.chdir(tmp_path)
    shutil.copy(toy, "mine.safetensors")
    Path("mine.pth").touch()
    run = hicmae(*command)
    assert run.code == 1
    assert run.last_line.endswith(f"needs {gone}: install it with pip install '.[train]' in the checkout of hicmae")


def test_evaluate_needs_nothing_of_it_but_for_the_torch_engine(tmp_path: Path) -> None:
    clip = reference.FOLDER / "dataset" / "clip_00"
    clips = tmp_path / "clips.csv"
    clips.write_text(f"{clip} {clip}.wav 0\n")
    command = ["evaluate", "--manifest", str(clips), "--weights", "puppets-nano", "--engine"]
    blocked = ("torch", "torchaudio", "torchvision", "accelerate", "sklearn", "scipy", "timm", "onnx")
    code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\nfrom hicmae_cli.cli import main\nmain({{!r}})"
    done = fresh_python(code.format([*command, "onnx"]))
    assert done.returncode == 0, done.stderr
    assert "UAR" in done.stdout
    done = fresh_python(code.format([*command, "torch"]))
    assert done.returncode == 1
    assert "the torch engine needs torch: pip install '.[train]'" in done.stderr
