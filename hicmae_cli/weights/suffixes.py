"""File name suffixes of a weight's formats. Nothing is imported, so that `--help` can be printed fast."""

from __future__ import annotations

from typing import Final

SAFETENSORS: Final = ".safetensors"
ONNX: Final = ".onnx"
WEIGHT_SUFFIXES: Final = (SAFETENSORS, ONNX)
"""Every format; ``runtime/engines.py`` has the engine of each."""
