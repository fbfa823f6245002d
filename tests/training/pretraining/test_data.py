"""The data of pre-training: clips, masks, and replacements of broken recordings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.augmentation.faces import multi_scale_crop
from hicmae_cli.clips import compute_log_mel, write_prepared_clip
from hicmae_cli.clips.recording import Recording, read_random_window
from hicmae_cli.errors import TrainingError
from hicmae_cli.training.pretraining.data import (
    MaskedBatch,
    PretrainingClips,
    collate,
    pretraining_loader,
    read_example,
    read_short,
    unwrap_batch,
)
from tests.training.toys import SETTINGS, write_recordings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return write_recordings(tmp_path_factory.mktemp("clips"), 4)


def items(recordings: list[Recording], epoch: int = 0, **changes: object) -> list[MaskedBatch]:
    clips = PretrainingClips(recordings, SETTINGS.model_copy(update=changes), epoch)
    return [unwrap_batch(clips[index]) for index in range(len(clips))]


def same(one: MaskedBatch, other: MaskedBatch) -> bool:
    tensors = ((b.faces, b.audio, *b.video_mask, *b.audio_mask) for b in (one, other))
    return all(torch.equal(a, b) for a, b in zip(*tensors, strict=True))


def test_random_numbers_follow_from_seed_epoch_and_clip(recordings: list[Recording]) -> None:
    first, again = items(recordings), items(recordings)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    for other in (items(recordings, epoch=1), items(recordings, seed=1)):
        assert not any(same(a, b) for a, b in zip(first, other, strict=True))
    assert not torch.equal(first[0].video_mask[1], first[1].video_mask[1])


def test_workers_change_nothing(recordings: list[Recording]) -> None:
    batches = [[0, 1], [2, 3]]
    alone, helped = (
        [
            unwrap_batch(b)
            for b in pretraining_loader(recordings, SETTINGS.model_copy(update={"num_workers": n}), 0, batches)
        ]
        for n in (0, 2)
    )
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


def test_cached_windows_equal_those_read_from_files(recordings: list[Recording], tmp_path: Path) -> None:
    long = tmp_path / "long.mkv"
    frames = [np.full((160, 160, 3), 40 + t, np.uint8) for t in range(20)]
    write_prepared_clip(long, frames, Fraction(25, 4), np.ones(51200, np.float32) / 9)
    mixed = [*recordings, Recording("long", long, None), Recording("gone", tmp_path / "gone.mkv", None)]
    cache = read_short(mixed)
    assert sorted(cache) == [0, 1, 2, 3]  # the long one has many windows, the absent one none
    plain, kept = PretrainingClips(mixed, SETTINGS, 2), PretrainingClips(mixed, SETTINGS, 2, cache)
    for index in range(5):
        assert same(unwrap_batch(plain[index]), unwrap_batch(kept[index]))
    assert unwrap_batch(kept[5]).faults == unwrap_batch(plain[5]).faults


def test_collate_stacks_in_order(recordings: list[Recording]) -> None:
    single = items(recordings)
    batch = unwrap_batch(collate(single))
    assert batch.faces.shape == (4, 16, 160, 160, 3)
    assert batch.faces.dtype == torch.uint8
    assert batch.audio.shape == (4, 1, 256, 128)
    assert [t.shape for t in (*batch.video_mask, *batch.audio_mask)] == [(4, 80), (4, 720), (4, 26), (4, 102)]
    assert batch.ids == tuple(recording.id for recording in recordings)
    assert torch.equal(batch.video_mask[0][2], single[2].video_mask[0][0])
    assert batch.to(torch.device("cpu")).ids == batch.ids


def test_an_example_is_not_augmented(recordings: list[Recording]) -> None:
    clip = read_example(recordings, SETTINGS)
    assert same(clip, read_example(recordings, SETTINGS))
    faces, samples = read_random_window(recordings[0], np.random.default_rng(0))
    assert torch.equal(clip.faces[0], torch.from_numpy(faces))
    assert torch.equal(clip.audio[0, 0], torch.from_numpy(compute_log_mel(samples)))


def test_another_clip_replaces_a_broken_one(recordings: list[Recording], tmp_path: Path) -> None:
    mixed = [recordings[0], Recording("gone", tmp_path / "gone.mkv", None), recordings[1]]
    clips = PretrainingClips(mixed, SETTINGS, 0)
    substitute = unwrap_batch(clips[1])
    assert substitute.ids[0] in {recordings[0].id, recordings[1].id}
    assert [id_ for id_, _ in substitute.faults] == ["gone"]
    assert "no such file" in substitute.faults[0][1]
    assert unwrap_batch(clips[0]).faults == ()
    assert same(substitute, unwrap_batch(PretrainingClips(mixed, SETTINGS, 0)[1]))


def test_a_corpus_without_a_usable_clip_is_an_error(tmp_path: Path) -> None:
    gone = [Recording(str(i), tmp_path / f"{i}.mkv", None) for i in range(3)]
    item = PretrainingClips(gone, SETTINGS, 0)[1]
    assert isinstance(item, str)
    with pytest.raises(TrainingError, match="none of 3 recordings that were tried"):
        unwrap_batch(collate([item]))


def test_crops_are_nearly_square_and_inside_the_picture() -> None:
    rows, columns = np.mgrid[0:160, 0:160]
    picture = np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    faces = np.stack([picture] * 16)
    shapes = set()
    for seed in range(300):
        crop = multi_scale_crop(faces, (1.0, 0.875, 0.75, 0.66), np.random.default_rng(seed))
        assert crop.shape == faces.shape
        assert (crop == crop[:1]).all()  # the same for all frames
        height, width = (int(np.ptp(crop[0, :, :, axis])) + 1 for axis in (0, 1))
        shapes.add((height, width))
    # Of 160, 140, 120 and 105, at most one step apart; interpolation may lose a pixel at an edge.
    sizes = (160, 140, 120, 105)
    near = {(a, b) for i, a in enumerate(sizes) for j, b in enumerate(sizes) if abs(i - j) <= 1}
    found = {(min(sizes, key=lambda s: abs(s - h)), min(sizes, key=lambda s: abs(s - w))) for h, w in shapes}
    assert found == near
    assert all(min(abs(s - side) for s in sizes) <= 1 for shape in shapes for side in shape)
