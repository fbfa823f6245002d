"""ONNX Runtime sends nothing and keeps no device id."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_RUN = """
from pathlib import Path
import numpy as np
from hicmae_cli.bundled import bundled_file
from hicmae_cli.runtime.onnx_engine import OnnxEngine
engine = OnnxEngine(bundled_file("puppets-nano.onnx"), "cpu")
engine.logits(np.zeros((1, 3, 16, 160, 160), np.float32), np.zeros((1, 1, 256, 128), np.float32))
"""


def onnxruntime_imports(path: Path) -> list[int]:
    """Lines of a file that import ONNX Runtime."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        lines += [node.lineno for name in names if name.split(".")[0] == "onnxruntime"]
    return lines


@pytest.mark.parametrize("folder", ["hicmae_cli", "scripts", "tests"])
def test_onnx_runtime_is_imported_in_one_place(folder: str) -> None:
    found = {str(path): onnxruntime_imports(path) for path in (ROOT / folder).rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_session_leaves_no_device_id_and_no_database(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _RUN], check=True, env={**os.environ, **home}, cwd=ROOT)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if "onnxruntime" in str(path).lower() or path.name == "deviceid"]
