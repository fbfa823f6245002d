"""The face nets that ship with the package come from MediaPipe's file by the script."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest

from hicmae_cli.faces import nets

SCRIPT = Path(__file__).parents[2] / "scripts/convert_face_models.py"


@pytest.mark.slow
def test_the_same_bytes_come_out() -> None:
    pytest.importorskip("tflite")
    spec = importlib.util.spec_from_file_location("convert_face_models", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    converted = script.convert_all(Path(__file__).with_name("face_landmarker.task"))
    assert {name: hashlib.sha256(data).hexdigest() for name, data in converted.items()} == nets._SHA256
