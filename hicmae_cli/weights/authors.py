"""Names of parameters in the checkpoints of the paper's authors, and the way to ours.

Their names live here and nowhere else. Source: the layout of their files, tabulated by name and shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.config import HEAD_WIDTH, ModelDims

Value = TypeVar("Value")

# Applied in this order, left to right: theirs -> ours. A rule matches whole dotted parts only.
_RENAMES = (
    ("encoder_fusion.blocks_audio", "fusion_encoder.audio_blocks"),
    ("encoder_fusion.blocks", "fusion_encoder.video_blocks"),
    ("encoder_fusion.norm_audio", "fusion_encoder.audio_norm"),
    ("encoder_fusion.norm", "fusion_encoder.video_norm"),
    ("encoder_to_decoder_audio", "audio_decoder.entry"),
    ("encoder_to_decoder", "video_decoder.entry"),
    ("mask_token", "video_decoder.mask_token"),
    ("mask_token_audio", "audio_decoder.mask_token"),
    ("decoder_audio", "audio_decoder"),
    ("decoder", "video_decoder"),
    ("encoder_audio", "audio_encoder"),
    ("encoder", "video_encoder"),
    ("patch_embed.proj", "patches"),
    ("cross_attn", "cross_attention"),
    ("attn", "attention"),
    ("cross_norm1", "cross_norm"),
    ("cross_norm2", "context_norm"),
    ("norm1", "attention_norm"),
    ("norm2", "mlp_norm"),
    ("fc1", "expand"),
    ("fc2", "reduce"),
    ("fc_norm", "feature_norm"),
    ("qkv", "query_key_value"),
    ("kv", "key_value"),
    ("q", "query"),
    ("q_bias", "query_bias"),
    ("v_bias", "value_bias"),
    ("proj", "projection"),
)


def to_our_name(name: str) -> str:
    """``encoder.blocks.0.attn.q_bias`` -> ``video_encoder.blocks.0.attention.query_bias``."""
    for theirs, ours in _RENAMES:
        name = re.sub(rf"(?<![^.]){re.escape(theirs)}(?![^.])", ours, name)
    return name


def to_our_names(state: Mapping[str, Value]) -> dict[str, Value]:
    """Rename every parameter of an authors' classifier."""
    return {to_our_name(name): value for name, value in state.items()}


def dims_of_shapes(shapes: Mapping[str, tuple[int, ...]], heads: int | None = None) -> ModelDims:
    """Sizes of an authors' classifier from its parameter shapes (our names).

    Heads leave no trace in the shapes; they are D / 64 in every released model, or as told by ``heads``.

    Raises:
        WeightsError: the tensors that carry the sizes are not there.
    """
    try:
        (depth,) = shapes["video_layer_weights"]
        width = shapes["video_encoder.patches.weight"][0]
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(
            "not an authors' fine-tuned model: expected the tensors video_layer_weights and "
            f"encoder.patch_embed.proj.weight, got {len(shapes)} tensors without them"
        ) from error
    fused = [re.match(r"fusion_encoder\.video_blocks\.(\d+)\.", name) for name in shapes]
    fusion_depth = 1 + max((int(match[1]) for match in fused if match), default=-1)
    return ModelDims(width, heads or max(1, width // HEAD_WIDTH), depth, fusion_depth)
