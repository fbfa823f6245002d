"""No command opens a socket to the outside or looks up a name: seen from the kernel, native libraries included."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.running import FINETUNE_RECIPE

pytestmark = pytest.mark.integration

STRACE = shutil.which("strace")
ROOT = Path(__file__).parent.parent
_RUN = """
from pathlib import Path
import numpy as np
from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.runtime.onnx_engine import OnnxEngine
engine = OnnxEngine(find_bundled_file("puppets-nano.onnx"), "cpu")
engine.logits(np.zeros((1, 3, 16, 160, 160), np.float32), np.zeros((1, 1, 256, 128), np.float32))
"""

COMMANDS = """
from hicmae_cli.cli import main

if __name__ == "__main__":
    for command in (
        ["puppets", "make", "drawn", "--train", "2", "--validation", "2", "--test", "2", "--workers", "1"],
        ["prepare", "folder", "--root", "own", "--workers", "1"],
        ["predict", "own", "--json"],
        ["finetune", "--dataset", "puppets", "--data", "drawn", "--recipe", "recipe.toml", "--output", "run"],
        ["evaluate", "--dataset", "puppets", "--data", "drawn", "--weights", "run/best.safetensors"],
        ["weights", "list"],
    ):
        try:
            main(command)
        except SystemExit as end:
            assert not end.code, (command, end.code)
"""


def outside(log: str) -> list[str]:
    """Lines of an strace log that open a socket to anything but processes of this machine."""
    return [line for line in log.splitlines() if re.search(r"\bsocket\((?!AF_UNIX)", line)]


def trace(command: Sequence[object], folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a command in a folder that is its home, too -> what it did, and its sockets to the outside."""
    assert STRACE is not None
    log = folder / "strace.log"
    package = Path(__file__).parent.parent
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PYTHONPATH": str(package),
        "OMP_NUM_THREADS": "1",
        "HICMAE_HOME": str(folder / "hicmae"),
    }
    for variable in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "http_proxy", "https_proxy", "all_proxy"):
        environment.pop(variable, None)
        environment.pop(variable.upper(), None)
    done = subprocess.run(
        [STRACE, "-f", "--seccomp-bpf", "-e", "trace=socket", "-o", log, *map(str, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, outside(log.read_text("utf-8", "replace"))


@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_a_socket_would_be_seen(tmp_path: Path) -> None:
    code = "import socket\nfor family in (socket.AF_UNIX, socket.AF_INET): socket.socket(family).close()"
    _, found = trace([sys.executable, "-c", code], tmp_path)
    assert len(found) == 1 and "AF_INET" in found[0]


@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_no_command_opens_a_socket_to_the_outside(tmp_path: Path, sample: Path) -> None:
    from hicmae_cli.media import read_audio, read_frames, write_video

    frames = [frame.rgb for frame in read_frames(sample)][:20]
    for name in ("own/neutral/a.mp4", "own/anger/b.mp4"):
        write_video(tmp_path / name, frames, 12, read_audio(sample, 0.0, len(frames) / 12))
    (tmp_path / "recipe.toml").write_text(FINETUNE_RECIPE)
    (tmp_path / "commands.py").write_text(COMMANDS)
    done, found = trace([sys.executable, "commands.py"], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert found == []
    foreign = re.compile("deviceid|onnxruntime|microsoft|clearcut", re.IGNORECASE)
    assert [path for path in tmp_path.rglob("*") if foreign.search(path.name)] == []


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
