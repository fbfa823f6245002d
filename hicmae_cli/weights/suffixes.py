"""File name suffixes of a weight's formats. Nothing is imported, so that `--help` can be printed fast."""

from __future__ import annotations

from typing import Final

SAFETENSORS: Final = ".safetensors"
ONNX: Final = ".onnx"
EXPORT_SUFFIXES: Final = (ONNX,)
"""Formats that are made from a ``.safetensors`` file, and are out of date once it is replaced."""
WEIGHT_SUFFIXES: Final = (SAFETENSORS, *EXPORT_SUFFIXES)
"""Every format; ``runtime/engines.py`` has the engine of each, and ``weights/reading.py`` reads its metadata."""
