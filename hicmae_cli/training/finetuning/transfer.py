"""Where a fine-tuning starts: what it takes from another weight, said tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier, is_saturated
from hicmae_cli.weights.checkpoint import load_state, read_state

_ENCODERS = ("video_encoder.", "audio_encoder.", "fusion_encoder.")


@dataclass(frozen=True)
class Transfer:
    """What became of the tensors of a weight that a model starts from.

    Attributes:
        taken: tensors of the model that came from the weight.
        fresh: tensors of the model that start anew.
        unused: tensors of the weight that the model has no place for.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def take_over(model: Classifier, init: Path, labels: Sequence[str]) -> Transfer:
    """Take what a model has in common with another weight.

    That is all of a classifier, but its head only if it names the same labels; and the encoders of a pre-trained one.

    Raises:
        WeightsError: unreadable, of another size, or without the tensors of the encoders.
    """
    info, state = read_state(init)
    if info.model_dims != model.dims:
        raise WeightsError(
            f"{init}: is of the variant {info.variant} {info.model_dims.to_dict()}, the recipe's model has "
            f"{model.dims.to_dict()}"
        )
    own = model.state_dict()
    wanted = {name for name in own if info.task != "pretraining" or name.startswith(_ENCODERS)}
    if info.task != "pretraining" and info.labels != tuple(labels):
        wanted -= {"head.weight", "head.bias"}
    for name in ("video_layer_weights", "audio_layer_weights"):
        fits = name in state and state[name].shape == own[name].shape
        if fits and (not info.layer_fusion or is_saturated(state[name].float())):
            wanted.discard(name)
    given = {name: tensor.float() for name, tensor in state.items() if name in wanted}
    load_state(model, {**{name: own[name] for name in own if name not in wanted}, **given}, init)
    return Transfer(
        taken=tuple(name for name in own if name in given),
        fresh=tuple(name for name in own if name not in given),
        unused=tuple(name for name in state if name not in given),
    )
