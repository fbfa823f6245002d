"""The folder of a run: checkpoints that appear whole, the lines of its log, and whether it is the same run.

A checkpoint is a file of tensors and plain values, read without running any pickled code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from hicmae_cli.errors import SettingsError, TrainingError, first_line
from hicmae_cli.files import remove_leftovers, write_atomically
from hicmae_cli.weights.run_folder import BEST, LAST

SETTINGS = "settings.json"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
TESTED = "tested.json"  # what the test found, and by which weight on which clips
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
) -> dict[str, Any] | None:
    """The newest checkpoint of a run; or None, and its folder is made ready.

    Args:
        run: folder.
        facts: what decides the run's numbers.
        defaults: of settings that the folder's run may not have known.
        results: names of the weights it writes.
        logs: names of the other files it writes; without a checkpoint they go.
        main: whether this is the process that writes.
        warn: told about damaged checkpoints.

    Raises:
        SettingsError: the folder holds another run.
        TrainingError: no checkpoint of several can be read.
    """
    if main:
        for name in (*results, *logs):  # what a killed process was writing
            stem, suffix = name.split(".")
            for remains in run.glob(f".{stem}.*.{suffix}"):
                remains.unlink()
    found = newest_checkpoint(run / CHECKPOINTS, clean=main)
    if found is None:
        if main:
            begin_run(run, facts, defaults, stale=logs)
        return None
    checkpoint, damaged = found
    check_same_run(run, checkpoint["facts"], facts, defaults)
    if main:
        for path in damaged:
            warn(f"{path}: is damaged and was put aside; going on from step {checkpoint['step']}")
    return checkpoint


def begin_run(run: Path, facts: Mapping[str, Any], defaults: Mapping[str, Any], stale: Sequence[str]) -> None:
    """Make the folder of a run ready that has no checkpoint to go on from.

    Args:
        run: the folder.
        facts: what decides the run's numbers.
        defaults: as in ``check_same_run``.
        stale: files that such a run left before its first checkpoint; they go.

    Raises:
        SettingsError: it holds what another run, of any kind, has made.
    """
    if any((run / name).exists() for name in _RESULTS):
        try:
            before = json.loads((run / SETTINGS).read_text("utf-8"))
        except (OSError, ValueError):
            before = None
        if not isinstance(before, dict):
            raise SettingsError(f"{run}: holds weights of another run; choose another --output")
        check_same_run(run, before, facts, defaults)
    run.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (run / name).unlink(missing_ok=True)
    with write_atomically(run / SETTINGS) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all, and make sure that it is on the disk.

    Raises:
        TrainingError: it cannot be written, as on a full disk; what ``path`` held before is untouched.
    """
    try:
        with write_atomically(path) as temporary:
            torch.save({**state, "digest": _digest(state)}, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch's writer tells a full disk by a RuntimeError
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({first_line(error)}); earlier ones are untouched. Make room "
            "and give the same command again"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code it carries.

    Raises:
        TrainingError: damaged, if only in one number, or not a checkpoint.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint.pop("digest") != _digest(checkpoint):
            raise ValueError("the digest is of another content")
        facts = json.loads(checkpoint["facts"])
        if not isinstance(facts, dict):
            raise TypeError(f"expected facts, got {type(facts)}")
    except Exception as error:  # anything at all comes out of a damaged file
        raise TrainingError(f"{path}: cannot be read; choose another --output or remove the folder") from error
    return {**checkpoint, "facts": facts}


def _digest(state: object) -> str:
    """Hash of all numbers and texts of a nested state; torch's files notice damage to their lists, not to numbers."""
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
    """Where the checkpoint after so many steps lies."""
    return folder / f"step-{step:08d}.pt"


def newest_checkpoint(folder: Path, *, clean: bool) -> tuple[dict[str, Any], list[Path]] | None:
    """The latest checkpoint of a run that can be read -> it, and the damaged ones that were passed over.

    With ``clean``, what a killed process left half-written, which has another name, goes; and damaged ones are given
    another name, so that they do not count among those that are kept.

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
            f"{folder}: none of its {len(damaged)} checkpoints can be read; choose another --output or remove the "
            "folder"
        )
    return None


def keep_checkpoint(run: Path, state: Mapping[str, Any], keep: int) -> None:
    """Write the checkpoint of a run's step, and remove all but the last so many.

    Raises:
        TrainingError: as ``save_checkpoint``.
    """
    folder = run / CHECKPOINTS
    save_checkpoint(step_path(folder, state["step"]), state)
    prune_checkpoints(folder, keep)


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Remove all but the last so many."""
    for path in sorted(folder.glob("step-*.pt"))[:-keep]:
        path.unlink()


def fingerprint(lines: Iterable[str]) -> str:
    """Short hash of what a run learns from, whatever folder it lies in."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def check_same_run(run: Path, before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Make sure that a folder is resumed by the run it belongs to.

    Args:
        run: the folder.
        before: what decided its numbers.
        now: what decides those of this run.
        defaults: of settings that either may lack, since another version of the program wrote it.

    Raises:
        SettingsError: names everything that differs.
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
            f"{run}: holds a run with other settings ({', '.join(changed[:_LISTED])}{more}); choose another --output"
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a JSON log, each with its step; from one on that was cut off or damaged, none. No file is no lines."""
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
def metrics_log(run: Path, step: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that logs numbers by name, ``step`` among them: as a line, and for TensorBoard where that is there.

    What was logged beyond ``step``, of steps that are made again, goes.
    """
    path = run / METRICS
    kept = [json.dumps(line) + "\n" for line in read_lines(path) if line["step"] <= step]
    with write_atomically(path) as temporary:
        temporary.write_text("".join(kept), "utf-8")
    with ExitStack() as stack:
        file = stack.enter_context(path.open("a", encoding="utf-8"))
        board = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)
            stack.callback(board.close)

        def log(numbers: Mapping[str, Any]) -> None:
            values = _flat(numbers)
            file.write(json.dumps(values) + "\n")
            file.flush()
            if board is not None:
                for name, value in values.items():
                    if value is not None and name != "step":
                        board.add_scalar(name, value, numbers["step"])

        yield log


def _flat(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Numbers by name, those of an inner table as ``table.name``.

    What is infinite, as the gradient of a step that the scaler of fp16 skips, is None: JSON has no such numbers.
    """
    flat: dict[str, float | None] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": number for inner, number in _flat(value).items()}
        else:
            flat[name] = value if value is not None and math.isfinite(value) else None
    return flat
