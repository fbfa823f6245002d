"""The trackers of a run: which ones, that they get the numbers of the log, and that a resumed run goes on in them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training import trackers
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.training.trackers import IDS, choose_trackers, open_log


def test_tensorboard_is_chosen_where_it_is_installed_and_others_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_trackers(None) == ("tensorboard",)
    assert choose_trackers(()) == ()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_trackers(None) == ()
    with pytest.raises(MissingDependencyError, match="trackers='mlflow': the package mlflow is not installed"):
        choose_trackers(("mlflow",))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert choose_trackers(["wandb", "mlflow", "wandb"]) == ("wandb", "mlflow")


def log_steps(run: Path, settings: FinetuneSettings, done: int, *steps: int) -> None:
    with open_log(new_accelerator("no", "cpu"), run, settings, done) as log:
        for step in steps:
            log({"step": step, "epoch": step, "loss": step / 2, "validation": {"uar": 0.5}, "grad_norm": None})


def test_a_resumed_run_replaces_what_tensorboard_has_of_later_steps(tmp_path: Path) -> None:
    settings = load_settings(FinetuneSettings, "crema-d", {})
    log_steps(tmp_path, settings, 0, 1, 2, 3)
    log_steps(tmp_path, settings, 2, 3, 4)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert [line["elapsed_s"] for line in lines] == sorted(line["elapsed_s"] for line in lines)
    assert all(line["peak_memory_mb"] > 10 for line in lines)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [(1, 0.5), (2, 1), (3, 1.5), (4, 2)]
    assert {"validation.uar", "peak_memory_mb"} <= set(board.Tags()["scalars"])
    assert "grad_norm" not in board.Tags()["scalars"]
    assert not (tmp_path / IDS).exists()


def test_no_trackers_write_no_folder(tmp_path: Path) -> None:
    log_steps(tmp_path, load_settings(FinetuneSettings, "crema-d", {"trackers": []}), 0, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl"]


def test_a_resumed_run_has_the_same_id_in_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for W&B, which opens no network."""
    seen: list[dict[str, Any]] = []

    class FakeTracker:
        name = "wandb"
        main_process_only = True

        def __init__(self, project: str, **given: Any) -> None:
            seen.append({"project": project, **given, "logged": []})

        def start(self) -> None: ...

        def store_init_configuration(self, values: Mapping[str, Any]) -> None:
            seen[-1]["recipe"] = values

        def log(self, values: Mapping[str, Any], step: int, **_: Any) -> None:
            seen[-1]["logged"].append((step, values["loss"]))

        def finish(self) -> None:
            seen[-1]["finished"] = True

    monkeypatch.setattr(trackers, "WandBTracker", FakeTracker)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("accelerate.accelerator.GeneralTracker", FakeTracker)
    settings = load_settings(FinetuneSettings, "crema-d", {"trackers": ["wandb"], "seed": 7})
    log_steps(tmp_path, settings, 0, 1)
    log_steps(tmp_path, settings, 1, 2)
    first, second = seen
    assert first["id"] == second["id"] and first["resume"] == "allow"
    assert first["recipe"]["seed"] == 7
    assert (first["logged"], second["logged"]) == ([(1, 0.5)], [(2, 1.0)])
    assert first["finished"] and second["finished"]
