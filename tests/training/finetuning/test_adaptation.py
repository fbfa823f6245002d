"""What learns: frozen parts do not, at no cost; low-rank updates do, and end up in the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import SettingsError
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.adaptation import add_low_rank_updates, freeze_parts, merge_state, set_training_mode
from hicmae_cli.training.optimiser import parameter_groups
from hicmae_cli.weights.checkpoint import load_classifier
from tests.training.finetuning.test_resume import killer
from tests.training.toys import FINETUNE_SETTINGS as SETTINGS
from tests.training.toys import KilledError, numbers, tuned

ENCODERS = ("video_encoder.", "audio_encoder.", "fusion_encoder.")


def make_model() -> Classifier:
    torch.manual_seed(0)
    return build_classifier(Architecture(SETTINGS.dims, outputs=2), drop_path=0.5)


def run(model: Classifier) -> torch.Tensor:
    """Outputs for a few tokens: 5 of the video, 3 of the sound."""
    draw = torch.Generator().manual_seed(1)
    video, audio = torch.randn(2, 5, 1536, generator=draw), torch.randn(2, 3, 256, generator=draw)
    output: torch.Tensor = model(video, audio, torch.arange(5).expand(2, -1), torch.arange(3).expand(2, -1))
    return output


def test_frozen_encoders_get_no_gradient_and_drop_no_path() -> None:
    model = make_model()
    freeze_parts(model, "encoders")
    set_training_mode(model)
    assert model.training and model.head.training
    assert not any(module.training for module in model.video_encoder.modules())
    saved: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        first = run(model)
    # No tokens are kept for a backward pass, only their means.
    assert saved and not any(tensor.ndim == 3 and tensor.shape[1] in (3, 5) for tensor in saved)
    assert torch.equal(first, run(model))  # no path is dropped
    torch.autograd.backward(first.sum())
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learning == {name for name, _ in model.named_parameters() if not name.startswith(ENCODERS)}
    groups = parameter_groups(model, model.list_depths(), layer_decay=0.5, weight_decay=0.1)
    assert {name for group in groups for name in group["names"]} == learning


def test_fusion_learns_on_frozen_streams() -> None:
    model = make_model()
    freeze_parts(model, "streams")
    set_training_mode(model)
    torch.autograd.backward(run(model).sum())
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    streams = ("video_encoder.", "audio_encoder.")
    assert learning == {name for name, _ in model.named_parameters() if not name.startswith(streams)}
    assert model.fusion_encoder.training and not model.video_encoder.training


def test_patches_alone_can_be_frozen() -> None:
    model = make_model()
    freeze_parts(model, "patches")
    set_training_mode(model)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {f"{part}_encoder.patches.{kind}" for part in ("video", "audio") for kind in ("weight", "bias")}
    assert all(module.training for module in model.video_encoder.blocks.modules())
    assert FinetuneSettings(freeze_patches=True).frozen == FinetuneSettings(freeze="patches").frozen == "patches"


def test_low_rank_updates_start_at_zero_learn_and_merge() -> None:
    plain, model = make_model().eval(), make_model().eval()
    add_low_rank_updates(model, rank=3, seed=0)
    assert torch.equal(run(model), run(plain))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    inner = [name for name in names if name.startswith(ENCODERS)]
    linear = [module for module in plain.modules() if isinstance(module, torch.nn.Linear)]
    assert len(inner) == 2 * (len(linear) - 1)  # all but the head
    assert all(name.rpartition(".")[2] in ("up", "down") for name in inner)
    depths = model.list_depths()
    assert depths[next(name for name in inner if "video_encoder.blocks.1" in name)] == 2
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    for _ in range(2):  # in the first step, zeros keep half of each update from learning
        torch.autograd.backward(run(model).square().sum())
        optimiser.step()
    merged = merge_state(model)
    assert merged.keys() == plain.state_dict().keys()
    changed = {name for name, tensor in plain.state_dict().items() if not torch.equal(tensor, merged[name])}
    assert {name for name in changed if name.startswith(ENCODERS)} == {
        f"{name}.weight" for name, module in plain.named_modules() if isinstance(module, torch.nn.Linear)
    } - {"head.weight"}
    name = "video_encoder.blocks.0.mlp.expand.weight"
    difference = merged[name] - plain.state_dict()[name]
    assert int(torch.linalg.matrix_rank(difference.detach(), atol=1e-6)) <= 3
    plain.load_state_dict(merged)
    torch.testing.assert_close(run(plain), run(model))


def test_lora_and_frozen_encoders_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="use only one of the two"):
        load_settings(FinetuneSettings, "crema-d", {"freeze": "encoders", "lora_rank": 4})


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"lora_rank": 2, "ema_decay": 0.9}, {"freeze": "encoders"}])
def test_adapted_runs_resume_to_the_last_bit(samples: list[Sample], tmp_path: Path, change: dict[str, object]) -> None:
    """And a run with LoRA ends in an ordinary weight that can be a start."""
    settings = SETTINGS.model_copy(update={**change, "checkpoint_every": 1})
    whole = tuned(tmp_path / "whole", samples, settings)
    with pytest.raises(KilledError):
        tuned(tmp_path / "cut", samples, settings, progress=killer((2, 1)))
    resumed = tuned(tmp_path / "cut", samples, settings)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    assert whole.read_bytes() == resumed.read_bytes()
    load_classifier(whole)
    tuned(tmp_path / "next", samples, SETTINGS.model_copy(update={"epochs": 1}), init=whole)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"gradient_checkpointing": True}, {"compile": True}])
def test_a_run_has_the_same_numbers_as_a_plain_one(
    samples: list[Sample], tmp_path: Path, change: dict[str, object]
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 2, "drop_path": 0.0 if "compile" in change else 0.3})
    tuned(tmp_path / "plain", samples, settings)
    tuned(tmp_path / "other", samples, settings.model_copy(update=change))
    for plain, other in zip(numbers(tmp_path / "plain"), numbers(tmp_path / "other"), strict=True):
        assert other == pytest.approx(plain, rel=2e-3, abs=1e-4)
