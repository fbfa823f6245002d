"""Names and sizes in the authors' checkpoints."""

from __future__ import annotations

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.config import ModelDims
from hicmae_cli.weights.authors import infer_decoder, infer_dims, to_our_name, to_our_names, to_their_name
from tests import reference


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("encoder.blocks.0.attn.q_bias", "video_encoder.blocks.0.attention.query_bias"),
        ("encoder_audio.patch_embed.proj.weight", "audio_encoder.patches.weight"),
        (
            "encoder_fusion.blocks_audio.1.cross_attn.kv.weight",
            "fusion_encoder.audio_blocks.1.cross_attention.key_value.weight",
        ),
        ("encoder_to_decoder_audio.weight", "audio_decoder.entry.weight"),
        ("decoder.blocks.3.mlp.fc1.bias", "video_decoder.blocks.3.mlp.expand.bias"),
        ("head.weight", "head.weight"),
        ("kvass.attnx", "kvass.attnx"),  # only whole parts of a name are translated
    ],
)
def test_names(theirs: str, ours: str) -> None:
    assert to_our_name(theirs) == ours
    assert to_our_names({theirs: 1}) == {ours: 1}
    assert to_their_name(ours) == theirs


@pytest.mark.parametrize("phase", ["finetune", "pretrain"])
def test_every_name_of_the_authors_comes_back(phase: str) -> None:
    for size, model in reference.read_json("manifest.json")[phase].items():
        for name in model["state_dict"]:
            assert to_their_name(to_our_name(name)) == name, size


def shapes(width: int = 512, depth: int = 10, fusion_depth: int = 2) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"video_encoder.patches.weight": (width, 3, 2, 16, 16)}
    found |= {f"video_encoder.blocks.{i}.mlp.expand.bias": (4 * width,) for i in range(depth)}
    return found | {f"fusion_encoder.video_blocks.{i}.mlp.expand.bias": (4 * width,) for i in range(fusion_depth)}


def test_sizes_of_the_encoders() -> None:
    assert infer_dims(shapes()) == ModelDims(512, 8, 10, 2)
    assert infer_dims(shapes(256, 6, 1), heads=2) == ModelDims(256, 2, 6, 1)
    with pytest.raises(WeightsError, match="not an authors' model"):
        infer_dims({"fc.weight": (3, 3)})


@pytest.mark.parametrize("skips", [False, True])
def test_sizes_of_the_decoders(skips: bool) -> None:
    dims = ModelDims(512, 8, 10, 2)
    found: dict[str, tuple[int, ...]] = {"video_decoder.entry.weight": (384, 512)}
    found |= {f"video_decoder.blocks.{i}.mlp.expand.bias": (1536,) for i in range(4)}
    if skips:
        found["video_decoder.blocks.1.cross_attention.query.weight"] = (384, 384)
    decoder, has_skips = infer_decoder(found, dims)
    assert (decoder.width, decoder.heads, decoder.skip_layers, has_skips) == (384, 6, (3, 6, 9), skips)
    with pytest.raises(WeightsError, match="neither a classification head nor decoders"):
        infer_decoder(shapes(), dims)
