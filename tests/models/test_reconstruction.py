"""Pictures of predictions: true targets give the input back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hicmae_cli.models.config import AUDIO_GRID, AUDIO_PATCH, VIDEO_GRID, VIDEO_PATCH, DecoderDims, ModelDims
from hicmae_cli.models.masking import cut_patches, draw_mask, keep_patches
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.reconstruction import face_pictures, log_mel_pictures, reconstruct
from hicmae_cli.models.targets import audio_targets, video_targets

CHANCE = torch.Generator().manual_seed(0)
VIDEO_MASK = draw_mask("tube", 2, VIDEO_GRID, 0.9, CHANCE)
AUDIO_MASK = draw_mask("random", 2, AUDIO_GRID, 0.8, CHANCE)
FACES = torch.randint(0, 256, (2, 16, 160, 160, 3), generator=CHANCE, dtype=torch.uint8)
FACES[0, :, 40:90] = 77  # patches without contrast
LOG_MELS = torch.randn(2, 1, 256, 128, generator=CHANCE)


def face_patches() -> Tensor:
    return cut_patches(FACES.permute(0, 4, 1, 2, 3), VIDEO_PATCH)


@pytest.mark.parametrize("frame_difference", [True, False])
def test_true_targets_reproduce_the_faces(frame_difference: bool) -> None:
    targets = video_targets(keep_patches(face_patches(), VIDEO_MASK[1]), frame_difference=frame_difference)
    pictures = face_pictures(FACES, targets, VIDEO_MASK[1], frame_difference=frame_difference)
    np.testing.assert_array_equal(pictures.original, FACES.numpy())
    np.testing.assert_array_equal(pictures.rebuilt, FACES.numpy())


def test_the_wrong_kind_of_second_frame_does_not() -> None:
    targets = video_targets(keep_patches(face_patches(), VIDEO_MASK[1]), frame_difference=True)
    rebuilt = face_pictures(FACES, targets, VIDEO_MASK[1], frame_difference=False).rebuilt
    np.testing.assert_array_equal(rebuilt[:, 0::2], FACES.numpy()[:, 0::2])
    assert (rebuilt[:, 1::2] != FACES.numpy()[:, 1::2]).mean() > 0.5


def test_true_targets_reproduce_the_log_mels() -> None:
    targets = audio_targets(keep_patches(cut_patches(LOG_MELS, AUDIO_PATCH), AUDIO_MASK[1]))
    pictures = log_mel_pictures(LOG_MELS, targets, AUDIO_MASK[1])
    np.testing.assert_array_equal(pictures.original, LOG_MELS[:, 0].numpy())
    np.testing.assert_allclose(pictures.rebuilt, LOG_MELS[:, 0].numpy(), atol=1e-4)


def test_visible_patches_stay_and_masked_ones_are_blank() -> None:
    """A tube hides the same places at all times."""
    faces = face_pictures(FACES, torch.zeros(2, 720, 1536), VIDEO_MASK[1], frame_difference=True)
    hidden = torch.zeros(2, 800, dtype=torch.bool).scatter(1, VIDEO_MASK[1], True).view(2, 8, 10, 10)
    pixels = hidden.repeat_interleave(2, 1).repeat_interleave(16, 2).repeat_interleave(16, 3).numpy()
    assert (faces.masked[pixels] == 128).all()
    for shown in (faces.masked, faces.rebuilt):
        np.testing.assert_array_equal(shown[~pixels], FACES.numpy()[~pixels])

    sound = log_mel_pictures(LOG_MELS, torch.zeros(2, 102, 256), AUDIO_MASK[1])
    hidden = torch.zeros(2, 128, dtype=torch.bool).scatter(1, AUDIO_MASK[1], True).view(2, 16, 8)
    cells = hidden.repeat_interleave(16, 1).repeat_interleave(16, 2).numpy()
    assert np.isnan(sound.masked[cells]).all()
    for shown in (sound.masked, sound.rebuilt):
        np.testing.assert_array_equal(shown[~cells], LOG_MELS[:, 0].numpy()[~cells])


def test_predicting_zeros_gives_each_patch_its_mean() -> None:
    rebuilt = face_pictures(FACES, torch.zeros(2, 720, 1536), VIDEO_MASK[1], frame_difference=True).rebuilt
    token = int(VIDEO_MASK[1][1, 300])
    time, row, column = np.unravel_index(token, VIDEO_GRID)
    block = np.s_[1, 2 * time : 2 * time + 2, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
    mean = FACES.numpy()[block].mean(axis=(0, 1, 2))
    assert np.abs(rebuilt[block] - mean).max() <= 0.5


def test_a_huge_prediction_stays_a_picture() -> None:
    wild = torch.full((2, 720, 1536), 1e6)
    rebuilt = face_pictures(FACES, wild, VIDEO_MASK[1], frame_difference=True).rebuilt
    assert rebuilt.dtype == np.uint8 and rebuilt.max() == 255


def toy() -> PretrainingModel:
    torch.manual_seed(0)
    dims, decoder = ModelDims(width=32, heads=2, depth=2, fusion_depth=1), DecoderDims(16, 1, (0, 1))
    return PretrainingModel(dims, decoder).eval()


@pytest.mark.parametrize("frame_difference", [True, False])
def test_errors_match_the_pictures(frame_difference: bool) -> None:
    masks = [(visible[1:], masked[1:]) for visible, masked in (VIDEO_MASK, AUDIO_MASK)]  # the clip without flat parts
    made = reconstruct(toy(), FACES.numpy()[1:], LOG_MELS[1:], *masks, frame_difference=frame_difference)
    assert made.faces.rebuilt.shape == (1, 16, 160, 160, 3)
    assert made.log_mels.rebuilt.shape == (1, 256, 128)
    # In noise the frames of a tubelet have nothing in common: their difference varies twice as much as they do.
    assert made.face_guess_error == pytest.approx(1.5 if frame_difference else 1, rel=0.01)
    assert made.log_mel_guess_error == pytest.approx(1, rel=0.01)
    assert made.log_mel_error > made.log_mel_guess_error  # noise cannot be predicted
    hidden = np.isnan(made.log_mels.masked)
    squares = (made.log_mels.rebuilt - made.log_mels.original)[hidden] ** 2
    assert squares.mean() == pytest.approx(made.log_mel_error, rel=0.05)  # the noise has deviation 1


def test_masked_patches_do_not_reach_the_model() -> None:
    def inputs_for(faces: Tensor, log_mels: Tensor) -> list[Tensor]:
        caught: list[Tensor] = []
        model = toy()
        model.register_forward_pre_hook(lambda _, given: caught.extend(given[:2]))
        reconstruct(model, faces, log_mels, VIDEO_MASK, AUDIO_MASK, frame_difference=True)
        return caught

    made = reconstruct(toy(), FACES, LOG_MELS, VIDEO_MASK, AUDIO_MASK, frame_difference=True)
    blanked = (torch.from_numpy(made.faces.masked), torch.from_numpy(made.log_mels.masked).nan_to_num()[:, None])
    for whole, blank in zip(inputs_for(FACES, LOG_MELS), inputs_for(*blanked), strict=True):
        assert torch.equal(whole, blank)
