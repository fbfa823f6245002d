"""Where the weights of a training run lie in its folder, for those who write and those who read them.

``run/best.safetensors`` and ``run/last.safetensors``; of a run over folds, ``run/fold-1/best.safetensors`` and so on.
What else lies there is known to ``training/runs.py``.
"""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.errors import WeightsError, one_line

BEST = "best.safetensors"
LAST = "last.safetensors"


def fold_folder(run: Path, fold: str | None) -> Path:
    """Where one fold's weight and scores lie; the run's folder itself where there are no folds."""
    return run / f"fold-{fold}" if fold else run


def weight_in(folder: Path) -> Path | None:
    """The weight of a folder: of the best epoch, else of the last."""
    return next((path for name in (BEST, LAST) if (path := folder / name).is_file()), None)


def fold_weight(run: Path, fold: str) -> Path:
    """The weight of one fold in the folder of a run over folds.

    Raises:
        WeightsError: there is none.
    """
    if found := weight_in(fold_folder(run, fold)):
        return found
    raise WeightsError(
        f"{run}: holds no weight of fold {fold} (fold-{fold}/{BEST} or {LAST}); "
        "was the run cut off? Start its `hicmae finetune --fold all` again, and it goes on"
    )


def any_weight(run: Path, *, folds: bool) -> Path:
    """A weight that stands for all of a run, which have the same labels.

    Args:
        run: the folder.
        folds: whether it is of a run over folds.

    Raises:
        WeightsError: there is none.
    """
    inside = sorted(run.glob("fold-*")) if folds else [run]
    if found := next(filter(None, map(weight_in, inside)), None):
        return found
    where = "fold-1/" if folds else ""
    raise WeightsError(one_line(f"{run}: holds no weight; expected {where}{BEST} or {where}{LAST}"))
