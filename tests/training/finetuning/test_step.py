"""One step: which targets it learns from, and that its random draws come from the generators it is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hicmae_cli.modalities import Modality
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.losses import LOSSES, Loss
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.data import LabelledBatch
from hicmae_cli.training.finetuning.step import finetune_step
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.machine import new_accelerator
from tests.training.toys import FINETUNE_SETTINGS

MIXED = FINETUNE_SETTINGS.model_copy(update={"drop_video_tokens": 0.0, "mixup": 0.8, "label_smoothing": 0.0})


def two_clips(*, seen: bool = True) -> LabelledBatch:
    generator = torch.Generator().manual_seed(0)
    return LabelledBatch(
        torch.randint(0, 256, (2, 16, 160, 160, 3), dtype=torch.uint8, generator=generator),
        torch.full((2,), seen),
        torch.randn(2, 1, 256, 128, generator=generator),
        torch.tensor([0, 1]),
    )


def step(
    settings: FinetuneSettings, task_loss: TaskLoss, batch: LabelledBatch, seed: int, before: Callable[[], object]
) -> torch.Tensor:
    """Make a step from the same model, after ``before`` -> its parameters, flat."""
    torch.manual_seed(0)
    model = Classifier(settings.dims, 2, settings.drop_path)
    before()
    losses = finetune_step(
        new_accelerator("no", "cpu"),
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        [batch],
        settings,
        task_loss,
        rng=np.random.default_rng(seed),
        generator=torch.Generator().manual_seed(seed),
    )
    assert losses is not None and list(losses.losses) == ["loss"] and losses.grad_norm > 0
    return torch.nn.utils.parameters_to_vector(model.parameters())


def targets_of(
    settings: FinetuneSettings, *, seen: bool = True, mixes: bool = True, sets: bool = False
) -> torch.Tensor:
    """The targets that a loss gets in a step."""
    found: list[torch.Tensor] = []

    def note(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found.append(targets)
        return outputs.sum()

    batch = two_clips(seen=seen)
    batch = batch._replace(targets=torch.eye(2)) if sets else batch
    step(settings, TaskLoss(Loss(note, "classification", mixes=mixes)), batch, 0, lambda: None)
    return found[0]


@pytest.mark.parametrize(("mix_audio", "changed"), [(False, False), (True, True)])
def test_targets_are_not_mixed_where_no_input_is(mix_audio: bool, changed: bool) -> None:
    """Two clips without a face: unless the sounds are mixed, a clip holds nothing of the other one."""
    targets = targets_of(MIXED.model_copy(update={"mix_audio": mix_audio}), seen=False)
    assert bool((targets != torch.eye(2)).any()) == changed


def test_sets_of_labels_are_mixed_as_classes_are() -> None:
    mixed = targets_of(MIXED, sets=True)
    assert torch.equal(mixed, targets_of(MIXED)) and not torch.equal(mixed, torch.eye(2))


def test_a_loss_that_cannot_mix_gets_class_indices() -> None:
    assert targets_of(MIXED, mixes=False).tolist() == [0, 1]
    assert targets_of(MIXED).shape == (2, 2)


@pytest.mark.parametrize("more", [{"drop_path": 0.5}, {"mixup": 0.8, "drop_video_tokens": 0.0}])
def test_a_step_follows_from_its_generators_alone(more: dict[str, float]) -> None:
    """Dropped tokens, stochastic depth and mixing do not depend on what was drawn from torch's global state before."""
    settings = FINETUNE_SETTINGS.model_copy(update=more)
    task_loss = TaskLoss(LOSSES["cross_entropy"])
    plain = step(settings, task_loss, two_clips(), 1, lambda: None)
    assert torch.equal(step(settings, task_loss, two_clips(), 1, lambda: torch.manual_seed(9)), plain)
    assert not torch.equal(step(settings, task_loss, two_clips(), 2, lambda: None), plain)


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_step_of_one_stream_runs_the_other_encoder_once_and_does_not_train_it(modality: Modality) -> None:
    settings = FINETUNE_SETTINGS.model_copy(update={"modality": modality, "drop_video_tokens": 0.0})
    torch.manual_seed(0)
    model = Classifier(settings.dims, 2, settings.drop_path)
    model.withhold(modality)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    withheld = "audio_encoder" if modality == "video" else "video_encoder"
    runs: list[int] = []
    model.get_submodule(f"{withheld}.blocks.0").register_forward_pre_hook(lambda _, inputs: runs.append(len(inputs[0])))
    # Large steps: some gradients are small.
    optimiser = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], 1.0)
    for seed in range(3):
        finetune_step(
            new_accelerator("no", "cpu"),
            model,
            optimiser,
            [two_clips()],
            settings,
            TaskLoss(LOSSES["cross_entropy"]),
            rng=np.random.default_rng(seed),
            generator=torch.Generator().manual_seed(seed),
        )
    assert runs == [1]
    assert all(
        torch.equal(each, before[name]) == name.startswith(withheld)
        for name, each in model.named_parameters()
        if name.startswith(("video_encoder", "audio_encoder", "fusion_encoder"))
    )
