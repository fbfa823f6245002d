"""The folder of a run: checkpoints, its log, and the check that a run resumes its own folder.

A checkpoint is a file of tensors and plain values, read without running any pickled code.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hicmae_cli.errors import SettingsError, TrainingError, first_line
from hicmae_cli.files import hash_lines, remove_leftovers, write_atomically, write_text_atomically
from hicmae_cli.memory import peak_resident_mb
from hicmae_cli.weights.run_folder import BEST, LAST

SETTINGS = "settings.json"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
TESTED = "tested.json"  # the scores of the test, and the weight and clips they belong to
_RESULTS = (CHECKPOINTS, LAST, BEST)
_LISTED = 6


def open_run(
    run: Path,
    facts: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any],
    results: Sequence[str],
    logs: Sequence[str],
    main: bool,
    warn: Callable[[str], None],
    may_change: Collection[str] = (),
) -> dict[str, Any] | None:
    """Read the newest checkpoint of a run, or prepare the folder of a new run.

    Args:
        run: folder.
        facts: everything that decides the run's numbers.
        defaults: values of settings that did not exist when the folder's run began.
        results: names of the weights that the run writes.
        logs: names of the other files it writes; they are removed if there is no checkpoint.
        main: whether this is the process that writes.
        warn: called with a line about every damaged checkpoint.
        may_change: facts in which the folder's run may differ; the folder then takes the new ones.

    Returns:
        The checkpoint; None for a new run.

    Raises:
        SettingsError: the folder holds another run.
        TrainingError: there are checkpoints, but none can be read.
    """
    if main:
        for name in (*results, *logs):  # leftovers of a killed process
            stem, suffix = name.split(".")
            for remains in run.glob(f".{stem}.*.{suffix}"):
                remains.unlink()
    found = newest_checkpoint(run / CHECKPOINTS, clean=main)
    if found is None:
        if main:
            begin_run(run, facts, defaults, stale=logs)
        return None
    checkpoint, damaged = found
    kept = {key: facts[key] for key in may_change}
    check_same_run(run, {**checkpoint["facts"], **kept}, facts, defaults)
    if main:
        if may_change:
            # A folder of an earlier version keeps to its own settings: without `split_seed`, it has another default.
            known = _read_facts(run) or facts
            _write_facts(run, {key: value for key, value in facts.items() if key in known or key in may_change})
        for path in damaged:
            warn(f"{path}: damaged and renamed; resuming from step {checkpoint['step']}")
    return checkpoint


def begin_run(run: Path, facts: Mapping[str, Any], defaults: Mapping[str, Any], stale: Sequence[str]) -> None:
    """Prepare the folder of a run without a checkpoint.

    Args:
        run: the folder.
        facts: everything that decides the run's numbers.
        defaults: as in ``check_same_run``.
        stale: names of files to remove, which an earlier start wrote before its first checkpoint.

    Raises:
        SettingsError: the folder holds results of another run.
    """
    if any((run / name).exists() for name in _RESULTS):
        before = _read_facts(run)
        if before is None:
            raise SettingsError(f"{run}: holds weights of another run; choose another `output`")
        check_same_run(run, before, facts, defaults)
    run.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (run / name).unlink(missing_ok=True)
    _write_facts(run, facts)


def _read_facts(run: Path) -> dict[str, Any] | None:
    """Read the facts in the folder of a run; None without any."""
    try:
        found = json.loads((run / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write_facts(run: Path, facts: Mapping[str, Any]) -> None:
    write_text_atomically(run / SETTINGS, json.dumps(facts, indent=2) + "\n")


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all, and flush it to the disk.

    Raises:
        TrainingError: it cannot be written, as on a full disk; an earlier file at ``path`` stays.
    """
    try:
        with write_atomically(path) as temporary:
            torch.save({**state, "digest": _digest(state)}, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch raises a RuntimeError for a full disk
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({first_line(error)}); earlier checkpoints are kept. Free some "
            "disk space and start again to resume"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        TrainingError: the file is no checkpoint, or a byte of it is damaged.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint.pop("digest") != _digest(checkpoint):
            raise ValueError("the digest does not match the content")
        facts = json.loads(checkpoint["facts"])
        if not isinstance(facts, dict):
            raise TypeError(f"expected facts, got {type(facts)}")
    except Exception as error:  # a damaged file can raise anything
        raise TrainingError(f"{path}: cannot be read; choose another `output` or remove the folder") from error
    return {**checkpoint, "facts": facts}


def _digest(state: object) -> str:
    """Hash all numbers and texts of a nested state; torch detects damage to a file's structure, not to numbers."""
    digest = hashlib.blake2b(digest_size=16)

    def add(value: object) -> None:
        if isinstance(value, torch.Tensor):
            add([str(value.dtype), *value.shape])
            if value.numel():
                flat = value.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                add(key)
                add(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                add(inner)
        else:
            digest.update(repr(value).encode("utf-8", "surrogateescape") + b";")

    add(state)
    return digest.hexdigest()


def step_path(folder: Path, step: int) -> Path:
    """Path of the checkpoint after some number of steps."""
    return folder / f"step-{step:08d}.pt"


def newest_checkpoint(folder: Path, *, clean: bool) -> tuple[dict[str, Any], list[Path]] | None:
    """Find the newest checkpoint that can be read.

    Args:
        folder: of the checkpoints.
        clean: remove half-written files of killed processes, and rename damaged checkpoints so that they do not count
            among the kept ones.

    Returns:
        The checkpoint and the newer ones that are damaged; None where there are no checkpoints.

    Raises:
        TrainingError: there are checkpoints, but none can be read.
    """
    if clean:
        remove_leftovers(folder)
    damaged: list[Path] = []
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            found = read_checkpoint(path)
        except TrainingError:
            damaged.append(path)
            continue
        for each in damaged if clean else ():
            each.rename(each.with_name(f"damaged-{each.name}"))
        return found, damaged
    if damaged:
        raise TrainingError(
            f"{folder}: none of its {len(damaged)} checkpoints can be read; choose another `output` or remove "
            "the folder"
        )
    return None


def keep_checkpoint(run: Path, state: Mapping[str, Any], keep: int) -> None:
    """Write the checkpoint of a step, and remove all but the newest ones.

    Args:
        run: folder.
        state: the checkpoint, with the number of steps as ``step``.
        keep: number of checkpoints to keep.

    Raises:
        TrainingError: as in ``save_checkpoint``.
    """
    folder = run / CHECKPOINTS
    save_checkpoint(step_path(folder, state["step"]), state)
    prune_checkpoints(folder, keep)


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Remove all but the newest checkpoints of a folder."""
    for path in sorted(folder.glob("step-*.pt"))[:-keep]:
        path.unlink()


def fingerprint(lines: Iterable[str]) -> str:
    """Hash the clips that a run learns from, independent of their folder."""
    return hash_lines(lines)[:16]


def check_same_run(run: Path, before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Check that a run resumes its own folder.

    Args:
        run: the folder.
        before: everything that decided the numbers of the folder's run.
        now: everything that decides those of this run.
        defaults: values of settings that ``before`` or ``now`` may lack, because another version wrote it.

    Raises:
        SettingsError: something differs; names all of it.
    """
    known, wanted = {**defaults, **before}, {**defaults, **now}
    changed = [
        f"{key} {known.get(key)} -> {wanted.get(key)}"
        for key in dict.fromkeys((*now, *before))
        if known.get(key) != wanted.get(key)
    ]
    if changed:
        more = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
        raise SettingsError(
            f"{run}: holds a run with other settings ({', '.join(changed[:_LISTED])}{more}); choose another `output`"
        )


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a JSON log up to the first damaged one; an absent file has none."""
    lines = []
    for text in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            break
        lines.append(line)
    return lines


@contextmanager
def metrics_log(run: Path, step: int) -> Iterator[Callable[[Mapping[str, Any]], dict[str, float | None]]]:
    """Open the log of a run: a function that writes numbers by name as a JSON line, and returns what it wrote.

    Every call must name the ``step``. Each line also gets the time since the start of the run (``elapsed_s``, without
    the time between a stop and its resume), the peak memory of this process so far (``peak_memory_mb``), and that of
    its GPU (``peak_gpu_mb``).

    Args:
        run: folder.
        step: lines after this step are removed, because a resumed run makes those steps again.
    """
    path = run / METRICS
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    write_text_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
    started = time.perf_counter() - (kept[-1].get("elapsed_s", 0.0) if kept else 0.0)
    with path.open("a", encoding="utf-8") as file:

        def log(numbers: Mapping[str, Any]) -> dict[str, float | None]:
            use: dict[str, float] = {"elapsed_s": time.perf_counter() - started, "peak_memory_mb": peak_resident_mb()}
            if torch.cuda.is_available():
                use["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 1e6
            values = _flatten({**numbers, **use})
            file.write(json.dumps(values) + "\n")
            file.flush()
            return values

        yield log


def _flatten(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Flatten numbers by name; an inner mapping's become ``mapping.name``.

    Infinite numbers become None, because JSON has none: such as the gradient of a step that the fp16 scaler skips.
    """
    flat: dict[str, float | None] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": number for inner, number in _flatten(value).items()}
        else:
            flat[name] = value if value is not None and math.isfinite(value) else None
    return flat
