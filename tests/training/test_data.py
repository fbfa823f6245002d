from __future__ import annotations

import numpy as np
import torch

from hicmae_cli.clips import Clip, model_inputs
from hicmae_cli.models.masking import cut_patches, keep_patches
from hicmae_cli.training.data import to_video


def test_training_sees_what_prediction_sees() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 16, 160, 160, 3)).astype(np.uint8)
    mel = np.zeros((256, 128), np.float32)
    expected, _ = model_inputs([Clip(faces[0], mel), Clip(None, mel)])
    video = to_video(torch.from_numpy(faces), torch.tensor([True, False]))
    np.testing.assert_allclose(video.numpy(), expected, atol=1e-5)
    keep = torch.stack([torch.randperm(800)[:50] for _ in range(2)])
    patches = to_video(torch.from_numpy(faces), torch.tensor([True, False]), keep)
    torch.testing.assert_close(patches, keep_patches(cut_patches(video, (2, 16, 16)), keep))
