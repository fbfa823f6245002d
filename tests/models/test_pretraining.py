"""The pre-training model against the authors' numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hicmae_cli.errors import WeightsError
from hicmae_cli.model_input import IMAGENET_MEAN, IMAGENET_STD
from hicmae_cli.models.config import DECODERS, VARIANTS, DecoderDims, ModelDims
from hicmae_cli.models.layers import CrossBlock
from hicmae_cli.models.masking import Mask, cut_patches, draw_mask, keep_patches
from hicmae_cli.models.objectives import contrastive_logits, contrastive_loss, embed_layers, reconstruction_loss
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.targets import audio_targets, video_targets
from hicmae_cli.weights.authors import to_our_names
from hicmae_cli.weights.checkpoint import load_state
from tests import reference
from tests.reference import plain

SMALL = ModelDims(width=32, heads=2, depth=2, fusion_depth=1)
SMALL_DECODER = DecoderDims(width=16, heads=1, skip_layers=(0, 1))


def to_indices(hidden: NDArray[np.bool_]) -> Mask:
    mask = torch.from_numpy(hidden)
    return tuple(torch.stack([row.nonzero()[:, 0] for row in rows]) for rows in (~mask, mask))  # type: ignore[return-value]


def chosen_patches(video: Tensor, audio: Tensor, chosen: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return (
        keep_patches(cut_patches(video, (2, 16, 16)), chosen[0]),
        keep_patches(cut_patches(audio, (16, 16)), chosen[1]),
    )


def build(size: str, seed: int = reference.SEED) -> PretrainingModel:
    facts = reference.read_json("manifest.json")["pretrain"][size]
    model = PretrainingModel(
        ModelDims(
            facts["encoder_embed_dim"], facts["encoder_num_heads"], facts["encoder_depth"], facts["fusion_depth"]
        ),
        DecoderDims(facts["decoder_embed_dim"], facts["decoder_num_heads"], tuple(facts["skip_layers"])),
    )
    state = {k: torch.from_numpy(v) for k, v in reference.state_dict(facts["state_dict"], seed).items()}
    load_state(model, to_our_names(state), reference.FOLDER)
    return model


def gradient_norm(loss: Tensor, parameters: list[Tensor]) -> float:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())


@pytest.mark.parametrize("size", ["toy", "tiny"])
def test_matches_the_authors(size: str) -> None:
    facts = reference.read_json("manifest.json")["pretrain"][size]
    model = build(size)
    batch = facts["batch"]
    video = torch.from_numpy(reference.noise("video", (batch, 3, 16, 160, 160)))
    audio = torch.from_numpy(reference.noise("audio", (batch, 1, 256, 128)))
    hidden_video, hidden_audio = reference.masks(batch)
    masks = to_indices(hidden_video), to_indices(hidden_audio)
    outputs = model(*chosen_patches(video, audio, (masks[0][0], masks[1][0])), *masks)
    logits = contrastive_logits(embed_layers(outputs.video_layers), embed_layers(outputs.audio_layers))

    expected = np.load(reference.FOLDER / f"pretrain_{size}.npz")
    for name, predicted in (("video", outputs.video), ("audio", outputs.audio)):
        values = predicted.detach().numpy()
        np.testing.assert_allclose(values[:, :4], expected[f"{name}_prediction_head"], atol=1e-4)
        assert values.mean() == pytest.approx(expected[f"{name}_prediction_mean"], abs=1e-4)
        assert np.sqrt((values**2).mean()) == pytest.approx(expected[f"{name}_prediction_rms"], abs=1e-4)
    np.testing.assert_allclose(logits.detach().numpy(), expected["contrastive_logits"], atol=1e-4)

    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    hidden = chosen_patches(video * std + mean, audio, (masks[0][1], masks[1][1]))
    for name, difference, weight in (
        ("total", True, 0.0025),
        ("total_no_frame_diff", False, 0.0025),
        ("total_no_contrastive", True, 0.0),
    ):
        video_target = video_targets(hidden[0], frame_difference=difference)
        loss = reconstruction_loss(outputs.video, video_target)
        loss = loss + reconstruction_loss(outputs.audio, audio_targets(hidden[1]))
        loss = loss + weight * contrastive_loss(logits)
        assert loss.item() == pytest.approx(expected[f"loss_{name}"].item(), abs=1e-4)
        norm = gradient_norm(loss, list(model.parameters()))
        assert norm == pytest.approx(expected[f"grad_norm_{name}"].item(), rel=1e-3)


@pytest.mark.parametrize("seed", [reference.SEED, 7])
def test_matches_the_plain_version_on_any_seed(seed: int) -> None:
    facts = reference.read_json("manifest.json")["pretrain"]["toy"]
    state = {
        k: torch.from_numpy(v).requires_grad_() for k, v in reference.state_dict(facts["state_dict"], seed).items()
    }
    batch = facts["batch"]
    video = torch.from_numpy(reference.noise("video", (batch, 3, 16, 160, 160), seed))
    audio = torch.from_numpy(reference.noise("audio", (batch, 1, 256, 128), seed))
    hidden = [torch.from_numpy(mask) for mask in reference.masks(batch, seed)]
    expected = plain.loss(state, video, audio, hidden[0], hidden[1], facts)
    expected_norm = gradient_norm(expected, list(state.values()))
    if seed == reference.SEED:  # the plain version matches the authors' numbers there
        theirs = np.load(reference.FOLDER / "pretrain_toy.npz")
        assert expected.item() == pytest.approx(theirs["loss_total"].item(), abs=1e-4)
        assert expected_norm == pytest.approx(theirs["grad_norm_total"].item(), rel=1e-3)

    model = build("toy", seed)
    masks = to_indices(hidden[0].numpy()), to_indices(hidden[1].numpy())
    outputs = model(*chosen_patches(video, audio, (masks[0][0], masks[1][0])), *masks)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    targets = chosen_patches(video * std + mean, audio, (masks[0][1], masks[1][1]))
    loss = reconstruction_loss(outputs.video, video_targets(targets[0]))
    loss = loss + reconstruction_loss(outputs.audio, audio_targets(targets[1]))
    logits = contrastive_logits(embed_layers(outputs.video_layers), embed_layers(outputs.audio_layers))
    loss = loss + 0.0025 * contrastive_loss(logits)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    assert gradient_norm(loss, list(model.parameters())) == pytest.approx(expected_norm, rel=1e-3)


def test_masked_patches_do_not_reach_the_model() -> None:
    generator = torch.Generator().manual_seed(0)
    model = PretrainingModel(SMALL, SMALL_DECODER).eval()
    video, audio = torch.randn(2, 3, 16, 160, 160), torch.randn(2, 1, 256, 128)
    masks = draw_mask("tube", 2, (8, 10, 10), 0.9, generator), draw_mask("random", 2, (16, 8), 0.8, generator)
    before = model(*chosen_patches(video, audio, (masks[0][0], masks[1][0])), *masks)
    patches = cut_patches(video, (2, 16, 16))
    patches.scatter_(1, masks[0][1][..., None].expand(-1, -1, patches.shape[2]), 9.0)
    seen = keep_patches(patches, masks[0][0])
    after = model(seen, chosen_patches(video, audio, (masks[0][0], masks[1][0]))[1], *masks)
    torch.testing.assert_close(before.video, after.video)
    torch.testing.assert_close(before.audio, after.audio)
    assert before.video.shape == (2, 720, 1536)
    assert before.audio.shape == (2, 102, 256)


def test_without_skips_no_decoder_layer_reads_an_encoder_layer() -> None:
    plain = PretrainingModel(SMALL, SMALL_DECODER, skips=False)
    assert not any(isinstance(block, CrossBlock) for block in plain.video_decoder.blocks)
    masks = draw_mask("tube", 1, (8, 10, 10), 0.9), draw_mask("random", 1, (16, 8), 0.8)
    outputs = plain(torch.randn(1, 80, 1536), torch.randn(1, 26, 256), *masks)
    assert outputs.video.shape == (1, 720, 1536)
    skipping = PretrainingModel(SMALL, SMALL_DECODER)
    assert sum(isinstance(block, CrossBlock) for block in skipping.video_decoder.blocks) == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_a_decoder_that_fits(variant: str) -> None:
    decoder = DECODERS[variant]
    assert decoder.width % decoder.heads == 0
    assert decoder.depth == 4
    assert max(decoder.skip_layers) == VARIANTS[variant].depth - 1


def test_gradient_checkpointing_does_not_change_gradients() -> None:
    masks = draw_mask("tube", 2, (8, 10, 10), 0.9), draw_mask("random", 2, (16, 8), 0.8)
    video, audio = torch.randn(2, 80, 1536), torch.randn(2, 26, 256)
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = PretrainingModel(SMALL, SMALL_DECODER, recompute=recompute)
        outputs = model(video, audio, *masks)
        loss = outputs.video.square().mean() + outputs.audio.square().mean()
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    for kept, computed_again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, computed_again)


def test_layers_that_do_not_exist_are_refused() -> None:
    with pytest.raises(WeightsError, match="skip layers 2, 5 do not exist: the encoders have layers 0 to 1"):
        PretrainingModel(SMALL, DecoderDims(16, 1, (0, 2, 5)))


def test_only_the_first_clips_are_rebuilt_but_all_are_compared() -> None:
    generator = torch.Generator().manual_seed(0)
    model = PretrainingModel(SMALL, SMALL_DECODER).eval()
    video, audio = torch.randn(3, 3, 16, 160, 160), torch.randn(3, 1, 256, 128)
    masks = draw_mask("tube", 3, (8, 10, 10), 0.9, generator), draw_mask("random", 3, (16, 8), 0.8, generator)
    inputs = (*chosen_patches(video, audio, (masks[0][0], masks[1][0])), *masks)
    whole, part = model(*inputs), model(*inputs, rebuilt=2)
    torch.testing.assert_close(part.video, whole.video[:2])
    torch.testing.assert_close(part.audio, whole.audio[:2])
    for ours, theirs in zip(
        part.video_layers + part.audio_layers, whole.video_layers + whole.audio_layers, strict=True
    ):
        torch.testing.assert_close(ours, theirs)
