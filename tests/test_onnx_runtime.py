"""ONNX Runtime and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hicmae_cli import onnx_runtime


def test_work_that_does_not_stop_does_not_hold_up_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing a graph cannot be stopped; its thread is left behind."""
    release, stopped = threading.Event(), threading.Event()
    monkeypatch.setattr(onnx_runtime, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(onnx_runtime, "_threads", [])
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        onnx_runtime._call_interruptibly(lambda: release.wait(30), stopped.set)
    assert stopped.is_set()
    assert onnx_runtime.has_stuck_threads()
    release.set()
    for thread in onnx_runtime._threads:
        thread.join()
    assert not onnx_runtime.has_stuck_threads()


def write_products(path: Path, size: int, count: int) -> Path:
    """An ONNX file of matrix products, between two of which a run can be stopped."""
    nodes = [helper.make_node("MatMul", [f"x{index}", "m"], [f"x{index + 1}"]) for index in range(count)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in ("x0", f"x{count}")]
    matrix = numpy_helper.from_array(np.zeros((size, size), np.float32), "m")
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], [matrix])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("fold_constants", [False, True])
def test_a_session_runs(tmp_path: Path, fold_constants: bool) -> None:
    path = write_products(tmp_path / "m.onnx", 3, 2)
    session = onnx_runtime.open_session(path, threads=1, fold_constants=fold_constants)
    (product,) = onnx_runtime.run_session(session, path, ["x2"], {"x0": np.ones((3, 3), np.float32)})
    assert product.tolist() == [[0.0] * 3] * 3


STUCK = """
import atexit, os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from hicmae_cli import onnx_runtime
from hicmae_cli.cli import main

class Shutdown:
    def __del__(self, sleep=time.sleep):
        sleep(5)  # the interpreter is shutting down while the run returns

sys.modules["shutdown"] = Shutdown()
onnx_runtime._PATIENCE_S = 0.0
path = Path(sys.argv[1])
session = onnx_runtime.open_session(path, threads=1)

def run(**_):
    print("started", end="")
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    onnx_runtime.run_session(session, path, ["x1"], {"x0": np.zeros((SIZE, SIZE), np.float32)})

sys.modules["hicmae_cli.cli.app"].app = run
main([])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_a_run_that_returns_during_shutdown_does_not_abort_the_process(tmp_path: Path) -> None:
    """Without os._exit: 134, and "terminate called without an active exception"."""
    size = 6000
    path = write_products(tmp_path / "m.onnx", size, 1)
    code = STUCK.replace("SIZE", str(size))
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "started", "error: interrupted\n")
