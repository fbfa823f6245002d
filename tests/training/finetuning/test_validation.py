"""Validation in batches scores as ``score_clips`` does clip by clip, and names broken clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from hicmae_cli.clips import PreparedClip, read_prepared_clip, write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import TrainingError
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.losses import LOSSES
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning import validation
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.finetuning.validation import ValidationReader, ViewBatch, validate_clips
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.weights.info import WeightInfo
from tests.evaluation.toys import info_of
from tests.training.toys import FINETUNE_SETTINGS, LABELS

SETTINGS = FINETUNE_SETTINGS.model_copy(update={"batch_size": 3})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Clips of one view and of two, one of them silent."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(0)
    samples = []
    for index, frames in enumerate((4, 20, 18, 16)):
        faces = rng.integers(0, 255, (frames, 160, 160, 3)).astype(np.uint8)
        sound = None if index == 2 else rng.normal(0, 0.1, frames * 640).astype(np.float32)
        path = folder / f"{index}.mkv"
        write_prepared_clip(path, list(faces), 25, sound)
        samples.append(Sample(path.stem, path, path, LABELS[index % 2]))
    return samples


def reader(samples: list[Sample], settings: FinetuneSettings = SETTINGS) -> ValidationReader:
    return ValidationReader(samples, settings, new_accelerator("no", "cpu"))


def make_info(**changes: object) -> WeightInfo:
    dims = SETTINGS.dims.to_dict()
    return info_of(variant="custom", dims=dims, labels=LABELS, sampling_rate=1, **changes)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_batches_score_as_clip_by_clip_and_run_equal_views_once(mixed: list[Sample], workers: int) -> None:
    info = make_info()
    torch.manual_seed(0)
    model = build_classifier(info.architecture)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter)  # outputs that differ between clips
    alone = score_clips(mixed, TorchEngine(model, info, "cpu"))["av"]
    seen: list[int] = []
    done: list[int] = []
    handle = model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    settings = SETTINGS.model_copy(update={"num_workers": workers})
    read = reader(mixed, settings)
    assert read.check() == []
    found = validate_clips(model, info, read, TaskLoss(LOSSES["cross_entropy"]), done.append)
    handle.remove()
    assert found.scores == pytest.approx(alone.metrics, abs=1e-12)
    assert done == [3, 4]
    assert sum(seen) == 1 + 2 + 2 + 1
    # The loss by hand: the mean over two views of each clip.
    chances = [view[LABELS.index(str(sample.target))] for sample in alone.samples for view in sample.views]
    assert found.loss == pytest.approx(-np.log(chances).mean(), rel=1e-4)


@pytest.mark.parametrize(("room", "again"), [(10**9, []), (4_300_000, ["3"])])
def test_what_fits_into_memory_is_read_once(
    mixed: list[Sample], monkeypatch: pytest.MonkeyPatch, room: int, again: list[str]
) -> None:
    """The first batch, three clips of one view each, takes 4.0 MB."""
    mixed = [mixed[0], mixed[3], mixed[0], mixed[3]]
    seen: list[str] = []

    def spy(video: Path, audio: Path) -> PreparedClip:
        seen.append(video.stem)
        return read_prepared_clip(video, audio)

    monkeypatch.setattr(validation, "_KEPT_BYTES", room)
    monkeypatch.setattr(validation, "read_prepared_clip", spy)
    read = reader(mixed)
    assert read.check() == []
    assert seen == ["0", "3", "0", "3"]
    seen.clear()
    assert [batch.clips for batch in read.batches()] == [[0, 1, 2], [3]]
    assert seen == again


def test_a_clip_that_vanishes_stops_validation_with_its_name(mixed: list[Sample]) -> None:
    gone = [*mixed[:3], replace(mixed[3], video=Path("gone.mkv"), audio=Path("gone.mkv"))]
    with pytest.raises(TrainingError, match=r"clip 3: .*gone\.mkv"):
        validate_clips(cast(Any, None), make_info(), reader(gone[3:]), TaskLoss(LOSSES["cross_entropy"]))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_scores_do_not_depend_on_the_number_of_processes(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five clips in shares that differ in size: none is scored twice, and all are in order."""
    clips = [Sample(str(index), Path("a.mkv"), None, LABELS[index % 2]) for index in range(5)]
    shares: list[dict[int, Any]] = []

    def gather(_: object, own: dict[int, Any]) -> list[dict[int, Any]]:
        shares.append(own)
        return shares

    def run_views(_: object, batch: ViewBatch, *more: object) -> dict[int, Any]:
        return {clip: np.array([[clip, 2.0]], np.float32) for clip in batch.clips}

    monkeypatch.setattr(validation, "gather_objects", gather)
    monkeypatch.setattr(validation, "_run_views", run_views)
    empty = torch.empty(0)
    for process in reversed(range(processes)):
        read = reader(clips)
        share = range(process, 5, processes)
        batch = ViewBatch([], list(share), [], empty, empty, empty)
        monkeypatch.setattr(read, "batches", lambda batch=batch: [batch])
        try:
            found = validate_clips(cast(Any, None), make_info(), read, TaskLoss(LOSSES["cross_entropy"]))
        except KeyError:  # the shares of the others are missing
            assert process
    assert sorted(clip for share in shares for clip in share) == list(range(5))
    # Clips 0 and 1 are taken for the second class, 3 and 4 for the first, and 2 for either: the first of them.
    assert found.scores["war"] == pytest.approx(3 / 5)


def test_every_broken_clip_is_named(tmp_path: Path, mixed: list[Sample]) -> None:
    (tmp_path / "a.mkv").write_bytes(b"no clip")
    broken = [replace(clip, video=tmp_path / "a.mkv") for clip in mixed[:2]]
    first, second = reader(broken).check()
    assert first.startswith("clip 0: ") and "a.mkv" in first
    assert second.startswith("clip 1: ")


def test_clips_without_the_stream_are_named(mixed: list[Sample]) -> None:
    assert reader(mixed[2:3]).check() == []
    only_sound = SETTINGS.model_copy(update={"modality": "audio"})
    assert reader(mixed[2:3], only_sound).check() == ["clip 2: has no audio"]
