"""Targets of the masked tokens."""

from __future__ import annotations

import torch

from hicmae_cli.models.masking import cut_patches
from hicmae_cli.models.targets import audio_targets, video_targets


def cut(pixels: torch.Tensor) -> torch.Tensor:
    return cut_patches(pixels, (2, 16, 16))


def test_video_targets_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, 16, 160, 160, generator=generator)
    token = 3 * 100 + 4 * 10 + 7  # frames 6 and 7, rows 64.., columns 112..
    patch = pixels[0, :, 6:8, 64:80, 112:128]  # (channel, frame, row, column)
    values = patch.permute(1, 2, 3, 0).reshape(512, 3)  # a pixel a row
    values = (values - values.mean(dim=0)) / (values.std(dim=0) + 1e-6)
    patches = cut(pixels)[:, token, None]
    plain = video_targets(patches, frame_difference=False)
    torch.testing.assert_close(plain[0, 0], values.flatten())
    second = values[256:] - values[:256]
    moved = video_targets(patches)
    torch.testing.assert_close(moved[0, 0], torch.cat((values[:256], second)).flatten())


def test_a_still_clip_has_no_frame_difference() -> None:
    still = torch.rand(1, 3, 1, 160, 160).expand(-1, -1, 16, -1, -1)
    targets = video_targets(cut(still)).view(1, 800, 2, 768)
    assert targets[:, :, 1].abs().max() < 1e-6
    assert targets[:, :, 0].abs().max() > 1


def test_uint8_and_float_give_the_same_targets() -> None:
    levels = torch.randint(0, 256, (2, 3, 16, 160, 160), dtype=torch.uint8)
    torch.testing.assert_close(video_targets(cut(levels)), video_targets(cut(levels / 255)))


def test_audio_targets_are_normalised() -> None:
    targets = audio_targets(cut_patches(torch.randn(2, 1, 256, 128) * 3 + 1, (16, 16)))
    assert targets.shape == (2, 128, 256)
    assert targets.mean(dim=2).abs().max() < 1e-5
    torch.testing.assert_close(targets.std(dim=2), torch.ones(2, 128), atol=1e-4, rtol=0)


def test_flat_patches_do_not_divide_by_zero() -> None:
    assert torch.isfinite(video_targets(cut(torch.zeros(1, 3, 16, 160, 160)))).all()
