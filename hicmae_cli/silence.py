"""ONNX Runtime, imported so that it sends nothing anywhere and keeps its log to itself."""

from __future__ import annotations

import importlib
import os
from types import ModuleType


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime with its telemetry and its log switched off; the only place of the package that imports it.

    ONNX Runtime sends usage events to Microsoft by default, and keeps a device id and a database in the user's cache.
    The variable prevents all of it, but only when it is set before the first import; child processes inherit it. Where
    other code of the process imported ONNX Runtime first, the call stops the events that are still to come.

    Failures come back as exceptions, so the log would only repeat them.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    ort = importlib.import_module("onnxruntime")
    ort.disable_telemetry_events()
    ort.set_default_logger_severity(4)
    return ort
