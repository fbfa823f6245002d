"""From a weight's name to an engine that runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError, install_hint
from hicmae_cli.files import compute_sha256
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.weights.catalogue import ENGINE_SUFFIX, find_weight

ENGINES = ("auto", "onnx", "torch")


def open_engine(
    weights: str,
    engine: str = "auto",
    device: str = "auto",
    threads: int = 0,
    tasks: Sequence[str] = ("classification",),
) -> Engine:
    """Load a weight by name or path.

    Args:
        weights: a name of the catalogue or of the user's store, or a ``.safetensors`` or ``.onnx`` file.
        engine: ``onnx``, ``torch``, or ``auto``: the format of a given file, else ONNX where the weight has it.
        device: ``auto``, ``cpu``, ``cuda`` …
        threads: CPU threads, 0 for the engine's own choice.
        tasks: what the caller can make sense of.

    Raises:
        WeightsError: no such weight, not loadable, or made for another task.
        SettingsError: an engine or a device that cannot be had.
        MissingDependencyError: the torch engine without torch.
    """
    if engine not in ENGINES:
        raise SettingsError(f"--engine {engine}: expected one of {', '.join(ENGINES)}")
    if engine == "auto":
        engine = "torch" if weights.endswith(".safetensors") or find_weight(weights, ".onnx") is None else "onnx"
        if engine == "torch" and not _has_torch() and find_weight(weights, ".onnx") is not None:
            engine = "onnx"
    path = find_weight(weights, ENGINE_SUFFIX[engine])
    if engine == "torch":
        _need_torch(weights)
        if path is None:
            raise WeightsError(f"{weights}: there is no .safetensors file for the torch engine; use --engine onnx")
        from hicmae_cli.runtime.torch_engine import TorchEngine
        from hicmae_cli.weights.checkpoint import load_classifier

        return _fit_for(tasks, weights, TorchEngine(*load_classifier(path), device, threads))
    from hicmae_cli.runtime.onnx_engine import OnnxEngine

    return _fit_for(tasks, weights, OnnxEngine(path or _exported(weights), device, threads))


def _fit_for(tasks: Sequence[str], weights: str, engine: Engine) -> Engine:
    """Refuse what would be dressed up as probabilities."""
    if engine.info.task not in tasks:
        raise WeightsError(f"{weights}: is a {engine.info.task} model; only classification is predicted yet")
    return engine


def _exported(weights: str) -> Path:
    """ONNX form of a weight that has none: exported once, kept in the cache under its hash."""
    source = find_weight(weights, ".safetensors")
    assert source is not None, "find_weight returns at least one of the two"
    cached = platformdirs.user_cache_path("hicmae", appauthor=False) / "onnx" / f"{compute_sha256(source)}.onnx"
    if not cached.is_file():
        if not _has_torch():
            raise MissingDependencyError(
                f"{weights}: has no .onnx file; run `hicmae export --onnx --weights {weights}` where torch is "
                f"installed ({install_hint('train')})"
            )
        from hicmae_cli.weights.export import export_onnx

        export_onnx(source, cached)
    return cached


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _need_torch(weights: str) -> None:
    if not _has_torch():
        raise MissingDependencyError(
            f"{weights}: the torch engine needs torch: {install_hint('train')}, or use --engine onnx"
        )
