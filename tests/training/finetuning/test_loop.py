"""The training loop on a handful of tiny clips: it learns, and refuses what it must."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError, TrainingError
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.training.finetuning.data import Batch
from hicmae_cli.training.finetuning.parts import parts_of
from hicmae_cli.training.finetuning.step import Learning, train_step
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.training.pretraining.state import describe_weight
from hicmae_cli.weights.checkpoint import load_classifier, save_pretrained
from tests.training.toys import FINETUNE_SETTINGS as SETTINGS
from tests.training.toys import LABELS, TASK, numbers, tune, tuned
from tests.training.toys import SETTINGS as PRETRAIN_SETTINGS


def test_it_learns_and_keeps_the_best(samples: list[Sample], tmp_path: Path) -> None:
    best = tuned(tmp_path / "run", samples, SETTINGS.model_copy(update={"epochs": 12}))
    _, info = load_classifier(best)
    assert info.labels == LABELS
    assert info.metrics["validation"]["uar"] == 1.0
    lines = numbers(tmp_path / "run")
    assert [line["step"] for line in lines] == [2 * (epoch + 1) for epoch in range(12)]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert max(line["validation.uar"] for line in lines) == info.metrics["validation"]["uar"]
    assert lines[-1]["best"] == 1.0
    assert info.selection == "val"


def test_the_average_of_the_weights_is_what_is_judged_and_kept(samples: list[Sample], tmp_path: Path) -> None:
    last = SETTINGS.model_copy(update={"selection": "last", "epochs": 2, "ema_decay": 0.999})
    average, _ = load_classifier(tuned(tmp_path / "ema", samples, last, validation=[]))
    plain, _ = load_classifier(
        tuned(tmp_path / "plain", samples, last.model_copy(update={"ema_decay": None}), validation=[])
    )
    first = last.model_copy(update={"epochs": 1, "ema_decay": None})
    start_, _ = load_classifier(tuned(tmp_path / "first", samples, first, validation=[]))
    name = "head.weight"
    far, near = ((model.state_dict()[name] - plain.state_dict()[name]).norm() for model in (start_, average))
    # The average of four steps remembers the first (weight 1 at its start) far more than the last.
    assert near > 0.5 * far


def test_patience_ends_a_run_and_a_second_call_knows(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 40, "patience": 2, "base_lr": 1e-9, "min_lr": 0.0})
    outcome = tune(tmp_path / "run", samples, settings)
    assert outcome.finished
    assert outcome.early
    assert outcome.step == 2 * 3  # the first epoch is the best, two more are no better
    again = tune(tmp_path / "run", samples, settings)
    assert (again.step, again.early) == (outcome.step, True)


def test_the_last_epoch_needs_no_validation(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"selection": "last"})
    weight = tuned(tmp_path / "run", samples, settings, validation=[])
    assert weight.name == "last.safetensors"
    _, info = load_classifier(weight)
    assert info.selection == "last"
    assert info.metrics == {"training": {"epoch": 3}}
    with pytest.raises(SettingsError, match="no use for validation clips"):
        tuned(tmp_path / "other", samples, settings)


def test_a_weight_chosen_on_the_test_clips_says_so(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"selection": "test-best"})
    _, info = load_classifier(tuned(tmp_path / "run", samples, settings))
    assert info.selection == "test-best"
    assert "uar" in info.metrics["test"]
    assert all("test.uar" in line and "validation.uar" not in line for line in numbers(tmp_path / "run"))
    assert "validation" not in info.metrics


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_model_of_one_stream_never_sees_the_other(
    samples: list[Sample], tmp_path: Path, modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(update={"modality": modality, "epochs": 1, "drop_stream": 0.0})
    seen: list[tuple[bool, bool]] = []
    forward = Classifier.forward

    def spy(self: Classifier, video: torch.Tensor, audio: torch.Tensor, *keep: object) -> torch.Tensor:
        seen.append((bool(video.any()), bool(audio.any())))
        return forward(self, video, audio, *keep)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "forward", spy)
    _, info = load_classifier(tuned(tmp_path / "run", samples, settings))
    assert info.modality == modality
    assert set(seen) == {(modality == "video", modality == "audio")}


@pytest.mark.parametrize("loss", ["auto", pytest.param("ccc", marks=pytest.mark.slow)])
def test_it_learns_numbers(samples: list[Sample], tmp_path: Path, loss: str) -> None:
    """Two targets, of which brightness and pitch tell the first up and the second down."""
    measured = [replace(s, label="0.8 -1.5" if s.label == "happiness" else "-0.4 1.25") for s in samples]
    settings = SETTINGS.model_copy(update={"loss": loss, "epochs": 12, "warmup_epochs": 2.0})
    task = replace(TASK, kind="regression", labels=("arousal", "valence"))
    weight = tuned(tmp_path / "run", measured, settings, task=task)
    _, info = load_classifier(weight)
    assert info.task == "regression"
    assert info.labels == ("arousal", "valence")
    assert info.metrics["validation"]["ccc"] > 0.7
    lines = numbers(tmp_path / "run")
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_rare_classes_may_weigh_more(samples: list[Sample], tmp_path: Path) -> None:
    few = [s for s in samples if s.split == "validation" or s.label == "happiness" or s.id in ("01",)]
    settings = SETTINGS.model_copy(update={"batch_size": 5, "epochs": 1})
    plain = tuned(tmp_path / "plain", few, settings)
    weighted = tuned(tmp_path / "weighted", few, settings.model_copy(update={"class_weights": "balanced"}))
    assert plain.read_bytes() != weighted.read_bytes()


def test_frozen_patches_stay_as_they_were_fitted(samples: list[Sample], tmp_path: Path) -> None:
    def patches(epochs: int, freeze: bool) -> list[torch.Tensor]:
        settings = SETTINGS.model_copy(
            update={"fit_start_clips": 8, "epochs": epochs, "freeze_patches": freeze, "base_lr": 1.0}
        )
        model, _ = load_classifier(tuned(tmp_path / f"{epochs}{freeze}", samples, settings))
        return [model.video_encoder.patches.weight, model.audio_encoder.patches.weight]

    first, last, free = patches(1, True), patches(2, True), patches(2, False)
    assert all(torch.equal(a, b) for a, b in zip(first, last, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, free, strict=True))


def test_people_in_two_splits_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    leaking = [replace(s, speaker="the same") for s in samples]
    with pytest.raises(ManifestError, match="both the training and the validation"):
        tuned(tmp_path / "run", leaking)


def test_a_split_without_clips_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="validation"):
        tuned(tmp_path / "run", [s for s in samples if s.split == "train"])


def test_it_can_start_from_another_weight(samples: list[Sample], tmp_path: Path) -> None:
    first = tuned(tmp_path / "first", samples)
    still = SETTINGS.model_copy(update={"epochs": 1, "base_lr": 1e-12, "min_lr": 0.0, "weight_decay": 0.0})
    second = tuned(tmp_path / "second", samples, still, init=first)
    theirs, ours = load_classifier(first)[0].state_dict(), load_classifier(second)[0].state_dict()
    assert all(torch.allclose(theirs[name], ours[name], atol=1e-6) for name in theirs)


def test_features_of_a_pretrained_start_are_standardised(samples: list[Sample], tmp_path: Path) -> None:
    model = build_pretraining_model(PRETRAIN_SETTINGS.architecture)
    info = describe_weight(PRETRAIN_SETTINGS, "toys", "MIT", "none", "a test")
    save_pretrained(tmp_path / "pretrained.safetensors", model, info)
    still = {"epochs": 1, "base_lr": 1e-12, "min_lr": 0.0, "weight_decay": 0.0, "fit_start_clips": 8}
    weight = tuned(
        tmp_path / "run", samples, SETTINGS.model_copy(update=still), init=tmp_path / "pretrained.safetensors"
    )
    classifier = load_classifier(weight)[0]
    torch.testing.assert_close(classifier.video_encoder.patches.weight, model.video_encoder.patches.weight)
    assert classifier.feature_norm.bias.any()
    assert classifier.feature_norm.weight.max() < 3.4


def broken(samples: list[Sample], folder: Path, split: str) -> list[Sample]:
    """One clip of a split replaced by a file that is no clip."""
    (folder / "broken.mkv").write_bytes(b"no clip at all")
    first = next(s for s in samples if s.split == split)
    bad = replace(first, video=folder / "broken.mkv", audio=folder / "broken.mkv")
    return [bad if s is first else s for s in samples]


@pytest.mark.parametrize(("split", "workers"), [("train", 0), ("train", 1), ("validation", 0)])
def test_a_broken_clip_is_named_in_one_line(samples: list[Sample], tmp_path: Path, split: str, workers: int) -> None:
    settings = SETTINGS.model_copy(update={"num_workers": workers})
    with pytest.raises(TrainingError, match=r"^clip \d+: .*broken\.mkv") as caught:
        tuned(tmp_path / "run", broken(samples, tmp_path, split), settings)
    assert "\n" not in str(caught.value)
    assert not multiprocessing.active_children()  # or Python would wait at its end for those that ignore its signal


def test_a_large_seed_is_as_good_as_any(tmp_path: Path, samples: list[Sample]) -> None:
    settings = SETTINGS.model_copy(update={"seed": 2**32 - 1, "epochs": 1})
    assert tuned(tmp_path, samples, settings).is_file()


def test_a_gradient_that_is_not_finite_stops_the_run(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(outputs: torch.Tensor, targets: torch.Tensor, **_: object) -> torch.Tensor:
        return (outputs * 0).sum().sqrt()  # 0, with a gradient of 0 * inf

    monkeypatch.setattr("hicmae_cli.training.finetuning.step.cross_entropy", broken)
    with pytest.raises(TrainingError, match=r"the loss or a gradient became nan in step 1; .*Clips of the step: 0"):
        tuned(tmp_path / "run", samples)
    assert not (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize(("mix_audio", "changed"), [(False, False), (True, True)])
def test_targets_are_mixed_only_with_what_shows_them(mix_audio: bool, changed: bool) -> None:
    """Two clips without a face: unless the sounds are mixed, nothing of the other clip is there."""
    settings = SETTINGS.model_copy(
        update={"drop_video_tokens": 0.0, "mixup": 0.8, "mix_audio": mix_audio, "label_smoothing": 0.0}
    )
    targets: list[torch.Tensor] = []

    def note(outputs: torch.Tensor, wanted: torch.Tensor, **_: object) -> torch.Tensor:
        targets.append(wanted)
        return outputs.sum()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hicmae_cli.training.finetuning.step.cross_entropy", note)
        batch = Batch(
            torch.zeros(2, 16, 160, 160, 3, dtype=torch.uint8),
            torch.zeros(2, dtype=torch.bool),
            torch.randn(2, 1, 256, 128),
            torch.tensor([0, 1]),
        )
        model = Classifier(settings.dims, 2)
        optimiser = torch.optim.AdamW(model.parameters())
        accelerator = new_accelerator("no", "cpu")
        torch.manual_seed(0)
        train_step(accelerator, model, optimiser, [batch], settings, Learning("cross_entropy", None))
    assert bool((targets[0] != torch.eye(2)).any()) == changed


def test_a_list_without_splits_is_trained_on(samples: list[Sample], tmp_path: Path) -> None:
    plain = [replace(sample, split="") for sample in samples]
    parts = parts_of(plain, SETTINGS.model_copy(update={"validation_share": 0.3}))
    assert parts.validation and not parts.test
    assert tuned(tmp_path / "run", samples, train=parts.train, validation=parts.validation).is_file()
