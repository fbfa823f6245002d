"""Parameter names in the checkpoints of the paper's authors, and their translation to ours.

No other file of the package has their names. Source: names and shapes of the tensors in their files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.config import HEAD_WIDTH, DecoderDims, ModelDims

ValueT = TypeVar("ValueT")

# Their name -> ours, applied in this order. A rule matches complete dotted parts only.
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

_WRAPPER = "module."
_REGION_TOKENS = "lg_region_tokens"


def to_our_name(name: str) -> str:
    """Translate a name: ``encoder.blocks.0.attn.q_bias`` -> ``video_encoder.blocks.0.attention.query_bias``."""
    for theirs, ours in _RENAMES:
        name = re.sub(rf"(?<![^.]){re.escape(theirs)}(?![^.])", ours, name)
    return name


def to_our_names(state: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Rename every parameter of an authors' model."""
    return {to_our_name(name): value for name, value in state.items()}


def to_their_name(name: str) -> str:
    """Translate a name back: ``video_encoder.blocks.0.attention.query_bias`` -> ``encoder.blocks.0.attn.q_bias``."""
    # Names of two parts first: a rule for one part would change theirs.
    for theirs, ours in sorted(_RENAMES, key=lambda rule: -rule[1].count(".")):
        name = re.sub(rf"(?<![^.]){re.escape(ours)}(?![^.])", theirs, name)
    return name


def strip_wrapper(state: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Remove ``module.`` from all names: a model that several GPUs trained was saved with its wrapper."""
    if state and all(name.startswith(_WRAPPER) for name in state):
        return {name.removeprefix(_WRAPPER): value for name, value in state.items()}
    return dict(state)


def explain_relative(names: Collection[str]) -> str | None:
    """Explain that a checkpoint is of a related model that hicmae does not run; None if it is not recognised as one.

    MAE-DFER and AVF-MAE++ let the tokens of a face attend within regions first, and have a learned token for each
    region. Source: the name of that parameter, and options of the public scripts that load AVF-MAE++.

    Args:
        names: of its tensors, as in the file.
    """
    has_audio = any("audio" in name for name in names)
    if any(name.rpartition(".")[2] == _REGION_TOKENS for name in names):
        if has_audio:
            return "is a checkpoint of AVF-MAE++, which has another architecture (attention within regions of the face)"
        return (
            "is a checkpoint of MAE-DFER, or the video part of AVF-MAE++: these see the face alone, have no audio "
            "encoder, and attend within regions of the face"
        )
    if not has_audio and any(name.endswith("patch_embed.proj.weight") for name in names):
        return "is a checkpoint of a model without an audio encoder, such as VideoMAE or SVFAP"
    return None


def infer_dims(shapes: Mapping[str, tuple[int, ...]], heads: int | None = None) -> ModelDims:
    """Infer the encoders' sizes of an authors' model from the parameter shapes (our names).

    The shapes do not show the number of heads: it is ``heads``, or D / 64 as in every released model.

    Raises:
        WeightsError: the tensors that show the sizes are missing.
    """
    patches = shapes.get("video_encoder.patches.weight", ())
    depth, fusion_depth = (
        _count_blocks(shapes, part) for part in ("video_encoder.blocks", "fusion_encoder.video_blocks")
    )
    if not patches or not depth:
        raise WeightsError(
            "not an authors' model: expected the tensors encoder.patch_embed.proj.weight and encoder.blocks.*, "
            f"got {len(shapes)} tensors without them"
        )
    return ModelDims(patches[0], heads or max(1, patches[0] // HEAD_WIDTH), depth, fusion_depth)


def infer_decoder(shapes: Mapping[str, tuple[int, ...]], dims: ModelDims) -> tuple[DecoderDims, bool]:
    """Infer the decoders' sizes of an authors' model from the parameter shapes (our names), and if they have skips.

    The shapes do not show which encoder layers the decoders read. Evenly spaced layers up to the last are assumed,
    e.g. 3, 6 and 9 for 10 layers.

    Raises:
        WeightsError: there are no decoders, or more than encoder layers.
    """
    width = (shapes.get("video_decoder.entry.weight") or (0,))[0]
    count = _count_blocks(shapes, "video_decoder.blocks") - 1
    if not width or not 1 <= count <= dims.depth:
        raise WeightsError(
            "not an authors' model: neither a classification head nor decoders of its size are among its tensors"
        )
    step = max(1, dims.depth // count)
    layers = tuple(dims.depth - 1 - step * index for index in reversed(range(count)))
    skips = "video_decoder.blocks.1.cross_attention.query.weight" in shapes
    return DecoderDims(width, max(1, width // HEAD_WIDTH), layers), skips


def _count_blocks(shapes: Mapping[str, tuple[int, ...]], blocks: str) -> int:
    """Count the blocks with parameters named ``<blocks>.<index>.…``."""
    found = (re.match(rf"{re.escape(blocks)}\.(\d{{1,4}})\.", name) for name in shapes)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
