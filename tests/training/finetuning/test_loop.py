"""The training loop on a few tiny clips: it learns, and refuses bad input."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError, TrainingError
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.losses import LOSSES, Loss
from hicmae_cli.training.finetuning import loop
from hicmae_cli.training.finetuning.parts import split_samples
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.pretraining.state import make_weight_info
from hicmae_cli.weights.checkpoint import load_classifier, save_pretrained
from tests.training.toys import FINETUNE_SETTINGS as SETTINGS
from tests.training.toys import LABELS, TASK, KilledError, numbers, tune, tuned
from tests.training.toys import SETTINGS as PRETRAIN_SETTINGS

pytestmark = pytest.mark.integration


def test_it_learns_and_keeps_the_best_epoch(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_on: list[set[str]] = []

    def fit(found: Evaluation) -> float:
        fitted_on.append({sample.id for sample in found.samples})
        return 1.5

    monkeypatch.setattr(loop, "find_temperature", fit)
    best = tuned(tmp_path / "run", samples, SETTINGS.model_copy(update={"epochs": 12}))
    _, info = load_classifier(best)
    assert info.labels == LABELS
    assert info.metrics["validation"]["uar"] == 1.0
    lines = numbers(tmp_path / "run")
    assert [line["step"] for line in lines] == [2 * (epoch + 1) for epoch in range(12)]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert max(line["validation.uar"] for line in lines) == info.metrics["validation"]["uar"]
    assert lines[-1]["best"] == 1.0
    assert info.selection == "val" and info.temperature == 1.5
    assert fitted_on[-1] == {sample.id for sample in samples if sample.split == "validation"}


def test_the_moving_average_of_the_weights_is_validated_and_saved(samples: list[Sample], tmp_path: Path) -> None:
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


def test_early_stopping_ends_a_run_and_a_second_call_does_not_resume_it(samples: list[Sample], tmp_path: Path) -> None:
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
    with pytest.raises(SettingsError, match="takes no validation clips"):
        tuned(tmp_path / "other", samples, settings)


def test_a_weight_chosen_on_the_test_clips_says_so(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"selection": "test-best"})
    _, info = load_classifier(tuned(tmp_path / "run", samples, settings))
    assert info.selection == "test-best"
    assert "uar" in info.metrics["test"]
    assert all("test.uar" in line and "validation.uar" not in line for line in numbers(tmp_path / "run"))
    assert "validation" not in info.metrics and info.temperature is None


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_model_of_one_stream_gets_no_input_of_the_other(
    samples: list[Sample], tmp_path: Path, modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(update={"modality": modality, "epochs": 1, "drop_stream": 0.0})
    seen: list[tuple[bool, bool]] = []
    forward = Classifier.forward

    def spy(self: Classifier, video: torch.Tensor | None, audio: torch.Tensor | None, *keep: object) -> torch.Tensor:
        seen.append((video is not None, audio is not None))
        return forward(self, video, audio, *keep)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "forward", spy)
    _, info = load_classifier(tuned(tmp_path / "run", samples, settings))
    assert info.modality == modality
    assert set(seen) == {(modality == "video", modality == "audio")}


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["auto", "ccc"])
def test_it_learns_a_regression(samples: list[Sample], tmp_path: Path, loss: str) -> None:
    """Two targets: the first rises with brightness and pitch, the second falls."""
    measured = [replace(s, target=(0.8, -1.5) if s.label == "happiness" else (-0.4, 1.25)) for s in samples]
    settings = SETTINGS.model_copy(update={"loss": loss, "epochs": 12, "warmup_epochs": 2.0})
    task = replace(TASK, kind="regression", labels=("arousal", "valence"))
    weight = tuned(tmp_path / "run", measured, settings, task=task)
    _, info = load_classifier(weight)
    assert info.task == "regression"
    assert info.labels == ("arousal", "valence")
    assert info.metrics["validation"]["ccc"] > 0.7
    lines = numbers(tmp_path / "run")
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_class_weights_change_the_result(samples: list[Sample], tmp_path: Path) -> None:
    few = [s for s in samples if s.split == "validation" or s.label == "happiness" or s.id in ("01",)]
    settings = SETTINGS.model_copy(update={"batch_size": 5, "epochs": 1})
    plain = tuned(tmp_path / "plain", few, settings)
    weighted = tuned(tmp_path / "weighted", few, settings.model_copy(update={"class_weights": "balanced"}))
    assert plain.read_bytes() != weighted.read_bytes()


@pytest.mark.slow
def test_frozen_patches_keep_their_fitted_start(samples: list[Sample], tmp_path: Path) -> None:
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
    info = make_weight_info(PRETRAIN_SETTINGS, "toys", "MIT", "none", "a test")
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
    assert not multiprocessing.active_children()  # Python would wait for them at its end: they ignore its signal


def test_the_largest_seed_works(tmp_path: Path, samples: list[Sample]) -> None:
    settings = SETTINGS.model_copy(update={"seed": 2**32 - 1, "epochs": 1})
    assert tuned(tmp_path, samples, settings).is_file()


def test_a_gradient_that_is_not_finite_stops_the_run(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def broken(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        steps.extend([1] * outputs.requires_grad)  # validation computes the loss as well
        # 0, with a gradient of 0 * inf in the third step.
        return (outputs * 0).sum().sqrt() if len(steps) > 2 else (outputs - targets).square().mean()

    monkeypatch.setitem(LOSSES, "cross_entropy", Loss(broken, "classification", mixes=True))
    with pytest.raises(TrainingError, match=r"the loss or a gradient is not finite in step 3; .*Clips of the step: \d"):
        tuned(tmp_path / "run", samples)
    assert len(steps) == 3


@pytest.mark.slow
def test_the_terms_of_a_loss_are_logged_and_reported(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of one's own with two terms: one table row, and the log, the screen and a resumed run know both."""

    def two_terms(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        entropy, norm = torch.nn.functional.cross_entropy(outputs, targets), outputs.square().mean()
        return {"loss": entropy + 0.1 * norm, "entropy": entropy, "norm": norm}

    monkeypatch.setitem(LOSSES, "two_terms", Loss(two_terms, "classification"))
    settings = SETTINGS.model_copy(update={"loss": "two_terms", "mixup": 0.8, "checkpoint_every": 1})
    tuned(tmp_path / "whole", samples, settings)
    lines = numbers(tmp_path / "whole")
    for line in lines:
        assert list(line)[:5] == ["step", "epoch", "loss", "entropy", "norm"]
        assert line["loss"] == pytest.approx(line["entropy"] + 0.1 * line["norm"], rel=1e-5)
    shown: list[set[str]] = []

    def die(epoch: int, step: int, steps: int, losses: Mapping[str, float]) -> None:
        shown.append(set(losses))
        if (epoch, step) == (2, 2) and len(shown) == 4:
            raise KilledError

    hooks = FinetuningProgress(on_step=die)
    with pytest.raises(KilledError):
        tuned(tmp_path / "cut", samples, settings, progress=hooks)
    tuned(tmp_path / "cut", samples, settings, progress=hooks)
    assert numbers(tmp_path / "cut") == lines
    assert all(names == {"loss", "entropy", "norm"} for names in shown)


@pytest.mark.slow
def test_a_run_neither_reads_nor_changes_torchs_global_random_state(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, "fit_start_clips": 8, "drop_path": 0.5})
    weights = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        weights.append(tuned(tmp_path / str(seed), samples, settings).read_bytes())
        assert torch.equal(torch.get_rng_state(), before)
    assert weights[0] == weights[1]


def test_a_manifest_without_splits_is_split(samples: list[Sample], tmp_path: Path) -> None:
    plain = [replace(sample, split="") for sample in samples]
    parts = split_samples(plain, validation_share=0.3)
    assert parts.validation and not parts.test
    assert tuned(tmp_path / "run", samples, train=parts.train, validation=parts.validation).is_file()
