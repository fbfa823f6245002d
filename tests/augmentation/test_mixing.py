"""Mixup and cutmix of clips against timm's of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm.data import mixup as timms

from hicmae_cli.augmentation.mixing import Mix, draw_mix, mix_audio, mix_targets, mix_video, soft_targets
from hicmae_cli.recipes.settings import FinetuneSettings

PAPER = FinetuneSettings()


def batch(count: int = 4, size_px: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    video = torch.randn(count, 3, 2, size_px, size_px, generator=generator)
    return video, torch.arange(count) % 3


@pytest.mark.parametrize(
    "mix", [Mix(0.3), Mix(0.9), Mix(1 - 40 * 30 / 25600, (10, 50, 0, 30)), Mix(0.0, (0, 160, 0, 160)), Mix(1.0)]
)
@pytest.mark.parametrize("count", [4, 2])
def test_mixtures_equal_those_of_timm(mix: Mix, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    video, labels = batch(count)
    reference = timms.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=5)
    box = mix.box or (0, 0, 0, 0)
    monkeypatch.setattr(reference, "_params_per_batch", lambda: (mix.share, mix.box is not None))
    monkeypatch.setattr(timms, "rand_bbox", lambda *_, **__: box)
    # A clip is a picture for timm, with its frames as channels.
    pictures, targets = reference(video.flatten(1, 2).clone(), labels)
    ours = mix_video(video, mix)
    torch.testing.assert_close(ours.flatten(1, 2), pictures)
    torch.testing.assert_close(mix_targets(soft_targets(labels, 5, 0.1), mix), targets)
    assert torch.equal(video, batch(count)[0])  # the input is unchanged


def test_sets_are_smoothed_towards_one_half_and_mixed() -> None:
    sets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.equal(soft_targets(sets, 3, 0.0), sets)
    smooth = soft_targets(sets, 3, 0.1)
    torch.testing.assert_close(smooth[0], torch.tensor([0.95, 0.05, 0.95]))
    torch.testing.assert_close(mix_targets(sets, Mix(0.25))[0], torch.tensor([0.25, 0.75, 0.25]))


def test_odd_batches_and_single_clips_are_mixed() -> None:
    video, labels = batch(3)
    mixed = mix_video(video, Mix(0.25))
    torch.testing.assert_close(mixed[1], video[1])
    torch.testing.assert_close(mixed[0], 0.25 * video[0] + 0.75 * video[2])
    targets = mix_targets(soft_targets(labels, 3, 0.0), Mix(0.25))
    torch.testing.assert_close(targets[0], torch.tensor([0.25, 0.0, 0.75]))
    for mix in (Mix(0.25), Mix(0.9, (0, 51, 0, 50))):
        assert torch.allclose(mix_video(video[:1], mix), video[:1])


@pytest.mark.parametrize("mix", [Mix(0.25), Mix(0.25, (0, 160, 0, 120))])
def test_sound_is_mixed_by_the_same_share(mix: Mix) -> None:
    audio = torch.randn(4, 1, 256, 128)
    torch.testing.assert_close(mix_audio(audio, mix)[0], 0.25 * audio[0] + 0.75 * audio[3])
    assert mix_audio(audio, Mix(1.0)) is audio


def test_draws_are_distributed_as_timms() -> None:
    rng = np.random.default_rng(0)
    ours = [draw_mix(PAPER, rng) for _ in range(4000)]
    np.random.seed(0)  # noqa: NPY002 (timm's own chance)
    reference = timms.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0)
    theirs: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(4000):
        share, cut = reference._params_per_batch()
        if cut:
            _, share = timms.cutmix_bbox_and_lam((1, 3, 160, 160), share)
        theirs[bool(cut)].append(float(share))
    for cut in (True, False):
        shares = [mix.share for mix in ours if (mix.box is not None) == cut]
        assert len(shares) == pytest.approx(2000, abs=150)
        at = np.linspace(0.05, 0.95, 10)
        np.testing.assert_allclose(np.quantile(shares, at), np.quantile(theirs[cut], at), atol=0.04)
    for mix in ours:
        if mix.box is not None:
            top, bottom, left, right = mix.box
            assert 0 <= top <= bottom <= 160 and 0 <= left <= right <= 160
            assert mix.share == 1 - (bottom - top) * (right - left) / 160**2


def test_a_kind_of_mix_that_is_off_is_never_drawn() -> None:
    def drawn(**changes: float) -> list[Mix]:
        rng = np.random.default_rng(1)
        return [draw_mix(PAPER.model_copy(update=changes), rng) for _ in range(200)]

    assert all(mix.box is None and mix.share < 1 for mix in drawn(cutmix=0.0))
    assert all(mix.box is not None for mix in drawn(mixup=0.0))
    assert set(drawn(mixup=0.0, cutmix=0.0)) == set(drawn(mix_probability=0.0)) == {Mix(1.0)}
    assert 40 < sum(mix == Mix(1.0) for mix in drawn(mix_probability=0.7)) < 80
    assert drawn() == drawn()
    video, _ = batch()
    assert mix_video(video, Mix(1.0)) is video
