"""Operations of a step, and equal work on both sides of a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hicmae_cli.bench.finetuning import our_item, plain_item, write_clip
from hicmae_cli.bench.pretraining import step_flops
from hicmae_cli.bench.step import PlainClassifier
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import DecoderDims, ModelDims
from hicmae_cli.models.masking import draw_masks
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings


def test_operations_match_torchs_count() -> None:
    dims, decoder = ModelDims(width=64, heads=2, depth=3), DecoderDims(width=32, heads=1, skip_layers=(0, 2))
    model = PretrainingModel(dims, decoder)
    masks = draw_masks(("tube", "random"), (0.9, 0.8), seed=0)
    # The counter can read plain attention only.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = model(torch.randn(1, 80, 1536), torch.randn(1, 26, 256), *masks)
        (outputs.video.sum() + outputs.audio.sum()).backward()
    # Within 3 %: torch also counts sums over the batch that are computed as products.
    assert step_flops(dims, decoder, PretrainSettings()) == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_both_ways_make_the_same_step() -> None:
    """Both give the same logits and gradients from the same parameters."""
    dims = ModelDims(width=64, heads=2, depth=2, fusion_depth=1)
    torch.manual_seed(0)
    ours, plain = Classifier(dims, 3), PlainClassifier(dims, 3)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    plain.load_state_dict(ours.state_dict())
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    logits, plain_logits = ours(video, audio), plain(video, audio)
    torch.testing.assert_close(logits, plain_logits, atol=1e-4, rtol=1e-4)
    for output in (logits, plain_logits):
        torch.autograd.backward(torch.nn.functional.cross_entropy(output, torch.tensor([0, 2])))
    plain_gradients = dict(plain.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, plain_gradients[name].grad, atol=1e-4, rtol=1e-3, msg=name)


def test_both_ways_make_the_same_item(tmp_path: Path) -> None:
    """Without augmentation both give the same item, except for the size and the loss of the JPEG files."""
    sample, pictures, wav = write_clip(tmp_path)
    still = FinetuneSettings(
        sampling_rate=5, rand_augment="rand-n0", crop_area=(1.0, 1.0), flip=0, erase=0, audio_gain=False
    )
    (video, audio), (plain_video, plain_audio) = (our_item(sample, still, 0), plain_item(pictures, wav, still, 0))
    assert video.shape == plain_video.shape == (1, 3, 16, 160, 160)
    assert audio.shape == plain_audio.shape == (1, 1, 256, 128)
    assert (audio - plain_audio).abs().mean() < 0.01  # 16 bits are rounded differently, which matters near silence
    assert (video - plain_video).abs().mean() < 0.1  # of a deviation of 1
    full = FinetuneSettings()
    one, other = plain_item(pictures, wav, full, 1), plain_item(pictures, wav, full, 2)
    assert not torch.equal(one[0], other[0])
    assert torch.isfinite(one[0]).all()
