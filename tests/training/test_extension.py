"""Only a finished run gets more epochs; its folder remembers each plan that it had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.extension import CHANGED, extend_facts, extend_settings
from hicmae_cli.training.runs import CHECKPOINTS, SETTINGS, open_run, save_checkpoint, step_path

STEPS = 4  # of an epoch


def save(run: Path, facts: dict[str, Any], step: int, **more: object) -> None:
    (run / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    save_checkpoint(step_path(run / CHECKPOINTS, step), {"step": step, "facts": json.dumps(facts), **more})


def opened(run: Path, facts: dict[str, Any], *, extends: bool) -> dict[str, Any] | None:
    return open_run(
        run,
        facts,
        defaults={"extended_from": []},
        results=(),
        logs=(),
        main=True,
        warn=lambda _: None,
        may_change=CHANGED if extends else (),
    )


def test_a_finished_run_is_extended_again_and_again(tmp_path: Path) -> None:
    save(tmp_path, {"epochs": 3, "seed": 0}, 3 * STEPS)
    longer = extend_facts(tmp_path, {"epochs": 5, "seed": 0}, STEPS)
    assert longer == {"epochs": 5, "seed": 0, "extended_from": [3]}
    assert (opened(tmp_path, longer, extends=True) or {})["step"] == 3 * STEPS
    assert json.loads((tmp_path / SETTINGS).read_text()) == longer
    save(tmp_path, longer, 4 * STEPS)  # stopped on the way
    assert extend_facts(tmp_path, {"epochs": 5, "seed": 0}, STEPS) == longer
    save(tmp_path, longer, 5 * STEPS)
    assert extend_facts(tmp_path, {"epochs": 6, "seed": 0}, STEPS)["extended_from"] == [3, 5]


def test_an_extension_adds_no_settings_to_a_folder_of_an_earlier_version(tmp_path: Path) -> None:
    """``keep_split_seed`` knows such a folder by the settings that it lacks."""
    old = {"epochs": 3, "seed": 7}
    save(tmp_path, old, 3 * STEPS)
    (tmp_path / SETTINGS).write_text(json.dumps(old))
    longer = extend_facts(tmp_path, {"epochs": 5, "seed": 7, "split_seed": 7}, STEPS)
    for _ in range(2):
        open_run(
            tmp_path,
            longer,
            defaults={"extended_from": [], "split_seed": 7},
            results=(),
            logs=(),
            main=True,
            warn=lambda _: None,
            may_change=CHANGED,
        )
        save(tmp_path, longer, 4 * STEPS)
        assert json.loads((tmp_path / SETTINGS).read_text()) == {"epochs": 5, "seed": 7, "extended_from": [3]}


def test_other_facts_may_not_change(tmp_path: Path) -> None:
    save(tmp_path, {"epochs": 3, "seed": 0}, 3 * STEPS)
    longer = extend_facts(tmp_path, {"epochs": 5, "seed": 1}, STEPS)
    with pytest.raises(SettingsError, match=r"other settings \(seed 0 -> 1\)"):
        opened(tmp_path, longer, extends=True)
    with pytest.raises(SettingsError, match=r"other settings \(epochs 3 -> 5\)"):
        opened(tmp_path, {"epochs": 5, "seed": 0}, extends=False)


def test_an_extended_run_is_not_that_of_the_recipe(tmp_path: Path) -> None:
    save(tmp_path, {"epochs": 5, "extended_from": [3]}, 5 * STEPS)
    with pytest.raises(SettingsError, match=r"extended_from \[3\] -> \[\]"):
        opened(tmp_path, {"epochs": 5}, extends=False)


@pytest.mark.parametrize(
    ("facts", "step", "more", "said"),
    [
        ({"epochs": 3}, 2 * STEPS, {}, r"not finished \(step 8 of 12\)"),
        ({"epochs": 9}, 9 * STEPS, {}, "is already planned for 9 epochs, more than 5"),
        ({"epochs": 3, "patience": 2}, 2 * STEPS, {"since_best": 2}, "early stopping ended the run after step 8"),
    ],
)
def test_what_cannot_be_extended(
    tmp_path: Path, facts: dict[str, Any], step: int, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match="has no finished run to extend"):
        extend_facts(tmp_path, {"epochs": 5}, STEPS)
    save(tmp_path, facts, step, **more)
    with pytest.raises(SettingsError, match=said):
        extend_facts(tmp_path, {"epochs": 5}, STEPS)


def test_epochs_are_added_to_the_recipe() -> None:
    settings = FinetuneSettings(epochs=7)
    assert extend_settings(settings, 0) == settings
    assert extend_settings(settings, 2) == settings.model_copy(update={"epochs": 9})
    with pytest.raises(SettingsError, match="extend_epochs=-1"):
        extend_settings(settings, -1)
