"""The training loop on a handful of tiny clips: it learns, resumes exactly, and refuses what it must."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError, TrainingError
from hicmae_cli.models import config
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.training import finetune as module
from hicmae_cli.training.finetune import Progress, finetune
from hicmae_cli.training.pretrain_state import describe_weight
from hicmae_cli.training.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.weights.checkpoint import load_classifier, save_pretrained

LABELS = ("happiness", "sadness")
SETTINGS = FinetuneSettings(
    variant="nano", sampling_rate=1, batch_size=4, num_workers=0, epochs=3, warmup_epochs=0, base_lr=0.1,
    layer_decay=1.0, drop_path=0.1, drop_video_tokens=0.9, drop_audio_tokens=0.5,
    crop_area=(0.9, 1.0), erase=0.0, drop_stream=0.2,
)  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Bright faces with a high tone are happy, dark ones with a low tone sad; four people."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for index in range(12):
        label = LABELS[index % 2]
        rng = np.random.default_rng(index)
        level, pitch_hz = (190, 900) if label == "happiness" else (60, 150)
        faces = rng.integers(level - 40, level + 40, (16, 160, 160, 3)).astype(np.uint8)
        sound = (0.2 * np.sin(2 * np.pi * pitch_hz * np.arange(40960) / 16000)).astype(np.float32)
        path = folder / f"{index}.mkv"
        write_prepared_clip(path, list(faces), 25, sound)
        split = "validation" if index >= 8 else "train"
        found.append(Sample(str(index), path, path, label, split=split, speaker=f"{split}-{index % 4}"))
    return found


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    small = config.ModelDims(width=32, heads=1, depth=2, fusion_depth=1)
    monkeypatch.setitem(config.VARIANTS, "nano", small)


def run(folder: Path, samples: list[Sample], settings: FinetuneSettings = SETTINGS, **more: object) -> Path:
    return finetune(
        folder,
        train=[s for s in samples if s.split == "train"],
        validation=[s for s in samples if s.split == "validation"],
        labels=LABELS, dataset="toys", licence="MIT", front_end="none", source="a test",
        settings=settings, device="cpu", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_it_learns_and_keeps_the_best(samples: list[Sample], tmp_path: Path) -> None:
    best = run(tmp_path / "run", samples, SETTINGS.model_copy(update={"epochs": 12}))
    _, info = load_classifier(best)
    assert info.labels == LABELS
    assert info.metrics["validation"]["uar"] == 1.0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert max(line["validation_uar"] for line in lines) == info.metrics["validation"]["uar"]


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(samples: list[Sample], tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", samples)

    def kill(epoch: int, step: int, *_: object) -> None:
        if (epoch, step) == (2, 2):
            raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path / "cut", samples, progress=Progress(on_step=kill))
    epochs: list[int] = []
    resumed = run(tmp_path / "cut", samples, progress=Progress(on_epoch=lambda r: epochs.append(r.epoch)))
    assert epochs == [2, 3]
    last = [torch.load(r.parent / module.CHECKPOINT, weights_only=True)["model"] for r in (whole, resumed)]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    assert whole.read_bytes() == resumed.read_bytes()


def test_a_finished_run_does_nothing_more(samples: list[Sample], tmp_path: Path) -> None:
    first = run(tmp_path / "run", samples).read_bytes()
    epochs: list[int] = []
    again = run(tmp_path / "run", samples, progress=Progress(on_epoch=lambda r: epochs.append(r.epoch)))
    assert epochs == []
    assert again.read_bytes() == first


def test_other_settings_in_the_same_folder_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    run(tmp_path / "run", samples)
    with pytest.raises(SettingsError, match="seed 0 -> 1"):
        run(tmp_path / "run", samples, SETTINGS.model_copy(update={"seed": 1}))


def test_other_labels_clips_or_starts_in_the_same_folder_are_refused(
    samples: list[Sample], tmp_path: Path
) -> None:
    first = run(tmp_path / "run", samples)
    with pytest.raises(SettingsError, match="clips"):
        run(tmp_path / "run", [s for s in samples if s.id != "0"])
    with pytest.raises(SettingsError, match="init None -> "):
        run(tmp_path / "run", samples, init=first)
    with pytest.raises(SettingsError, match="labels"):
        finetune(
            tmp_path / "run",
            train=[s for s in samples if s.split == "train"],
            validation=[s for s in samples if s.split == "validation"],
            labels=LABELS[::-1], dataset="toys", licence="MIT", front_end="none", source="a test",
            settings=SETTINGS, device="cpu",
        )  # fmt: skip


def test_a_fitted_start_is_resumed_like_any_other(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"fit_start_clips": 8, "epochs": 2})
    whole = run(tmp_path / "whole", samples, settings)
    plain = run(tmp_path / "plain", samples, settings.model_copy(update={"fit_start_clips": 0}))
    assert whole.read_bytes() != plain.read_bytes()

    def kill(epoch: int, step: int, *_: object) -> None:
        if (epoch, step) == (2, 1):
            raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path / "cut", samples, settings, progress=Progress(on_step=kill))
    assert run(tmp_path / "cut", samples, settings).read_bytes() == whole.read_bytes()


def test_frozen_patches_stay_as_they_were_fitted(samples: list[Sample], tmp_path: Path) -> None:
    def patches(epochs: int, freeze: bool) -> list[torch.Tensor]:
        settings = SETTINGS.model_copy(
            update={"fit_start_clips": 8, "epochs": epochs, "freeze_patches": freeze, "base_lr": 1.0}
        )
        model, _ = load_classifier(run(tmp_path / f"{epochs}{freeze}", samples, settings))
        return [model.video_encoder.patches.weight, model.audio_encoder.patches.weight]

    first, last, free = patches(1, True), patches(3, True), patches(3, False)
    assert all(torch.equal(a, b) for a, b in zip(first, last, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, free, strict=True))


def test_an_export_of_an_earlier_epoch_is_not_kept(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    stale = tmp_path / "run" / "best.onnx"
    stale.write_bytes(b"of another run")
    run(tmp_path / "run", samples)
    assert not stale.exists()


def test_people_in_two_splits_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    leaking = [replace(s, speaker="the same") for s in samples]
    with pytest.raises(ManifestError, match="both the training and the validation"):
        run(tmp_path / "run", leaking)


def test_a_split_without_clips_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="validation"):
        run(tmp_path / "run", [s for s in samples if s.split == "train"])


def test_it_can_start_from_another_weight(samples: list[Sample], tmp_path: Path) -> None:
    first = run(tmp_path / "first", samples)
    still = SETTINGS.model_copy(update={"epochs": 1, "base_lr": 1e-12, "min_lr": 0.0, "weight_decay": 0.0})
    second = run(tmp_path / "second", samples, still, init=first)
    theirs, ours = load_classifier(first)[0].state_dict(), load_classifier(second)[0].state_dict()
    assert all(torch.allclose(theirs[name], ours[name], atol=1e-6) for name in theirs)


def test_features_of_a_pretrained_start_are_standardised(samples: list[Sample], tmp_path: Path) -> None:
    settings = PretrainSettings(variant="nano", decoder_width=16, decoder_heads=1, skip_layers=(0, 1))
    model = PretrainingModel(config.VARIANTS["nano"], settings.decoder)
    info = describe_weight(settings, "toys", "MIT", "none", "a test")
    save_pretrained(tmp_path / "pretrained.safetensors", model, info)
    still = {"epochs": 1, "base_lr": 1e-12, "min_lr": 0.0, "weight_decay": 0.0, "fit_start_clips": 8}
    weight = run(
        tmp_path / "run", samples, SETTINGS.model_copy(update=still), init=tmp_path / "pretrained.safetensors"
    )
    tuned = load_classifier(weight)[0]
    torch.testing.assert_close(tuned.video_encoder.patches.weight, model.video_encoder.patches.weight)
    assert tuned.feature_norm.bias.any()
    assert tuned.feature_norm.weight.max() < 3.4


def broken(samples: list[Sample], folder: Path, split: str) -> list[Sample]:
    """One clip of a split replaced by a file that is no clip."""
    (folder / "broken.mkv").write_bytes(b"no clip at all")
    first = next(s for s in samples if s.split == split)
    bad = replace(first, video=folder / "broken.mkv", audio=folder / "broken.mkv")
    return [bad if s is first else s for s in samples]


@pytest.mark.parametrize(("split", "workers"), [("train", 0), ("train", 1), ("validation", 0)])
def test_a_broken_clip_is_named_in_one_line(
    samples: list[Sample], tmp_path: Path, split: str, workers: int
) -> None:
    settings = SETTINGS.model_copy(update={"num_workers": workers})
    with pytest.raises(TrainingError, match=r"^clip \d+: .*broken\.mkv") as caught:
        run(tmp_path / "run", broken(samples, tmp_path, split), settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["best is gone", "checkpoint is damaged"])
def test_a_folder_that_was_tampered_with_is_refused(
    samples: list[Sample], tmp_path: Path, fault: str
) -> None:
    best = run(tmp_path / "run", samples)
    if fault == "best is gone":
        best.unlink()
    else:
        best.with_name(module.CHECKPOINT).write_bytes(b"half a checkpoint")
    with pytest.raises(TrainingError, match="choose another --output or remove the folder"):
        run(tmp_path / "run", samples)


def test_a_large_seed_is_as_good_as_any(tmp_path: Path, samples: list[Sample]) -> None:
    settings = SETTINGS.model_copy(update={"seed": 2**32 - 1, "epochs": 1})
    assert run(tmp_path, samples, settings).is_file()
