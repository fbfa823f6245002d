"""The log of a run: ``metrics.jsonl``, and the experiment trackers that accelerate drives."""

from __future__ import annotations

import importlib.util
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker

from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.files import write_text_atomically
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.training.runs import metrics_log

IDS = "trackers.json"
"""File of a run's folder: the id that W&B and MLflow know the run by, so that a resumed run goes on there."""
_PROJECT: Final = "hicmae"


def choose_trackers(names: Sequence[str] | None) -> tuple[str, ...]:
    """Choose the trackers of a run.

    Args:
        names: the recipe's ``trackers``; None for TensorBoard if it is installed.

    Raises:
        MissingDependencyError: a tracker is not installed.
    """
    if names is None:
        return ("tensorboard",) if _is_installed("tensorboard") else ()
    for name in dict.fromkeys(names):
        if not _is_installed(name):
            raise MissingDependencyError(
                f"trackers={name!r}: the package {name} is not installed; install it with pip install {name}, or "
                "choose another tracker"
            )
    return tuple(dict.fromkeys(names))


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@contextmanager
def open_log(
    accelerator: Accelerator, run: Path, settings: Settings, step: int
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Open the log of a run in the main process, see ``metrics_log``, and the trackers of its recipe.

    Args:
        accelerator: the devices of the run.
        run: its folder.
        settings: its recipe.
        step: steps made so far. A resumed run makes later steps again; TensorBoard drops what it logged about them.
    """
    with metrics_log(run, step) as log, _start_trackers(accelerator, run, settings, step) as track:

        def log_everywhere(numbers: Mapping[str, Any]) -> None:
            values = log(numbers)
            finite = {name: value for name, value in values.items() if value is not None and name != "step"}
            track(finite, numbers["step"])

        yield log_everywhere


@contextmanager
def _start_trackers(
    accelerator: Accelerator, run: Path, settings: Settings, step: int
) -> Iterator[Callable[[dict[str, float], int], None]]:
    """Start the trackers of a recipe, and end them with the block."""
    names = choose_trackers(settings.trackers)
    ids = _read_ids(run)
    if "wandb" in names:
        ids.setdefault("wandb", secrets.token_hex(4))
    accelerator.log_with = [_build_tracker(name, run, ids, step) for name in names]
    accelerator.init_trackers(_PROJECT)
    recipe = settings.model_dump(mode="json")
    for tracker in accelerator.trackers:
        if tracker.name == "mlflow":
            ids["mlflow"] = tracker.tracker.info.run_id
        # TensorBoard would get a folder more for each start, and has the recipe beside it in the run's folder.
        if tracker.name != "tensorboard":
            tracker.store_init_configuration(recipe)
    if ids:
        write_text_atomically(run / IDS, json.dumps(ids) + "\n")
    try:
        yield lambda values, step: accelerator.log(values, step=step)
    finally:
        # Accelerator.end_training would end the process group as well, and later folds need it.
        for tracker in accelerator.trackers:
            tracker.finish()


def _build_tracker(name: str, run: Path, ids: Mapping[str, str], step: int) -> GeneralTracker:
    title = "/".join(run.resolve().parts[-2:])
    if name == "tensorboard":
        return TensorBoardTracker("tensorboard", run, purge_step=step + 1)
    if name == "wandb":
        return WandBTracker(_PROJECT, name=title, dir=str(run), id=ids["wandb"], resume="allow")
    return MLflowTracker(_PROJECT, run_id=ids.get("mlflow"), run_name=title)


def _read_ids(run: Path) -> dict[str, str]:
    try:
        ids = json.loads((run / IDS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return ids if isinstance(ids, dict) else {}
