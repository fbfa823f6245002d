"""The classifier against the authors' numbers, and properties of its parts."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS, ModelDims, VideoTokens, find_variant
from hicmae_cli.models.encoders import Encoded
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


def draw_model() -> Classifier:
    """A model whose biases and norms are drawn too, because a stream of zeros is made of them."""
    torch.manual_seed(0)
    model = Classifier(SMALL, 3, drop_path=0.5).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def withhold(stream: str, batch: int = 2) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """Inputs in which one stream is zeros, and the same without it."""
    zeros = [torch.randn(batch, 3, 16, 160, 160), torch.randn(batch, 1, 256, 128)]
    index = ("video", "audio").index(stream)
    zeros[index].zero_()
    return zeros, [None if place == index else x for place, x in enumerate(zeros)]


@pytest.mark.parametrize("layer_fusion", [True, False])
@pytest.mark.parametrize("stream", ["video", "audio"])
def test_a_withheld_stream_counts_as_zeros(stream: str, layer_fusion: bool) -> None:
    model = draw_model()
    model.layer_fusion = layer_fusion
    zeros, withheld = withhold(stream)
    with torch.inference_mode():
        expected = model(*zeros)
        assert expected.std(dim=0).min() > 1e-3  # or the rest would prove nothing
        torch.testing.assert_close(model(*withheld), expected, atol=1e-5, rtol=1e-5)
        one = [None if x is None else x[:1] for x in withheld]
        torch.testing.assert_close(model(*one), expected[:1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stream", ["video", "audio"])
def test_a_withheld_stream_may_be_one_token(stream: str) -> None:
    model = draw_model()
    model.one_token = True
    _, withheld = withhold(stream)
    encoders = {"video": model.video_encoder, "audio": model.audio_encoder}
    with torch.inference_mode():
        zeros = encoders[stream].encode_zeros()
        token = zeros._replace(tokens=zeros.tokens.mean(dim=1, keepdim=True))
        other = withheld[1 - ("video", "audio").index(stream)]
        encoded = {name: Encoded.summarise(each(other)) for name, each in encoders.items() if name != stream}
        expected = model.head(model.fuse(**{stream: token, **encoded}, batch=2))
        torch.testing.assert_close(model(*withheld), expected)
        model.one_token = False
        assert (model(*withheld) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("count", get_args(VideoTokens))
def test_a_model_that_reads_some_tokens_ignores_the_others(count: VideoTokens) -> None:
    torch.manual_seed(0)
    whole, model = Classifier(SMALL, 3).eval(), Classifier(SMALL, 3, video_tokens=count).eval()
    model.load_state_dict(whole.state_dict())
    read = torch.arange(800) if model.video_encoder.read is None else model.video_encoder.read
    assert len(read) == count
    times, places = read.div(100, rounding_mode="floor"), read % 100
    assert torch.equal(places.bincount(minlength=100), torch.full((100,), count // 100))
    assert times.bincount(minlength=8).min() >= count // 10  # no time is left out
    if count < 800:
        grid = torch.zeros(800, dtype=torch.bool).index_fill(0, read, True).view(8, 10, 10)
        assert not (grid[:, 1:] & grid[:, :-1]).any() and not (grid[:, :, 1:] & grid[:, :, :-1]).any()
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    keep = read.expand(2, -1)
    patches = keep_patches(cut_patches(video, (2, 16, 16)), keep)
    with torch.inference_mode():
        torch.testing.assert_close(model(video, audio), whole(patches, audio, keep), atol=1e-5, rtol=1e-4)
        silent, blind = torch.zeros_like(audio), torch.zeros_like(video)
        torch.testing.assert_close(model(video, None), model(video, silent), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model(None, audio), model(blind, audio), atol=1e-5, rtol=1e-4)
    # A training step draws its own tokens, also beside clips without a face.
    drawn = torch.stack([torch.randperm(800)[:50] for _ in range(2)])
    patches = keep_patches(cut_patches(video, (2, 16, 16)), drawn)
    torch.testing.assert_close(model(patches, audio, drawn), whole(patches, audio, drawn))
    same = model(None, audio) if count < 800 else whole(None, audio, drawn)
    torch.testing.assert_close(model(None, audio, drawn), same)


def test_both_streams_cannot_be_withheld() -> None:
    with pytest.raises(ValueError, match="needs video or audio, got neither"):
        draw_model()(None, None)


def count_runs(model: Classifier) -> list[int]:
    """Batch sizes of the runs of the video encoder's first block."""
    runs: list[int] = []
    model.video_encoder.blocks[0].register_forward_pre_hook(lambda _, inputs: runs.append(len(inputs[0])))
    return runs


