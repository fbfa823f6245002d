"""``.onnx`` files in ONNX Runtime, such that Ctrl-C works whatever a file makes it do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import WeightsError, first_line
from hicmae_cli.silence import import_onnxruntime

Result = TypeVar("Result")

# Computes constant parts of a graph when it is opened, of any size. In an export of ours there are none left.
_DISABLED = ["ConstantFolding"]
_PATIENCE_S = 2.0  # for a run that was told to stop: it looks between two operators


def open_session(path: Path, providers: Sequence[Any] = ("CPUExecutionProvider",), threads: int = 0) -> Any:
    """An ``onnxruntime.InferenceSession`` of a file.

    Nothing of the graph is computed yet, so that opening a file costs about what its size says.

    Args:
        path: the file.
        providers: where to run it, in order of preference.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        WeightsError: not a file ONNX Runtime can load.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4  # failures come back as exceptions, the log would only repeat them
    options.intra_op_num_threads = threads
    kept = {"providers": list(providers), "disabled_optimizers": _DISABLED}
    try:
        return _interruptible(lambda: ort.InferenceSession(str(path), options, **kept))
    except Exception as error:  # onnxruntime raises its own classes, all bare Exceptions
        raise WeightsError(f"{path}: ONNX Runtime cannot load it: {first_line(error)}") from error


def run_session(
    session: Any, path: Path, outputs: list[str], inputs: Mapping[str, NDArray[np.float32]]
) -> list[Any]:
    """Run a session of `open_session`.

    Raises:
        WeightsError: the graph fails, for example because it does not take what it says.
    """
    options = import_onnxruntime().RunOptions()

    def stop() -> None:
        options.terminate = True

    try:
        return _interruptible(lambda: list(session.run(outputs, dict(inputs), options)), stop)
    except Exception as error:
        raise WeightsError(f"{path}: ONNX Runtime cannot run it: {first_line(error)}") from error


def _interruptible(work: Callable[[], Result], stop: Callable[[], None] = lambda: None) -> Result:
    """Do work in a thread and wait for it, because Python handles Ctrl-C only between two of its own instructions.

    What the work raises is raised here. When the waiting is interrupted, ``stop`` is called; work that goes on in spite
    of it does not hold up the end of the process.
    """
    done: list[Result] = []
    failed: list[BaseException] = []
    over = (
        threading.Event()
    )  # not Thread.join, which before Python 3.13 takes an interrupted wait for the thread's end

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)
        finally:
            over.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not over.wait(0.2):  # a wait without end would not see Ctrl-C on every system
            pass
    except BaseException:
        stop()
        over.wait(_PATIENCE_S)
        raise
    if failed:
        raise failed[0]
    return done[0]
