"""What a model takes from the weight it starts from, tensor by tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier, is_saturated
from hicmae_cli.weights.checkpoint import load_state, read_state

_ENCODERS = ("video_encoder.", "audio_encoder.", "fusion_encoder.")
_MOST_NAMES = 8
_FUSION_LAYERS = ("fusion_encoder.video_blocks.", "fusion_encoder.audio_blocks.")


@dataclass(frozen=True)
class Transfer:
    """What became of the tensors of a weight and of a model that starts from it.

    Attributes:
        taken: tensors of the model that were loaded from the weight.
        fresh: tensors of the model that keep their random start.
        unused: tensors of the weight that the model does not use.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """One line; many tensors, and those without a use, are counted by part of the network."""
        text = f"loaded {len(self.taken)} of {len(self.taken) + len(self.fresh)} tensors"
        fresh = ", ".join(self.fresh) if len(self.fresh) <= _MOST_NAMES else _count_parts(self.fresh)
        text += f"; start from scratch: {fresh}" if fresh else ""
        return text + (f"; not used: {_count_parts(self.unused)}" if self.unused else "")


def _count_parts(names: Sequence[str]) -> str:
    parts = Counter(name.split(".")[0] for name in names)
    return ", ".join(f"{part} ({count} tensors)" for part, count in parts.items())


def load_compatible(model: Classifier, init: Path, labels: Sequence[str]) -> Transfer:
    """Load into a model every tensor of a weight that fits its task.

    From a classifier these are all tensors, but the head only if it has the same labels; from a pre-trained weight, the
    encoders. Either may have more or fewer fusion layers than the model. Layer weights that are fixed to the last layer
    are not loaded: no gradient leads back from them.

    Args:
        model: to load into.
        init: the weight, a .safetensors file.
        labels: of the model, in the order of its outputs.

    Raises:
        WeightsError: unreadable, of another size, or without the tensors of the encoders.
    """
    info, state = read_state(init)
    if replace(info.model_dims, fusion_depth=model.dims.fusion_depth) != model.dims:
        raise WeightsError(
            f"{init}: has the variant {info.variant} {info.model_dims.to_dict()}, but the recipe's model has "
            f"{model.dims.to_dict()}"
        )
    own = model.state_dict()
    wanted = {name for name in own if info.task != "pretraining" or name.startswith(_ENCODERS)}
    if info.task != "pretraining" and info.labels != tuple(labels):
        wanted -= {"head.weight", "head.bias"}
    if info.model_dims != model.dims:
        wanted -= {name for name in wanted - set(state) if name.startswith(_FUSION_LAYERS)}
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