def test_the_withheld_encoder_runs_once_for_each_state_of_its_parameters() -> None:
    model = draw_model()
    runs = count_runs(model)
    zeros, withheld = withhold("video")

    def check(expected_runs: int) -> None:
        with torch.inference_mode():
            found = model(*withheld)
            assert runs == [1] * expected_runs
            torch.testing.assert_close(found, model(*zeros), atol=1e-5, rtol=1e-5)
            runs.pop()  # the run on zeros

    check(1)
    check(1)
    with torch.no_grad():
        model.video_encoder.norm.weight.mul_(2)  # as an optimiser does
    check(2)
    model.load_state_dict({name: tensor * 1.5 for name, tensor in model.state_dict().items()})
    check(3)
    other = {name: tensor * 1.5 for name, tensor in model.state_dict().items()}
    model.load_state_dict(other, assign=True)
    check(4)
    model.audio_encoder.norm.weight.data.mul_(2)  # is not of this encoder
    check(4)


def test_a_frozen_withheld_encoder_is_constant_in_training() -> None:
    model = draw_model()
    model.withhold("audio")
    assert not any(parameter.requires_grad for parameter in model.video_encoder.parameters())
    assert all(parameter.requires_grad for parameter in model.audio_encoder.parameters())
    runs = count_runs(model)
    _, (_, audio) = withhold("video")
    with torch.inference_mode():
        model(None, audio)  # an answer from inference must serve training
    model.train()
    keep = torch.stack([torch.randperm(800)[:50] for _ in range(2)])
    for keep_video in (None, keep):
        model(None, audio, keep_video).sum().backward()
    assert runs == [1] and model.video_encoder.training
    trained = {name.split(".")[0] for name, each in model.named_parameters() if each.grad is not None}
    assert trained == {name.split(".")[0] for name, _ in model.named_parameters()} - {"video_encoder"}


def test_a_withheld_encoder_that_is_trained_gets_gradients_from_one_clip() -> None:
    """Without stochastic depth they are those of zeros in the whole batch."""
    model = draw_model()
    runs = count_runs(model)
    zeros, withheld = withhold("video")
    found = []
    for inputs in (zeros, withheld):
        model.zero_grad()
        model(*inputs).square().sum().backward()
        found.append({name: each.grad for name, each in model.named_parameters() if each.grad is not None})
    assert runs == [2, 1]
    for name, grad in found[0].items():
        if name != "video_encoder.patches.weight":  # zeros have no say in it
            torch.testing.assert_close(found[1][name], grad, atol=1e-3 * float(grad.abs().max()) + 1e-6, rtol=0)


def test_clips_that_lack_a_stream_may_share_its_zeros() -> None:
    """The answers and, without stochastic depth, the gradients are those of zeros in each clip."""
    model = draw_model()
    runs = count_runs(model)
    video, audio = torch.randn(4, 3, 16, 160, 160), torch.randn(4, 1, 256, 128)
    video[[0, 2, 3]], audio[1] = 0, 0
    # Clips without faces get the same tokens, as those of the first one are shared.
    keep = torch.stack([torch.randperm(800)[:50] for _ in range(2)])[[0, 1, 0, 0]]
    patches = keep_patches(cut_patches(video, (2, 16, 16)), keep)
    for inputs in ((video, audio), (patches, audio, keep)):
        found = []
        for model.skips_absent in (False, True):
            model.zero_grad()
            outputs = model(*inputs)
            outputs.square().sum().backward()
            found.append((outputs.detach(), [each.grad for each in model.parameters() if each.grad is not None]))
        torch.testing.assert_close(found[1][0], found[0][0], atol=1e-5, rtol=1e-5)
        for one, other in zip(found[1][1], found[0][1], strict=True):
            torch.testing.assert_close(one, other, atol=1e-3 * float(other.abs().max()) + 1e-6, rtol=0)
    assert runs == [4, 2, 4, 2]


@pytest.mark.parametrize("present", [[], [1], [0, 1, 2], [0, 2]])
def test_each_clip_gets_its_own_stream_or_zeros(present: list[int]) -> None:
    model = draw_model()
    audio = torch.zeros(3, 1, 256, 128)
    audio[present] = torch.randn(len(present), 1, 256, 128)
    with torch.inference_mode():
        expected = model.encode(model.audio_encoder, audio)
        model.skips_absent = True
        torch.testing.assert_close(model.encode(model.audio_encoder, audio), expected, atol=1e-5, rtol=1e-5)
