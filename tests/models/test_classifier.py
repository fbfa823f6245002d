"""The classifier against the authors' numbers, and properties of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS, ModelDims, find_variant
from hicmae_cli.models.layers import Attention
from hicmae_cli.models.masking import cut_patches, keep_patches
from hicmae_cli.weights.authors import infer_dims, to_our_names
from hicmae_cli.weights.checkpoint import load_state
from tests import reference

SMALL = ModelDims(width=32, heads=2, depth=2, fusion_depth=1)


@pytest.mark.parametrize("size", ["toy", "tiny"])
def test_matches_the_authors(size: str) -> None:
    facts = reference.read_json("manifest.json")["finetune"][size]
    state = {k: torch.from_numpy(v) for k, v in reference.state_dict(facts["state_dict"]).items()}
    ours = to_our_names(state)
    dims = infer_dims({k: tuple(v.shape) for k, v in ours.items()}, facts["num_heads"])
    assert (dims.width, dims.depth) == (facts["embed_dim"], facts["depth"])
    model = Classifier(dims, facts["num_classes"]).eval()
    load_state(model, ours, reference.FOLDER)
    batch = facts["batch"]
    video = torch.from_numpy(reference.noise("video", (batch, 3, 16, 160, 160)))
    audio = torch.from_numpy(reference.noise("audio", (batch, 1, 256, 128)))
    expected = np.load(reference.FOLDER / f"finetune_{size}.npz")
    with torch.inference_mode():
        features = model.features(video, audio)
        logits = model.head(features)
    np.testing.assert_allclose(features.numpy(), expected["feature"], atol=1e-4)
    np.testing.assert_allclose(logits.numpy(), expected["logits"], atol=1e-4)


@pytest.mark.parametrize(("variant", "millions"), [("tiny", 20.5), ("small", 45.7), ("base", 80.8)])
def test_variants_have_the_papers_sizes(variant: str, millions: float) -> None:
    with torch.device("meta"):
        model = Classifier(VARIANTS[variant], 6)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
    assert find_variant(VARIANTS[variant]) == variant


def test_keeping_every_token_changes_nothing() -> None:
    torch.manual_seed(0)
    model = Classifier(SMALL, 3).eval()
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    shuffled = torch.stack([torch.randperm(800) for _ in range(2)])
    with torch.inference_mode():
        patches = keep_patches(cut_patches(video, (2, 16, 16)), shuffled)
        torch.testing.assert_close(model(patches, audio, shuffled), model(video, audio), atol=1e-5, rtol=1e-4)


def test_dropped_tokens_do_not_reach_the_model() -> None:
    torch.manual_seed(0)
    model = Classifier(SMALL, 3).eval()
    video, audio = torch.randn(1, 3, 16, 160, 160), torch.randn(1, 1, 256, 128)
    first_slot = torch.arange(100)[None]  # the tokens of frames 0 and 1
    changed = video.clone()
    changed[:, :, 2:] += 5
    with torch.inference_mode():
        plain, other = (keep_patches(cut_patches(v, (2, 16, 16)), first_slot) for v in (video, changed))
        torch.testing.assert_close(model(plain, audio, first_slot), model(other, audio, first_slot))
        assert not torch.allclose(model(video, audio), model(changed, audio))


def test_a_cross_attention_without_context_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a context"):
        Attention(8, 2, cross=True)(torch.zeros(1, 3, 8))


def test_each_stream_reads_the_other_as_it_was_before_the_layer() -> None:
    torch.manual_seed(1)
    fusion = Classifier(SMALL, 2).fusion_encoder.eval()
    video, audio = torch.randn(1, 5, 32), torch.randn(1, 4, 32)
    with torch.inference_mode():
        _, fused_audio = fusion(video, audio)
        expected = fusion.audio_norm(fusion.audio_blocks[0](audio, video))
    torch.testing.assert_close(fused_audio, expected)


def test_misfit_tensors_are_listed_and_nothing_is_loaded(tmp_path: object) -> None:
    model = Classifier(SMALL, 3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    del state["head.weight"]
    state["head.bias"] = torch.zeros(4)
    state["extra"] = torch.zeros(1)
    state["feature_norm.bias"] = state["feature_norm.bias"] * float("nan")
    with pytest.raises(WeightsError) as caught:
        load_state(model, state, reference.FOLDER)
    for fault in ("missing head.weight", "misshapen head.bias", "unknown extra", "not finite feature_norm.bias"):
        assert fault in str(caught.value)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("dims", [{"width": 30, "heads": 4}, {"width": 0, "heads": 1}, {"width": 8, "heads": True}])
def test_impossible_dims_are_refused(dims: dict[str, int]) -> None:
    with pytest.raises(WeightsError):
        ModelDims(depth=2, **dims)
