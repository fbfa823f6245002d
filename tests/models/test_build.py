"""Architectures, the networks built from them, and the metadata that describe them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import StochasticDepth

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.build import build_classifier, build_model, build_pretraining_model
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture, DecoderDims, ModelDims
from hicmae_cli.models.encoders import Encoder
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.export import write_onnx
from hicmae_cli.weights.info import PretrainingFacts, WeightInfo
from tests.weights.toys import info_of

DIMS = ModelDims(width=32, heads=2, depth=3, fusion_depth=2)
DECODER = DecoderDims(width=16, heads=1, skip_layers=(0, 2))


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def list_drop_path(encoder: Encoder) -> list[float]:
    return [module.p for module in encoder.modules() if isinstance(module, StochasticDepth)]


def test_outputs_make_a_classifier_and_decoders_a_pretraining_model() -> None:
    classifier = build_model(Architecture(DIMS, outputs=5))
    assert isinstance(classifier, Classifier)
    assert shapes(classifier) == shapes(Classifier(DIMS, 5))
    model = build_model(Architecture(DIMS, decoder=DECODER, skips=False, contrast_layers=(1,)))
    assert isinstance(model, PretrainingModel)
    assert shapes(model) == shapes(PretrainingModel(DIMS, DECODER, skips=False))
    assert model.contrast_layers == (1,)


def test_options_of_training_reach_the_layers() -> None:
    classifier = build_classifier(Architecture(DIMS, outputs=5), drop_path=0.4)
    assert list_drop_path(classifier.video_encoder) == pytest.approx([0, 0.2, 0.4])
    model = build_pretraining_model(Architecture(DIMS, decoder=DECODER), drop_path=0.4, recompute=True)
    assert list_drop_path(model.audio_encoder) == pytest.approx([0, 0.2, 0.4])
    assert model.video_decoder.recompute and model.fusion_encoder.recompute


def test_metadata_describe_both_kinds() -> None:
    info = info_of(DIMS, 3)
    assert info.architecture == Architecture(DIMS, outputs=3)
    facts = PretrainingFacts(decoder_width=16, decoder_heads=1, skip_layers=(0, 2), skips=False, contrast_layers=(1,))
    pretrained = info.model_copy(update={"labels": (), "task": "pretraining", "pretraining": facts})
    assert pretrained.architecture == Architecture(DIMS, decoder=DECODER, skips=False, contrast_layers=(1,))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "either outputs or decoders"),
        ({"outputs": 2, "decoder": DECODER}, "either outputs or decoders"),
        ({"decoder": DecoderDims(16, 1, (0, 3))}, "skip layers 3 do not exist: the encoders have layers 0 to 2"),
        ({"decoder": DECODER, "contrast_layers": (1, 4)}, "contrast layers 4 do not exist"),
    ],
)
def test_an_architecture_that_does_not_fit_together_is_refused(facts: dict[str, object], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        Architecture(DIMS, **facts)  # type: ignore[arg-type]


def test_a_builder_refuses_the_other_kind() -> None:
    with pytest.raises(WeightsError, match="expected the architecture of a classifier"):
        build_classifier(Architecture(DIMS, decoder=DECODER))
    with pytest.raises(WeightsError, match="expected the architecture of a pre-training model"):
        build_pretraining_model(Architecture(DIMS, outputs=2))


def test_depths_rise_from_patches_to_head() -> None:
    depths = build_classifier(Architecture(DIMS, outputs=5)).list_depths()
    assert set(depths.values()) == set(range(7))
    expected = {
        "audio_encoder.patches.weight": 0,
        "video_encoder.blocks.0.mlp.expand.weight": 1,
        "audio_encoder.blocks.2.attention.query_bias": 3,
        "fusion_encoder.video_blocks.0.mlp_norm.bias": 4,
        "fusion_encoder.audio_blocks.1.cross_attention.projection.weight": 5,
        "video_encoder.norm.weight": 6,
        "video_layer_weights": 6,
        "head.bias": 6,
    }
    assert {name: depths[name] for name in expected} == expected


def test_without_layer_fusion_the_last_layer_alone_decides(tmp_path: Path) -> None:
    torch.manual_seed(0)
    alone, fused = (
        build_classifier(Architecture(DIMS, outputs=2, layer_fusion=fusion)).eval() for fusion in (False, True)
    )
    fused.load_state_dict(alone.state_dict())
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    with torch.inference_mode():
        outputs = alone(video, audio)
        assert not torch.allclose(outputs, fused(video, audio))
        # Earlier versions wrote weights whose softmax takes the last layer only.
        for weights in (fused.video_layer_weights, fused.audio_layer_weights):
            weights.copy_(torch.tensor([0.0, 0.0, 1000.0]))
        torch.testing.assert_close(outputs, fused(video, audio))
    assert not alone.video_layer_weights.requires_grad and fused.video_layer_weights.requires_grad

    info = info_of(DIMS, 2).model_copy(update={"layer_fusion": False})
    save_classifier(tmp_path / "alone.safetensors", alone, info)
    loaded, read = load_classifier(tmp_path / "alone.safetensors")
    assert not loaded.layer_fusion and read.layer_fusion is False
    with torch.inference_mode():
        assert torch.equal(loaded(video, audio), outputs)


def test_the_number_of_tokens_to_read_is_stored(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_classifier(Architecture(DIMS, outputs=2, video_tokens=200)).eval()
    file = tmp_path / "some.safetensors"
    save_classifier(file, model, info_of(DIMS, 2).model_copy(update={"video_tokens": 200}))
    write_onnx(file, tmp_path / "some.onnx")
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    with torch.inference_mode():
        outputs = model(video, audio)
    for suffix in (".safetensors", ".onnx"):  # torch reads both
        loaded, info = load_classifier(file.with_suffix(suffix))
        assert info.video_tokens == 200
        with torch.inference_mode():
            torch.testing.assert_close(loaded(video, audio), outputs)
    logits = OnnxEngine(tmp_path / "some.onnx", "cpu").logits(video.numpy(), audio.numpy())
    np.testing.assert_allclose(logits, outputs, atol=1e-3)


def test_metadata_of_older_files_mean_layer_fusion() -> None:
    document = info_of(DIMS, 2).to_dict()
    assert "layer_fusion" not in document
    assert WeightInfo(**document).architecture.layer_fusion
