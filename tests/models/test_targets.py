"""What masked tokens are rebuilt as."""

from __future__ import annotations

import torch

from hicmae_cli.models.targets import audio_targets, video_targets

ALL = torch.arange(800)[None]


def test_video_targets_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, 16, 160, 160, generator=generator)
    token = 3 * 100 + 4 * 10 + 7  # frames 6 and 7, rows 64.., columns 112..
    patch = pixels[0, :, 6:8, 64:80, 112:128]  # (channel, frame, row, column)
    values = patch.permute(1, 2, 3, 0).reshape(512, 3)  # a pixel a row
    values = (values - values.mean(dim=0)) / (values.std(dim=0) + 1e-6)
    plain = video_targets(pixels, torch.tensor([[token]]), frame_difference=False)
    torch.testing.assert_close(plain[0, 0], values.flatten())
    second = values[256:] - values[:256]
    moved = video_targets(pixels, torch.tensor([[token]]))
    torch.testing.assert_close(moved[0, 0], torch.cat((values[:256], second)).flatten())


def test_a_still_clip_has_no_frame_difference() -> None:
    still = torch.rand(1, 3, 1, 160, 160).expand(-1, -1, 16, -1, -1)
    targets = video_targets(still, ALL).view(1, 800, 2, 768)
    assert targets[:, :, 1].abs().max() < 1e-6
    assert targets[:, :, 0].abs().max() > 1


def test_targets_are_those_of_the_masked_tokens_only() -> None:
    pixels, masked = torch.rand(2, 3, 16, 160, 160), torch.tensor([[5, 700], [1, 2]])
    every = video_targets(pixels, ALL.expand(2, -1))
    picked = every.gather(1, masked[..., None].expand(-1, -1, 1536))
    torch.testing.assert_close(video_targets(pixels, masked), picked)


def test_audio_targets_are_normalised() -> None:
    targets = audio_targets(torch.randn(2, 1, 256, 128) * 3 + 1, torch.arange(128).expand(2, -1))
    assert targets.shape == (2, 128, 256)
    assert targets.mean(dim=2).abs().max() < 1e-5
    torch.testing.assert_close(targets.std(dim=2), torch.ones(2, 128), atol=1e-4, rtol=0)


def test_flat_patches_do_not_divide_by_zero() -> None:
    assert torch.isfinite(video_targets(torch.zeros(1, 3, 16, 160, 160), ALL)).all()
