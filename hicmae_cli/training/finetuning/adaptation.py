"""Which parameters of a classifier learn: all, all but some frozen parts, or low-rank updates of the encoders.

LoRA: Hu et al. 2021, arXiv 2106.09685. The layers of ``models/layers.py`` read the weights of their linear layers
instead of calling them, so wrappers around linear layers, such as those of the ``peft`` package, would have no effect.
Parametrisations of torch change the weight itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.recipes.settings import FrozenParts
from hicmae_cli.training.machine import seeded
from hicmae_cli.training.whitening import freeze_patches

_UPDATE_SCALE = 2.0
"""Factor of an update: LoRA's alpha / rank, with the usual alpha of twice the rank."""


def freeze_parts(model: Classifier, parts: FrozenParts) -> None:
    """Exclude parts of a classifier from training.

    Args:
        model: the classifier.
        parts: ``patches`` are the patch embeddings; ``streams`` the encoders of both streams; ``encoders`` these and
            that of their fusion, so that only the layer weights, the last norm and the head learn.
    """
    if parts == "patches":
        freeze_patches(model.video_encoder, model.audio_encoder)
    if parts in ("streams", "encoders"):
        model.video_encoder.requires_grad_(False)
        model.audio_encoder.requires_grad_(False)
    if parts == "encoders":
        model.fusion_encoder.requires_grad_(False)


def _list_encoders(model: Classifier) -> tuple[nn.Module, ...]:
    return model.video_encoder, model.audio_encoder, model.fusion_encoder


def set_training_mode(model: nn.Module) -> None:
    """Switch a model to training, but its frozen parts to evaluation: they neither drop paths nor learn."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


class LowRankUpdate(nn.Module):
    """Adds a learned matrix of low rank to a frozen one; at the start it adds zeros.

    Args:
        weight: the frozen matrix (D, E).
        rank: R, of the update.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """(D, E) -> (D, E)."""
        return weight + _UPDATE_SCALE * (self.up @ self.down)


def add_low_rank_updates(model: Classifier, rank: int, seed: int) -> None:
    """Freeze the encoders of a classifier, and let updates of their linear layers learn instead.

    Args:
        model: the classifier; its outputs stay the same until the updates have learned something.
        rank: of the updates.
        seed: of the random half of each update.
    """
    freeze_parts(model, "encoders")
    with seeded(seed, torch.device("cpu")):
        for encoder in _list_encoders(model):
            for layer in [module for module in encoder.modules() if isinstance(module, nn.Linear)]:
                parametrize.register_parametrization(layer, "weight", LowRankUpdate(layer.weight, rank))


def merge_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of a classifier with each low-rank update added to its matrix, under the usual names."""
    state: dict[str, Tensor] = {
        name: tensor for name, tensor in model.state_dict().items() if ".parametrizations." not in name
    }
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()
    return state
