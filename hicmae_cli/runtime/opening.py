"""From a weight's name to an engine that runs it."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError, install_hint
from hicmae_cli.files import compute_sha256, hash_lines
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.engines import ENGINE_NAMES, ENGINES, EngineKind, missing_packages
from hicmae_cli.runtime.ensemble import PREFIX, find_members, open_ensemble
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.tasks import KINDS
from hicmae_cli.weights.catalogue import find_weight
from hicmae_cli.weights.suffixes import SAFETENSORS


def open_engine(weights: str, engine: str = "auto", device: str = "auto", threads: int = 0) -> Engine:
    """Load a weight by name or path.

    Args:
        weights: a name of the catalogue or of the user's store, a weight file, the folder of a training run, or
            ``ensemble:NAME`` for the mean of the weights ``NAME-1``, ``NAME-2`` and so on.
        engine: a name from ``ENGINES``, or ``auto``: the engine of a given file, else the first that is installed and
            that the weight has a file for.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` (torch), or one of ``providers.PROVIDERS`` (ONNX Runtime).
        threads: CPU threads, 0 for the engine's own choice.

    Raises:
        WeightsError: no such weight, not loadable, or one that does not predict.
        SettingsError: an unknown engine, or a device that is not available.
        MissingDependencyError: packages of the engine are not installed.
    """
    if engine not in ENGINE_NAMES:
        raise SettingsError(f"engine={engine!r}: expected one of {', '.join(ENGINE_NAMES)}")
    if weights.startswith(PREFIX):
        return open_ensemble(weights, lambda member: open_engine(member, engine, device, threads))
    kind = _choose(weights, device) if engine == "auto" else ENGINES[engine]
    owner = _find_owner(device)
    if owner is not None and owner != kind:
        raise SettingsError(f"device={device!r}: the {kind.name} engine does not know it; use engine={owner.name!r}")
    if missing := missing_packages(kind.needs):
        raise MissingDependencyError(
            f"{weights}: the {kind.name} engine needs {', '.join(missing)}: {install_hint('train')}"
            + _hint_at_others(weights, kind, ", or use ")
        )
    opened = kind.open(_find_file(weights, kind) or _convert(weights, kind), device, threads)
    if opened.info.task not in KINDS:
        raise WeightsError(f"{weights}: is a {opened.info.task} model; expected one of {', '.join(KINDS)}")
    return opened


def open_predictor(
    weights: str,
    settings: PredictSettings,
    engine: str = "auto",
    device: str = "auto",
    threads: int = 0,
    *,
    timings: bool = False,
) -> Predictor:
    """Load a weight to predict with; of ``auto``, the engine is the one that has features if they are wanted.

    Args:
        weights: see ``open_engine``.
        settings: streams, windows, number of people, part of the input.
        engine: see ``open_engine``.
        device: see ``open_engine``.
        threads: see ``open_engine``.
        timings: whether results say where the time went.

    Raises:
        WeightsError: see ``open_engine``.
        SettingsError: see ``open_engine``; settings that the weight or the engine does not fit.
        MissingDependencyError: packages of the engine are not installed.
    """
    if engine == "auto" and settings.features:
        if missing := missing_packages(ENGINES["torch"].needs):
            raise MissingDependencyError(f"features: need {', '.join(missing)}: {install_hint('train')}")
        engine = "torch"
    return Predictor(open_engine(weights, engine, device, threads), settings, timings=timings)


def describe_weight(weights: str, engine: Engine) -> ModelRecord:
    """Record what a prediction was made with.

    Args:
        weights: as given to `open_engine`.
        engine: what it returned.
    """
    members = find_members(weights) if weights.startswith(PREFIX) else [weights]
    hashes = [compute_sha256(_find_opened(member, engine)) for member in members]
    sha256 = hashes[0] if len(hashes) == 1 else hash_lines(hashes)
    return ModelRecord(weights, engine.info, engine.name, engine.device, sha256, engine.providers)


def _find_opened(weights: str, engine: Engine) -> Path:
    """Find the file that an engine was opened from."""
    file = _find_file(weights, ENGINES[engine.name]) or find_weight(weights, SAFETENSORS)
    assert file is not None, "the engine was opened from one of the two"
    return file


def _find_file(weights: str, kind: EngineKind) -> Path | None:
    """Find the file of a weight that an engine reads; None if there is none."""
    return find_weight(weights, kind.suffix) or (find_weight(weights, kind.also_reads) if kind.also_reads else None)


def _find_owner(device: str) -> EngineKind | None:
    """Return the only engine that has a device; None if several have it, or none."""
    name = device.partition(":")[0]
    return next((kind for kind in ENGINES.values() if name in kind.own_devices), None)


def _choose(weights: str, device: str) -> EngineKind:
    """Return the only engine that has the device; else the first that is installed and has a file.

    If none of those with a file is installed, the first of them.
    """
    if owner := _find_owner(device):
        return owner
    suffix = Path(weights).suffix
    kinds = sorted(ENGINES.values(), key=lambda kind: kind.suffix != suffix)  # a given file's own engine first
    with_file = [kind for kind in kinds if find_weight(weights, kind.suffix)]
    return next((kind for kind in with_file if kind.is_available()), with_file[0])


def _hint_at_others(weights: str, kind: EngineKind, words: str) -> str:
    """Return a hint at another engine that can run the weight, after some words; empty without one."""
    others = (each for each in ENGINES.values() if each != kind and each.is_available())
    other = next((each for each in others if _find_file(weights, each)), None)
    return f"{words}engine={other.name!r}" if other else ""


def _convert(weights: str, kind: EngineKind) -> Path:
    """Return the weight in an engine's format: converted once, and kept in the cache under the source's hash."""
    source = find_weight(weights, SAFETENSORS)
    if source is None or kind.convert is None:
        hint = _hint_at_others(weights, kind, "; use ")
        raise WeightsError(f"{weights}: there is no {kind.suffix} file for the {kind.name} engine{hint}")
    folder = platformdirs.user_cache_path("hicmae", appauthor=False) / kind.name
    cached = folder / f"{compute_sha256(source)}{kind.suffix}"
    if not cached.is_file():
        if missing := missing_packages(kind.convert_needs):
            raise MissingDependencyError(
                f"{weights}: has no {kind.suffix} file, and making one needs {', '.join(missing)}: "
                f"{install_hint('train')}{kind.advise_export(weights)}"
            )
        kind.convert(source, cached)
    return cached
