"""What fine-tuning is fed: augmented items with their targets, each from (seed, epoch, clip)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.clips import Clip, read_prepared_clip, stack_clips, write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, TrainingError
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import cut_patches, keep_patches
from hicmae_cli.training.finetuning.data import (
    Item,
    TrainingClips,
    label_indices,
    regression_targets,
    training_loader,
    unbroken,
)
from hicmae_cli.training.settings import FinetuneSettings

LABELS = ("happiness", "sadness")
SETTINGS = FinetuneSettings(sampling_rate=1, num_workers=0)
PLAIN = SETTINGS.model_copy(
    update={"rand_augment": "", "crop_area": (1.0, 1.0), "flip": 0.0, "erase": 0.0, "audio_gain": False}
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Three clips with faces and sound, one without sound, one without faces."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for index in range(5):
        rng = np.random.default_rng(index)
        faces = rng.integers(60, 200, (20, 160, 160, 3)).astype(np.uint8)
        sound = rng.normal(0, 0.1, 51200).astype(np.float32)
        path = folder / f"{index}.mkv"
        write_prepared_clip(path, list(faces), Fraction(25, 4), None if index == 3 else sound)
        found.append(Sample(f"clip{index}", None if index == 4 else path, path, LABELS[index % 2]))
    return found


def item(samples: list[Sample], index: int, settings: FinetuneSettings = SETTINGS, epoch: int = 0) -> Item:
    found = TrainingClips(samples, LABELS, settings, epoch)[index]
    assert not isinstance(found, str), found
    return found


def same(one: Item, other: Item) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_sees_what_prediction_sees() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 16, 160, 160, 3)).astype(np.uint8)
    mel = np.zeros((256, 128), np.float32)
    expected, _ = stack_clips([Clip(faces[0], mel), Clip(None, mel)])
    video = to_video(torch.from_numpy(faces), torch.tensor([True, False]))
    np.testing.assert_allclose(video.numpy(), expected, atol=1e-5)
    keep = torch.stack([torch.randperm(800)[:50] for _ in range(2)])
    patches = to_video(torch.from_numpy(faces), torch.tensor([True, False]), keep)
    torch.testing.assert_close(patches, keep_patches(cut_patches(video, (2, 16, 16)), keep))


def test_chance_follows_from_seed_epoch_and_clip_and_not_from_where_it_is_read(samples: list[Sample]) -> None:
    cache = [read_prepared_clip(s.video, s.audio).decode_all(exact=False) for s in samples]
    for index in range(3):
        first = item(samples, index)
        assert first[0].shape == (16, 160, 160, 3) and first[0].dtype == torch.uint8
        assert first[2].shape == (1, 256, 128) and first[2].dtype == torch.float32
        assert same(first, item(samples, index))
        cached = TrainingClips(samples, LABELS, SETTINGS, 0, cache)[index]
        assert not isinstance(cached, str) and same(first, cached)
        for other in (item(samples, index, epoch=1), item(samples, index, SETTINGS.model_copy(update={"seed": 1}))):
            assert not torch.equal(first[0], other[0])
            assert not torch.equal(first[2], other[2])


def test_batches_are_those_asked_for_whatever_reads_them(samples: list[Sample]) -> None:
    batches = [[2, 0], [1]]
    for workers in (0, 1):
        settings = SETTINGS.model_copy(update={"num_workers": workers})
        loaded = [unbroken(b) for b in training_loader(samples, LABELS, settings, 3, batches)]
        assert [batch[3].tolist() for batch in loaded] == [[0, 0], [1]]
        for batch, indices in zip(loaded, batches, strict=True):
            for place, index in enumerate(indices):
                assert same(item(samples, index, epoch=3), tuple(part[place] for part in batch))  # type: ignore[arg-type]


def test_a_modality_withholds_the_other_stream(samples: list[Sample]) -> None:
    both, video, audio = (
        item(samples, 0, PLAIN.model_copy(update={"modality": modality})) for modality in ("av", "video", "audio")
    )
    assert both[1] and video[1] and not audio[1]
    assert torch.equal(video[0], both[0]) and not audio[0].any()
    assert torch.equal(audio[2], both[2]) and not video[2].any()


def test_a_stream_that_is_not_there_is_empty_or_named(samples: list[Sample]) -> None:
    silent, unseen = item(samples, 3), item(samples, 4)
    assert silent[1] and not silent[2].any()
    assert not unseen[1] and unseen[2].any()
    deaf = TrainingClips(samples, LABELS, SETTINGS.model_copy(update={"modality": "audio"}), 0)
    blind = TrainingClips(samples, LABELS, SETTINGS.model_copy(update={"modality": "video"}), 0)
    assert deaf[3] == f"clip clip3: {samples[3].video}: has no sound to learn from; leave it out"
    assert blind[4] == f"clip clip4: {samples[4].audio}: has no faces to learn from; leave it out"


def test_regression_targets_are_numbers(samples: list[Sample]) -> None:
    names = ("arousal", "valence", "dominance")
    rated = [replace(s, label=f"{i / 2} -0.25 1e0") for i, s in enumerate(samples)]
    batches = [[2, 1]]
    loader = training_loader(rated, names, SETTINGS, 0, batches, regression=True)
    target = unbroken(next(iter(loader)))[3]
    assert target.dtype == torch.float32
    assert target.tolist() == [[1.0, -0.25, 1.0], [0.5, -0.25, 1.0]]


@pytest.mark.parametrize("label", ["", "0.5 0.25", "1 2 3", "0.5 nan", "0.5 high", "inf 1"])
def test_a_label_that_is_not_as_many_numbers_is_named(label: str) -> None:
    two = ("arousal", "valence")
    if label == "0.5 0.25":
        assert regression_targets([Sample("a", None, None, label)], two).tolist() == [[0.5, 0.25]]
        return
    with pytest.raises(ManifestError, match=r"clip a: expected 2 numbers \(arousal, valence\)"):
        regression_targets([Sample("b", None, None, "1 2"), Sample("a", None, None, label)], two)


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(ManifestError, match="clip a: label 'joy' is not one of happiness, sadness"):
        label_indices([Sample("a", None, None, "joy")], LABELS)


def test_broken_clips_are_all_named(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"no clip at all")
    bad = replace(samples[0], id="bad", video=tmp_path / "broken.mkv")
    gone = replace(samples[0], id="lost", video=tmp_path / "gone.mkv")
    loader = training_loader([bad, samples[1], gone], LABELS, SETTINGS, 0, [[0, 1, 2]])
    with pytest.raises(TrainingError, match=r"^clip bad: .*broken\.mkv.*; clip lost: .*gone\.mkv"):
        unbroken(next(iter(loader)))
