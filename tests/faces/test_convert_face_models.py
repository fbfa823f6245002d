"""The face nets that ship with the package come from MediaPipe's file by the script."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import pytest

from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.faces import nets


@pytest.mark.slow
def test_the_same_bytes_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite")
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    script = importlib.import_module("convert_face_models")
    converted = script.convert_all(find_bundled_file("face_landmarker.task"))
    assert {name: hashlib.sha256(data).hexdigest() for name, data in converted.items()} == nets.NET_SHA256
