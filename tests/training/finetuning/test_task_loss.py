"""The loss that a recipe means for a task."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.models.losses import LOSSES, Loss
from hicmae_cli.training.finetuning.task_loss import TaskLoss, build_task_loss
from tests.training.toys import LABELS, TASK

REGRESSION = replace(TASK, kind="regression", labels=("arousal",))


def test_the_default_is_that_of_the_task() -> None:
    assert build_task_loss(TASK, LABELS) == TaskLoss(LOSSES["cross_entropy"])
    assert build_task_loss(REGRESSION, ["0.5"]) == TaskLoss(LOSSES["mse"])
    assert (build_task_loss(TASK, LABELS).mixes, build_task_loss(REGRESSION, ["0.5"]).mixes) == (True, False)


def test_class_weights_reach_the_loss() -> None:
    task_loss = build_task_loss(TASK, ["happiness"] * 3 + ["sadness"], weighting="balanced")
    assert task_loss.weights is not None and task_loss.weights.tolist() == pytest.approx([2 / 3, 2])
    logits = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    targets = torch.tensor([0, 1])
    terms = task_loss.terms(logits, targets)
    expected = (task_loss.weights * torch.nn.functional.cross_entropy(logits, targets, reduction="none")).mean()
    assert list(terms) == ["loss"] and terms["loss"].item() == pytest.approx(expected.item())


def test_weights_that_a_loss_cannot_take_are_refused() -> None:
    with pytest.raises(SettingsError, match="class_weights='balanced': the loss mse weighs no classes"):
        build_task_loss(REGRESSION, ["0.5"], weighting="balanced")
    with pytest.raises(ManifestError, match="no training clips of sadness"):
        build_task_loss(TASK, ["happiness"], weighting="balanced")


def test_further_terms_are_passed_on() -> None:
    loss = Loss(lambda outputs, _: {"loss": outputs.sum(), "norm": outputs.norm()}, "classification")
    assert list(TaskLoss(loss).terms(torch.ones(2, 2), torch.tensor([0, 1]))) == ["loss", "norm"]
