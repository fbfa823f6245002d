"""Batches of fine-tuning: augmented items with their targets, each decided by (seed, epoch, clip)."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hicmae_cli.clips import Clip, compute_log_mel, read_prepared_clip, stack_clips, write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import Target
from hicmae_cli.errors import ManifestError, TrainingError
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import cut_kept_faces, cut_patches, keep_patches
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.auxiliary import Cues
from hicmae_cli.training.finetuning.data import (
    LabelledItem,
    TrainingClips,
    label_indices,
    label_sets,
    regression_targets,
    training_loader,
    unpack_batch,
)

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


def item(samples: list[Sample], index: int, settings: FinetuneSettings = SETTINGS, epoch: int = 0) -> LabelledItem:
    found = TrainingClips(samples, LABELS, settings, epoch)[index]
    assert not isinstance(found, str), found
    return found


def same(one: LabelledItem, other: LabelledItem) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_and_prediction_give_the_model_the_same_input() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 16, 160, 160, 3)).astype(np.uint8)
    mel = np.zeros((256, 128), np.float32)
    expected, _ = stack_clips([Clip(faces[0], mel), Clip(None, mel)])
    video = to_video(torch.from_numpy(faces), torch.tensor([True, False]))
    np.testing.assert_allclose(video.numpy(), expected, atol=1e-5)
    keep = torch.stack([torch.randperm(800)[:50] for _ in range(2)])
    patches = to_video(torch.from_numpy(faces), torch.tensor([True, False]), keep)
    torch.testing.assert_close(patches, keep_patches(cut_patches(video, (2, 16, 16)), keep))


def test_seed_epoch_and_clip_decide_an_item_whether_cached_or_read(samples: list[Sample]) -> None:
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


def test_dropped_tokens_stay_in_the_loader(samples: list[Sample], tmp_path: Path) -> None:
    picture = tmp_path / "still.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)).save(picture)
    clips = [*samples, Sample("still", picture, None, LABELS[0])]
    few = SETTINGS.model_copy(update={"drop_video_tokens": 0.875})
    for index in range(len(clips)):
        whole, kept = item(clips, index), item(clips, index, few)
        assert all(torch.equal(a, b) for a, b in zip(whole[1:4], kept[1:4], strict=True))
        patches, at = kept[0], kept[5]
        assert patches.shape == (100, 1536) and patches.dtype == torch.uint8
        # Each place of the face once, at any time.
        assert sorted((at % 100).tolist()) == list(range(100)) and len(set((at // 100).tolist())) > 4
        assert torch.equal(patches, cut_kept_faces(whole[0][None], at[None])[0])
        assert same(kept, item(clips, index, few)) and not torch.equal(at, item(clips, index, few, epoch=1)[5])
    batch = unpack_batch(next(iter(training_loader(clips, LABELS, few, 0, [[0, 4, 5]]))))
    assert batch.kept is not None and batch.faces.shape == (3, 100, 1536)
    expected = [
        to_video(item(clips, index)[0][None], torch.tensor([True]), batch.kept[i][None])
        for i, index in ((0, 0), (2, 5))
    ]
    torch.testing.assert_close(to_video(batch.faces, batch.has_faces)[[0, 2]], torch.cat(expected))
    assert not to_video(batch.faces, batch.has_faces)[1].any()


def test_batches_are_the_requested_ones_in_any_process(samples: list[Sample]) -> None:
    batches = [[2, 0], [1]]
    for workers in (0, 1):
        settings = SETTINGS.model_copy(update={"num_workers": workers})
        loaded = [unpack_batch(b) for b in training_loader(samples, LABELS, settings, 3, batches)]
        assert [batch[3].tolist() for batch in loaded] == [[0, 0], [1]]
        for batch, indices in zip(loaded, batches, strict=True):
            for place, index in enumerate(indices):
                assert same(item(samples, index, epoch=3), tuple(part[place] for part in batch if part is not None))


def test_a_modality_blanks_the_other_stream(samples: list[Sample]) -> None:
    both, video, audio = (
        item(samples, 0, PLAIN.model_copy(update={"modality": modality})) for modality in ("av", "video", "audio")
    )
    assert both[1] and video[1] and not audio[1]
    assert torch.equal(video[0], both[0]) and not audio[0].any()
    assert torch.equal(audio[2], both[2]) and not video[2].any()


def test_a_missing_stream_is_blank_or_an_error(samples: list[Sample]) -> None:
    silent, unseen = item(samples, 3), item(samples, 4)
    assert silent[1] and not silent[2].any()
    assert not unseen[1] and unseen[2].any()
    deaf = TrainingClips(samples, LABELS, SETTINGS.model_copy(update={"modality": "audio"}), 0)
    blind = TrainingClips(samples, LABELS, SETTINGS.model_copy(update={"modality": "video"}), 0)
    assert deaf[3] == f"clip clip3: {samples[3].video}: has no sound to learn from; remove it from the manifest"
    assert blind[4] == f"clip clip4: {samples[4].audio}: has no faces to learn from; remove it from the manifest"


def test_regression_targets_are_numbers(samples: list[Sample]) -> None:
    names = ("arousal", "valence", "dominance")
    rated = [replace(s, target=(i / 2, -0.25, 1.0)) for i, s in enumerate(samples)]
    batches = [[2, 1]]
    loader = training_loader(rated, names, SETTINGS, 0, batches, task="regression")
    target = unpack_batch(next(iter(loader)))[3]
    assert target.dtype == torch.float32
    assert target.tolist() == [[1.0, -0.25, 1.0], [0.5, -0.25, 1.0]]


def test_sets_of_labels_are_zeros_and_ones(samples: list[Sample]) -> None:
    names = ("anger", "fear", "sadness")
    blended = [replace(s, target=frozenset({"fear", names[i % 3]})) for i, s in enumerate(samples)]
    loader = training_loader(blended, names, SETTINGS, 0, [[2, 1]], task="multilabel")
    target = unpack_batch(next(iter(loader)))[3]
    assert target.dtype == torch.float32
    assert target.tolist() == [[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
    with pytest.raises(ManifestError, match=f"clip {samples[0].id}: label 'anger' is not one of fear, sadness"):
        label_sets(blended, names[1:])


@pytest.mark.parametrize("target", [(), (1.0,), (1.0, 2.0, 3.0), "high", "0.5 0.25"])
def test_a_target_with_the_wrong_number_of_values_is_named(target: Target) -> None:
    two = ("arousal", "valence")
    assert regression_targets([Sample("a", None, None, (0.5, 0.25))], two).tolist() == [[0.5, 0.25]]
    with pytest.raises(ManifestError, match=r"clip a: expected 2 numbers \(arousal, valence\)"):
        regression_targets([Sample("b", None, None, (1.0, 2.0)), Sample("a", None, None, target)], two)


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(ManifestError, match="clip a: label 'joy' is not one of happiness, sadness"):
        label_indices([Sample("a", None, None, "joy")], LABELS)


def test_broken_clips_are_all_named(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"no clip at all")
    bad = replace(samples[0], id="bad", video=tmp_path / "broken.mkv")
    gone = replace(samples[0], id="lost", video=tmp_path / "gone.mkv")
    loader = training_loader([bad, samples[1], gone], LABELS, SETTINGS, 0, [[0, 1, 2]])
    with pytest.raises(TrainingError, match=r"^clip bad: .*broken\.mkv.*; clip lost: .*gone\.mkv"):
        unpack_batch(next(iter(loader)))


def test_own_data_is_trained_on_by_time(samples: list[Sample]) -> None:
    timed = PLAIN.model_copy(update={"sampling": "time", "sampling_rate": 4})
    clip = read_prepared_clip(samples[0].video, samples[0].audio)
    view = clip.draw_training_view(None, np.random.default_rng([timed.seed, 2, 0]))
    faces, _, audio, _ = item(samples, 0, timed, epoch=2)
    expected = clip.decode_faces(view, exact=False)
    assert expected is not None and np.array_equal(faces.numpy(), expected)
    assert clip.samples is not None
    np.testing.assert_array_equal(audio[0].numpy(), compute_log_mel(view.cut_audio(clip.samples)))
    assert view.audio_end - view.audio_start == 40960 and len(set(view.frames)) == 16


def test_a_still_moves_in_another_way_in_each_epoch(tmp_path: Path) -> None:
    face = np.random.default_rng(0).integers(60, 200, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(face).resize((160, 160)).save(tmp_path / "a.png")
    still = [Sample("a", tmp_path / "a.png", None, "happiness")]
    faces, has_faces, sound, _ = item(still, 0, PLAIN)
    assert bool(has_faces) and not sound.any()
    assert not (faces[1:] == faces[:-1]).flatten(1).all(1).any()
    assert same(item(still, 0, PLAIN), item(still, 0, PLAIN))
    assert not torch.equal(faces, item(still, 0, PLAIN, epoch=1)[0])


def test_a_clip_that_is_drawn_twice_in_an_epoch_is_changed_in_two_ways(samples: list[Sample]) -> None:
    plainer = SETTINGS.model_copy(update={"rand_augment": ""})
    drawn = TrainingClips(samples, LABELS, plainer, 0, rows=[1, 0, 1])
    first, second = drawn[0], drawn[2]
    assert not isinstance(first, str) and not isinstance(second, str) and len(drawn) == 3
    assert not torch.equal(first[0], second[0]) and not torch.equal(first[2], second[2])
    assert first[3] == second[3] == 1
    loader = training_loader(samples, LABELS, plainer, 0, [[2, 1]], rows=[1, 0, 1])
    batch = unpack_batch(next(iter(loader)))
    assert torch.equal(batch.faces[0], second[0]) and batch.targets.tolist() == [1, 0]


# Without pictures, frames cannot be counted: 16 of them would be 0.64 s.
TIMED = {"sampling": "time"}


def pair(samples: list[Sample], row: int, **keys: Any) -> LabelledItem:
    """The item of a sad face (0) or of a happy voice (1), which can only be paired with each other."""
    clips = [replace(samples[1], audio=None), replace(samples[2], video=None)]
    settings = PLAIN.model_copy(
        update={"label_smoothing": 0.0, "pair_streams": 1.0, "pair_disagreeing": 1.0, **TIMED, **keys}
    )
    return item(clips, row, settings)


def test_a_pair_has_the_faces_of_one_clip_and_the_sound_of_the_other(samples: list[Sample]) -> None:
    timed = PLAIN.model_copy(update=TIMED)
    alone, voice = item(samples, 1, timed), item(samples, 2, timed)
    for row in (0, 1):
        faces, has_faces, sound, target = pair(samples, row)
        assert has_faces and sound.any()
        # The mean levels tell the clips apart, whatever view was drawn.
        assert abs(float(faces.float().mean() - alone[0].float().mean())) < 0.5
        assert abs(float(sound.mean() - voice[2].mean())) < 0.05
        assert target.tolist() == [0.5, 0.5]


def test_an_agreeing_pair_keeps_its_label_and_others_stay_alone(samples: list[Sample]) -> None:
    clips = [
        replace(samples[0], audio=None),
        replace(samples[2], video=None),
        samples[1],
        replace(samples[3], audio=None),
    ]
    settings = PLAIN.model_copy(update={"pair_streams": 1.0})
    found = [item(clips, row, settings) for row in range(4)]
    assert [int(target) for *_, target in found] == [0, 0, 1, 1]
    assert [bool(has_faces) for _, has_faces, _, _ in found] == [True] * 4
    assert [bool(sound.any()) for _, _, sound, _ in found] == [True, True, True, False]
    assert same(found[2], item(clips, 2, PLAIN.model_copy(update={"drop_stream": 0.0})))


def test_a_pair_whose_stream_is_withheld_has_the_target_of_the_other_one(samples: list[Sample]) -> None:
    seen = set()
    for seed in range(4):
        _, has_faces, sound, target = pair(samples, seed % 2, drop_stream=1.0, seed=seed)
        assert bool(has_faces) != bool(sound.any())
        # The faces are sad, and the voice is happy.
        assert target.tolist() == ([0.0, 1.0] if has_faces else [1.0, 0.0])
        seen.add(bool(has_faces))
    assert seen == {True, False}


def test_auxiliary_targets_follow_the_faces_and_the_voice_that_an_item_has(samples: list[Sample]) -> None:
    clips = [replace(samples[1], audio=None), replace(samples[2], video=None)]
    cues = Cues(("aux_face_smile", "aux_voice_pitch"), torch.tensor([[0.5, math.nan], [0.9, 40.0]]))
    keys = {"pair_streams": 1.0, "pair_disagreeing": 1.0, **TIMED}
    seen = set()
    for seed, drop_stream in ((0, 0.0), (1, 0.0), (0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)):
        settings = PLAIN.model_copy(update={**keys, "drop_stream": drop_stream, "seed": seed})
        found = TrainingClips(clips, LABELS, settings, 0, cues=cues)[seed % 2]
        assert not isinstance(found, str) and len(found) == 5
        has_faces, has_sound = bool(found[1]), bool(found[2].any())
        expected = [0.5 if has_faces else math.nan, 40.0 if has_sound else math.nan]
        np.testing.assert_array_equal(found[4], expected)
        seen.add((has_faces, has_sound))
    assert len(seen) == 3
    both = TrainingClips(samples[:1], LABELS, PLAIN.model_copy(update={"modality": "video"}), 0, cues=cues)[0]
    assert not isinstance(both, str)
    np.testing.assert_array_equal(both[4], [0.5, math.nan])


def test_a_broken_partner_is_named(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"no clip at all")
    clips = [replace(samples[0], audio=None), replace(samples[2], id="bad", video=None, audio=tmp_path / "broken.mkv")]
    found = TrainingClips(clips, LABELS, PLAIN.model_copy(update={"pair_streams": 1.0}), 0)[0]
    assert isinstance(found, str)
    assert found.startswith("clip clip0: ") and "its partner bad: " in found and "broken.mkv" in found


def test_a_teacher_reaches_the_targets(samples: list[Sample]) -> None:
    columns = {"teacher_happiness": "0.25", "teacher_sadness": "0.75"}
    clips = [replace(samples[0], extra=columns), samples[1]]
    settings = PLAIN.model_copy(update={"teacher_weight": 0.5, "label_smoothing": 0.0})
    assert [item(clips, row, settings)[3].tolist() for row in (0, 1)] == [[0.625, 0.375], [0.0, 1.0]]
