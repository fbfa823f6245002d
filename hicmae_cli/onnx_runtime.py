"""ONNX Runtime without telemetry and logging, and with working Ctrl-C."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from hicmae_cli.errors import WeightsError, first_line

# NumPy would slow down `hicmae --help`.
if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ResultT = TypeVar("ResultT")

# Log level; all other failures come back as exceptions.
_FATAL_ONLY = 4
# It aborts the process for weights in half precision: ONNX Runtime 1.23, the newest for Python 3.10.
_BROKEN_OPTIMISER = "FuseFp16InitializerToFp32NodeTransformer"
_RECORD = "session.record_ep_graph_assignment_info"
# ONNX Runtime checks for a stop request only between two operators.
_PATIENCE_S = 2.0
_threads: list[threading.Thread] = []


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime with telemetry and logging disabled; no other file of the package imports it.

    ONNX Runtime sends usage events to Microsoft by default, and keeps a device id and a database in the user's cache.
    The environment variable prevents both if it is set before the first import; child processes inherit it. If other
    code in this process has imported ONNX Runtime before, the call disables later events.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    ort = importlib.import_module("onnxruntime")
    ort.disable_telemetry_events()
    ort.set_default_logger_severity(_FATAL_ONLY)
    return ort


def import_tools(name: str) -> ModuleType:
    """Import a module of ONNX Runtime that changes graphs, such as ``quantization``; it needs the package onnx."""
    import_onnxruntime()
    return importlib.import_module(f"onnxruntime.{name}")


def open_session(
    path: Path,
    providers: Sequence[Any] = ("CPUExecutionProvider",),
    threads: int = 0,
    *,
    fold_constants: bool = False,
    record_assignment: bool = False,
) -> Any:
    """Open a file as an ``onnxruntime.InferenceSession``.

    Args:
        path: the file.
        providers: execution providers, in order of preference.
        threads: CPU threads; 0 lets the runtime choose.
        fold_constants: compute the constant parts of the graph now. This can allocate any amount of memory, so use it
            for known files only. Our exports have no constants left to fold.
        record_assignment: record which provider computes what; see `computes_with`.

    Raises:
        WeightsError: ONNX Runtime cannot load the file.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if record_assignment:
        options.add_session_config_entry(_RECORD, "1")
    disabled = [_BROKEN_OPTIMISER, *([] if fold_constants else ["ConstantFolding"])]
    try:
        return _call_interruptibly(
            lambda: ort.InferenceSession(
                str(path),
                options,
                providers=list(providers),
                disabled_optimizers=disabled,
                # Or a provider that fails is replaced by the CPU, and a banner is printed to stdout, among our results.
                # Old versions (1.20) ignore it.
                enable_fallback=0,
            )
        )
    # ONNX Runtime's errors derive from Exception only.
    except Exception as error:
        raise WeightsError(f"{path}: ONNX Runtime cannot load it: {first_line(error)}") from error


def computes_with(session: Any, provider: str) -> bool:
    """Whether a provider computes any part of the graph of a session that records it.

    A provider may load, know none of the graph's operators, and leave all of them to the CPU. ONNX Runtime before 1.24
    does not tell; then the answer is yes.
    """
    read = getattr(session, "get_provider_graph_assignment_info", None)
    return read is None or any(part.ep_name == provider for part in read())


def run_session(session: Any, path: Path, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[Any]:
    """Run a session of `open_session` -> the outputs, in the order of their names.

    Raises:
        WeightsError: the run fails, for example because an output's shape differs from that in the file.
    """
    options = import_onnxruntime().RunOptions()

    def stop() -> None:
        options.terminate = True

    try:
        return _call_interruptibly(lambda: list(session.run(list(outputs), dict(inputs), options)), stop)
    except Exception as error:
        raise WeightsError(f"{path}: ONNX Runtime cannot run it: {first_line(error)}") from error


def has_stuck_threads() -> bool:
    """Whether a call of ONNX Runtime still runs in the background after Ctrl-C.

    Before Python 3.14, such a thread aborts the process if its call returns while the interpreter shuts down.
    """
    return any(thread.is_alive() for thread in _threads)


def _call_interruptibly(work: Callable[[], ResultT], stop: Callable[[], None] = lambda: None) -> ResultT:
    """Call ``work`` in a thread and wait for it, because Python handles Ctrl-C only between two of its instructions.

    Exceptions of ``work`` are raised here. If the wait is interrupted, ``stop`` is called, and the thread gets two
    seconds to end before it is abandoned.
    """
    done: list[ResultT] = []
    failed: list[BaseException] = []
    # Not Thread.join: before Python 3.13, it treats an interrupted wait as the thread's end.
    over = threading.Event()

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        # On some systems, Ctrl-C does not interrupt a wait without a limit.
        while not over.wait(0.2):
            pass
    except BaseException:
        stop()
        if not over.wait(_PATIENCE_S):
            _threads.append(thread)
        raise
    if failed:
        raise failed[0]
    return done[0]
