from __future__ import annotations

import pytest
import torch

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import ModelDims
from hicmae_cli.models.encoders import audio_encoder, video_encoder
from hicmae_cli.models.masking import cut_patches, keep_patches, spread_tokens
from hicmae_cli.training.whitening import TokenSample, fit_start, whiten_patches

DIMS = ModelDims(width=32, heads=1, depth=2, fusion_depth=1)


def seeded_generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def token_samples(count: int = 40) -> list[TokenSample]:
    """Tokens of clips that share a strong pattern and differ in a weak one."""
    g = seeded_generator(0)
    video = 5 + torch.randn(1, 3, 16, 160, 160, generator=g)
    video = video + 0.1 * torch.randn(count, 3, 16, 160, 160, generator=g)
    audio = -3 + 0.1 * torch.randn(count, 1, 256, 128, generator=g)
    keep_video = torch.arange(0, 800, 20).expand(count, -1)
    keep_audio = torch.arange(0, 128, 4).expand(count, -1)
    patches = keep_patches(cut_patches(video, (2, 16, 16)), keep_video)
    return [TokenSample(patches, keep_patches(cut_patches(audio, (16, 16)), keep_audio), keep_video, keep_audio)]


def test_features_start_with_mean_zero_and_deviation_one() -> None:
    torch.manual_seed(0)
    model = Classifier(DIMS, 6)
    sample = token_samples()
    before = model.features(sample[0].video, sample[0].audio, sample[0].keep_video, sample[0].keep_audio)
    assert before.std(dim=0).mean() < 0.1  # or there would be nothing to do
    fit_start(model, sample, seeded_generator(1))
    after = model.features(sample[0].video, sample[0].audio, sample[0].keep_video, sample[0].keep_audio)
    torch.testing.assert_close(after.mean(dim=0), torch.zeros(128), atol=2e-2, rtol=0)
    torch.testing.assert_close(after.std(dim=0), torch.ones(128), atol=2e-2, rtol=0)


def test_patches_of_pretrained_encoders_stay() -> None:
    model = Classifier(DIMS, 6)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit_start(model, token_samples(), seeded_generator(1), pretrained=True)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"feature_norm.weight", "feature_norm.bias"}
    sample = token_samples()[0]
    features = model.features(sample.video, sample.audio, sample.keep_video, sample.keep_audio)
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(128), atol=1e-3, rtol=0)
    # Their deviation is below 0.3, the least that counts.
    torch.testing.assert_close(model.feature_norm.weight, torch.full((128,), 1 / 0.3))


@pytest.mark.parametrize("build", [video_encoder, audio_encoder])
def test_whitened_patches_weigh_every_component_alike(build: object) -> None:
    encoder = build(DIMS)  # type: ignore[operator]
    size = encoder.patches.weight[0].numel()
    patches = torch.randn(3000, size, generator=seeded_generator(0)) * torch.linspace(9, 0.1, size) + 4
    withheld = torch.zeros(500, size)
    whiten_patches(encoder, torch.cat([patches, withheld]), seeded_generator(1))
    weight = encoder.patches.weight.flatten(1)
    tokens = patches @ weight.T + encoder.patches.bias
    assert tokens.mean(dim=0).abs().max() < 1e-3
    spread = torch.linalg.eigvalsh(torch.cov(tokens.T))  # half of the channels' dimensions are used, all alike
    torch.testing.assert_close(spread[16:], torch.ones(16), atol=1e-2, rtol=0)
    assert spread[:16].abs().max() < 1e-3


@pytest.mark.parametrize("count", [1, 60, 100, 150, 200, 799, 800])
def test_every_place_comes_once_before_any_comes_twice(count: int) -> None:
    keep = spread_tokens(5, (8, 10, 10), count, generator=seeded_generator(0))
    assert keep.shape == (5, count)
    for row in keep:
        assert len(set(row.tolist())) == count
        times = torch.bincount(row % 100, minlength=100)
        assert times.max() - times.min() <= 1
    drawn = spread_tokens(400, (8, 10, 10), 100, generator=seeded_generator(1))
    assert torch.bincount(drawn.flatten() // 100, minlength=8).min() > 400 * 100 / 8 * 0.95  # no time is preferred


def test_a_stream_without_any_clip_is_unchanged() -> None:
    encoder = audio_encoder(DIMS)
    before = encoder.patches.weight.clone()
    whiten_patches(encoder, torch.zeros(50, 256), seeded_generator(1))
    assert torch.equal(encoder.patches.weight, before)
