"""Tests that need a CUDA device: `pytest -m gpu`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hicmae_cli.bench.device import measure_device
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.loop import finetune_clips
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.state import StepReport
from tests.runtime.stubs import ToyEngine, noise
from tests.training.toys import (
    FINETUNE_SETTINGS,
    SETTINGS,
    TASK,
    KilledError,
    numbers,
    run,
    write_recordings,
    write_samples,
)

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
PRECISIONS = ("no", "bf16", "fp16")


@pytest.mark.parametrize("variant", ["nano", "tiny"])
def test_the_engine_agrees_with_the_cpu(variant: str) -> None:
    torch.manual_seed(0)
    model = Classifier(VARIANTS[variant], 3)
    inputs = noise(3)
    on_cpu = TorchEngine(model, ToyEngine.info, "cpu").logits(*inputs)
    on_gpu = TorchEngine(model, ToyEngine.info, "cuda")
    assert on_gpu.device.startswith("cuda")
    np.testing.assert_allclose(on_gpu.logits(*inputs), on_cpu, atol=5e-3)  # convolutions may use TF32


@pytest.mark.parametrize("precision", PRECISIONS)
def test_losses_of_pretraining_match_the_cpu(tmp_path: Path, precision: str) -> None:
    recordings = write_recordings(tmp_path / "clips")
    losses = {}
    for device, mixed_precision in (("cpu", "no"), ("cuda", precision)):
        settings = SETTINGS.model_copy(update={"mixed_precision": mixed_precision})
        outcome = run(tmp_path / device, recordings, settings, device=device)
        assert outcome.finished and outcome.weight is not None
        losses[device] = [line["loss"] for line in numbers(tmp_path / device) if "loss" in line]
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=0.03)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_finetuning_learns_on_a_gpu(tmp_path: Path, precision: str) -> None:
    samples = write_samples(tmp_path / "clips")
    settings = FINETUNE_SETTINGS.model_copy(update={"mixed_precision": precision, "epochs": 4})
    outcome = finetune_clips(
        tmp_path / "run",
        TASK,
        settings=settings,
        device="cuda",
        train=[s for s in samples if s.split == "train"],
        validation=[s for s in samples if s.split == "validation"],
    )
    assert outcome.finished and outcome.weight is not None
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_a_run_on_a_gpu_resumes(tmp_path: Path) -> None:
    """A resumed run ends like an uninterrupted one, up to the rounding of sums on a GPU."""
    recordings = write_recordings(tmp_path / "clips")

    def train(folder: Path, on_step: Callable[[StepReport], None]) -> Path:
        outcome = run(folder, recordings, progress=PretrainingProgress(on_step=on_step), device="cuda")
        assert outcome.weight is not None
        return outcome.weight

    def stop(report: StepReport) -> None:
        if report.step == 5:
            raise KilledError

    whole = load_file(train(tmp_path / "whole", lambda _: None))
    with pytest.raises(KilledError):
        train(tmp_path / "cut", stop)
    resumed = load_file(train(tmp_path / "cut", lambda _: None))
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_speeds_are_below_the_peak(precision: str) -> None:
    """A share above one would mean that a clock stopped before the device had finished."""
    measures = measure_device("cuda", variant="nano", batch_size=8, mixed_precision=precision, rounds=3)
    assert all(measure.value > 0 for measure in measures)
    assert all(measure.value < 1 for measure in measures if measure.unit == "x")
