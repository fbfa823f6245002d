"""Paths of the weights in the folder of a training run.

A run has ``run/best.safetensors`` and ``run/last.safetensors``; a run over folds has ``run/fold-1/best.safetensors``
and so on. Several seeds or repetitions are runs in ``run/seed-0``, ``run/repeat-1`` or ``run/seed-0/repeat-1``.
``training/runs.py`` has the other files.
"""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.errors import WeightsError, one_line

BEST = "best.safetensors"
LAST = "last.safetensors"
FOLDS = "folds.json"
"""The folds that a run drew for itself, in its folder; absent where the dataset or the manifest decides."""


def locate_fold(run: Path, fold: str | None) -> Path:
    """Locate the folder of one fold's weight and scores; the run's folder if the run has no folds."""
    return run / f"fold-{fold}" if fold else run


def locate_run(output: Path, seed: int | None, repetition: int | None) -> Path:
    """Locate the folder of one seed and repetition; None where there is only one."""
    folder = output if seed is None else output / f"seed-{seed}"
    return folder if repetition is None else folder / f"repeat-{repetition}"


def find_runs(output: Path) -> dict[str, Path]:
    """Find the folders that ``locate_run`` locates, by name: ``seed 0``, ``repeat 1``, ``seed 0, repeat 1``.

    A folder of a single run is that run, and its name is empty.
    """
    runs: dict[str, Path] = {}
    for seed, folder in _name_parts(output, "seed").items():
        parts = _name_parts(folder, "repeat")
        runs |= {", ".join(filter(None, (seed, repetition))): part for repetition, part in parts.items()}
    return runs


def _name_parts(folder: Path, kind: str) -> dict[str, Path]:
    return {part.name.replace("-", " ", 1): part for part in list_numbered(folder, kind)} or {"": folder}


def list_numbered(folder: Path, kind: str) -> list[Path]:
    """List the folders ``fold-1``, ``fold-2`` and so on of a kind; 10 comes after 9."""
    return sorted((path for path in folder.glob(f"{kind}-*") if path.is_dir()), key=_sort_number)


def _sort_number(folder: Path) -> tuple[int, str]:
    number = folder.name.partition("-")[2]
    return (int(number) if number.isdecimal() else 0, number)


def find_fold_list(weights: Path) -> Path | None:
    """Find the folds that a run drew, by its folder, by the folder of one of its folds, or by a weight in there."""
    near = [weights, *(folder.parent for folder in (weights, weights.parent) if folder.name.startswith("fold-"))]
    return next((path for folder in near if (path := folder / FOLDS).is_file()), None)


def _name_runs(run: Path) -> str | None:
    """Return an error if a folder holds a run for each seed or repetition."""
    parts = [*list_numbered(run, "seed"), *list_numbered(run, "repeat")]
    return one_line(f"{run}: has a run for each seed or repetition; choose one, e.g. {parts[0]}") if parts else None


def find_weight_in(folder: Path) -> Path | None:
    """Find the weight in a folder: the best epoch's, or else the last epoch's; None without either."""
    return next((path for name in (BEST, LAST) if (path := folder / name).is_file()), None)


def find_run_weight(run: Path) -> Path:
    """Find the weight of a run without folds.

    Raises:
        WeightsError: the run has no weight, or one for each fold.
    """
    if found := find_weight_in(run):
        return found
    folds = [folder for folder in list_numbered(run, "fold") if find_weight_in(folder)]
    if folds:
        raise WeightsError(one_line(f"{run}: has one weight per fold; choose one, e.g. {folds[0]}"))
    raise WeightsError(_name_runs(run) or one_line(f"{run}: the folder has no weight; expected {BEST} or {LAST}"))


def find_fold_weight(run: Path, fold: str) -> Path:
    """Find the weight of one fold in the folder of a run over folds, or in the fold's own folder.

    Raises:
        WeightsError: the fold has no weight.
    """
    own = run if run.name == f"fold-{fold}" else locate_fold(run, fold)
    if found := find_weight_in(own):
        return found
    raise WeightsError(
        _name_runs(run)
        or f"{run}: has no weight of fold {fold} (fold-{fold}/{BEST} or {LAST}); if the run was interrupted, "
        "start `hicmae finetune --fold all` again to resume it"
    )


def find_any_weight(run: Path, *, folds: bool) -> Path:
    """Find any weight of a run; all of them have the same labels.

    Args:
        run: the run's folder.
        folds: whether the run is over folds.

    Raises:
        WeightsError: the run has no weight.
    """
    inside = list_numbered(run, "fold") if folds else [run]
    if found := next(filter(None, map(find_weight_in, inside)), None):
        return found
    where = "fold-1/" if folds else ""
    raise WeightsError(_name_runs(run) or one_line(f"{run}: has no weight, expected {where}{BEST} or {where}{LAST}"))
