"""Go on with a finished run for more epochs.

The learning rate of the added epochs is that of a run of the new length, so it rises where the finished run ended. The
result is therefore not that of a run that was planned for the new length from its start; folder and weight record where
each plan ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.recipes.recipe import AnySettings
from hicmae_cli.training.runs import CHECKPOINTS, newest_checkpoint

EXTENDED_FROM: Final = "extended_from"
"""Fact of a run: numbers of epochs after which it was finished and then extended."""
CHANGED: Final = ("epochs", EXTENDED_FROM)
"""Facts that an extension changes."""


def extend_settings(settings: AnySettings, epochs: int) -> AnySettings:
    """Return a recipe with more epochs; 0 returns it unchanged.

    Raises:
        SettingsError: a negative number.
    """
    if epochs < 0:
        raise SettingsError(f"extend_epochs={epochs}: expected at least 1, or 0 for none")
    return settings.model_copy(update={"epochs": settings.epochs + epochs})


def extend_facts(run: Path, facts: Mapping[str, Any], steps_per_epoch: int) -> dict[str, Any]:
    """Return the facts of a run that is extended, or whose extension is resumed.

    Args:
        run: folder of the finished run.
        facts: everything that decides the run's numbers, with the new total as ``epochs``.
        steps_per_epoch: steps of an epoch.

    Raises:
        SettingsError: the folder has no finished run, or one that already has more epochs.
    """
    found = newest_checkpoint(run / CHECKPOINTS, clean=False)
    if found is None:
        raise SettingsError(f"{run}: has no finished run to extend; start it without `extend_epochs` first")
    checkpoint, _ = found
    before, step = checkpoint["facts"], checkpoint["step"]
    planned, total = before.get("epochs"), facts["epochs"]
    ends = list(before.get(EXTENDED_FROM, ()))
    if planned == total:
        return {**facts, EXTENDED_FROM: ends}
    if planned > total:
        raise SettingsError(
            f"{run}: is already planned for {planned} epochs, more than {total}; `extend_epochs` counts from the "
            "recipe's epochs, so give more"
        )
    if step < planned * steps_per_epoch:
        patience = before.get("patience")
        if patience is not None and checkpoint.get("since_best", 0) >= patience:
            raise SettingsError(
                f"{run}: early stopping ended the run after step {step}, and would end it again; train with a greater "
                "patience in another `output`"
            )
        raise SettingsError(
            f"{run}: the run is not finished (step {step} of {planned * steps_per_epoch}), so it cannot be extended; "
            "resume it without `extend_epochs` first"
        )
    return {**facts, EXTENDED_FROM: [*ends, planned]}
