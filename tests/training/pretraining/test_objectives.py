"""The table of objectives: a new entry reaches the loss, the log, the checkpoint and the plot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hicmae_cli.errors import SettingsError
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.report import plots
from hicmae_cli.training.pretraining.objectives import (
    OBJECTIVES,
    ForwardPass,
    Objective,
    add_losses,
    check_objectives,
    objective_weights,
)
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.state import StepReport
from hicmae_cli.training.runs import read_metrics
from tests.training.toys import SETTINGS, KilledError, numbers, run, write_recordings


def size_of_predictions(forward: ForwardPass, settings: PretrainSettings) -> Tensor:
    return forward.outputs.video.float().square().mean()


def test_losses_are_added_by_their_weights() -> None:
    losses = {"video": torch.tensor(2.0), "audio": torch.tensor(3.0), "contrastive": torch.tensor(100.0)}
    assert add_losses(losses, SETTINGS.model_copy(update={"contrast_weight": 0.5})).item() == 55
    assert add_losses(losses, SETTINGS.model_copy(update={"contrast_weight": 0.0})).item() == 5


def test_an_objective_of_weight_zero_is_not_used() -> None:
    assert objective_weights(PretrainSettings()) == {"video": 1.0, "audio": 1.0, "contrastive": 0.0025}
    alone = SETTINGS.model_copy(update={"contrast_weight": 0.0, "batch_size": 1})
    assert list(objective_weights(alone)) == ["video", "audio"]
    check_objectives(alone, 1)
    with pytest.raises(SettingsError, match="at least two clips"):
        check_objectives(alone.model_copy(update={"contrast_weight": 0.1}), 1)


@pytest.mark.slow
def test_the_recipe_switches_the_loss_that_aligns(tmp_path: Path) -> None:
    recordings = write_recordings(tmp_path / "clips", 4)
    first = {}
    for loss in ("infonce", "cycle", "clusters"):
        run(tmp_path / loss, recordings, SETTINGS.model_copy(update={"contrast_loss": loss, "epochs": 1}))
        first[loss] = numbers(tmp_path / loss)[0]
    assert len({line["contrastive_loss"] for line in first.values()}) == 3
    assert len({line["video_loss"] for line in first.values()}) == 1


@pytest.mark.slow
def test_a_new_objective_is_one_entry_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = write_recordings(tmp_path / "clips", 4)
    run(tmp_path / "plain", recordings)
    monkeypatch.setitem(OBJECTIVES, "size", Objective(size_of_predictions, weigh=lambda settings: 0.5))
    reports: list[StepReport] = []

    def note(report: StepReport) -> None:
        reports.append(report)
        if len(reports) == 3:
            raise KilledError

    progress = PretrainingProgress(on_step=note)
    with pytest.raises(KilledError):
        run(tmp_path / "cut", recordings, progress=progress)
    assert run(tmp_path / "cut", recordings, progress=progress).finished
    run(tmp_path / "whole", recordings)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")

    lines = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    assert [key for key in lines[0] if key.endswith("loss")] == ["loss", *(f"{name}_loss" for name in OBJECTIVES)]
    for line in lines:
        parts = line["video_loss"] + line["audio_loss"] + 0.1 * line["contrastive_loss"] + 0.5 * line["size_loss"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)
    plain = numbers(tmp_path / "plain")
    assert lines[0]["video_loss"] == plain[0]["video_loss"]
    assert lines[-1]["video_loss"] != plain[-1]["video_loss"]
    assert reports[-1].losses["size"] == lines[-1]["size_loss"]
    assert ("size_loss", "size loss") in plots.list_panels(lines)
