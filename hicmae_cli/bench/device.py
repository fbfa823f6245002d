"""Speed of training steps and of the network on one device, and the share of the device's bfloat16 peak they reach.

The peak is the rate of a large matrix product in the same run. Data do not count: the clips are random numbers that
are on the device already, except those of prediction, which travel to it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from hicmae_cli.bench.measure import Measure
from hicmae_cli.bench.prediction import make_info, multiply_adds
from hicmae_cli.bench.pretraining import make_pretraining_step, step_flops
from hicmae_cli.bench.step import make_finetuning_step
from hicmae_cli.errors import SettingsError
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import AUDIO_PATCH_VALUES, AUDIO_TOKENS, VARIANTS, VIDEO_PATCH_VALUES, VIDEO_TOKENS
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.runtime.torch_engine import TorchEngine, choose_device

# A product must be large enough for all units of a GPU; on a CPU, a smaller one is and takes less time.
_PRODUCT_SIDE, _CPU_PRODUCT_SIDE = 8192, 2048
_PRECISIONS = ("no", "bf16", "fp16")


def finetuning_flops(settings: FinetuneSettings) -> int:
    """Count the floating-point operations that one clip needs in a step of fine-tuning, as ``step_flops`` does.

    Dropped tokens and frozen patch embeddings cost nothing; both streams of every clip count.
    """
    video = math.ceil(VIDEO_TOKENS * (1 - settings.drop_video_tokens))
    audio = math.ceil(AUDIO_TOKENS * (1 - settings.drop_audio_tokens))
    patches = (video * VIDEO_PATCH_VALUES + audio * AUDIO_PATCH_VALUES) * settings.dims.width
    # The gradients need twice the operations of the forward pass; patches have no gradient of their inputs.
    forward = multiply_adds(settings.dims, video, audio)
    return 2 * (3 * forward - (2 if settings.freeze_patches else 1) * patches)


def measure_product(device: torch.device, rounds: int = 10) -> float:
    """Measure the operations per second of a large bfloat16 matrix product, the best of some rounds."""
    side = _CPU_PRODUCT_SIDE if device.type == "cpu" else _PRODUCT_SIDE
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return float(2 * side**3 / min(_times_s(lambda: left @ right, device, rounds)))


def measure_device(
    device: str = "auto",
    *,
    variant: str = "tiny",
    batch_size: int = 64,
    mixed_precision: str = "bf16",
    rounds: int = 10,
) -> list[Measure]:
    """Measure clips/s of pre-training, fine-tuning and prediction on a device, and their shares of its bfloat16 peak.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        variant: size of the model.
        batch_size: clips of a step, and of a forward pass.
        mixed_precision: of the training steps; prediction computes in float32, as ``hicmae predict`` does.
        rounds: how often each is timed; the median counts.

    Raises:
        SettingsError: an unknown variant or precision, the machine has no such device, the device cannot train in the
            precision, or the batch does not fit its memory.
    """
    for name, given, known in (("variant", variant, VARIANTS), ("mixed_precision", mixed_precision, _PRECISIONS)):
        if given not in known:
            raise SettingsError(f"{name}={given!r}: expected {', '.join(known)}")
    chosen = choose_device(device)
    shared = {"variant": variant, "batch_size": batch_size, "mixed_precision": mixed_precision}
    pretraining, finetuning = PretrainSettings.model_validate(shared), FinetuneSettings.model_validate(shared)
    dims = VARIANTS[variant]
    phases: list[tuple[str, str, int, Callable[[], Callable[[], object]]]] = [
        (
            "pretrain",
            f"steps in {mixed_precision}",
            step_flops(dims, pretraining.decoder, pretraining),
            lambda: make_pretraining_step(pretraining, device),
        ),
        (
            "finetune",
            f"steps in {mixed_precision}",
            finetuning_flops(finetuning),
            lambda: make_finetuning_step(finetuning, device),
        ),
        (
            "predict",
            "forward passes in float32 from NumPy arrays",
            2 * multiply_adds(dims),
            lambda: make_prediction(variant, batch_size, device),
        ),
    ]
    peak = measure_product(chosen, rounds)
    found = [Measure("bfloat16 matrix product", peak / 1e12, "TFLOP/s", None, False, f"best of {rounds}")]
    for name, what, flops, make in phases:
        try:
            taken_s = statistics.median(_times_s(make(), chosen, rounds))
        except torch.OutOfMemoryError as error:
            raise SettingsError(
                f"batch_size={batch_size}: {variant} does not fit the memory; expected fewer clips"
            ) from error
        rate = batch_size / taken_s
        detail = f"{what} of {batch_size} clips, {flops / 1e9:.1f} GFLOP a clip; median of {rounds}"
        found.append(Measure(f"{name}-{variant}", rate, "clips/s", None, False, detail))
        reached = f"{rate * flops / 1e12:.3g} TFLOP/s of {peak / 1e12:.3g}"
        found.append(Measure(f"{name}-{variant} / bfloat16 peak", rate * flops / peak, "x", None, False, reached))
    return found


def make_prediction(variant: str, clips: int, device: str) -> Callable[[], object]:
    """Return a function that predicts a batch of random clips as the torch engine does."""
    info = make_info(variant)
    engine = TorchEngine(build_classifier(info.architecture), info, device)
    rng = np.random.default_rng(0)
    video = rng.standard_normal((clips, 3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX), np.float32)
    audio = rng.standard_normal((clips, 1, LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)
    return lambda: engine.logits(video, audio)


def name_device(device: str = "auto") -> str:
    """Return the name of a device, such as ``NVIDIA H100 80GB HBM3``; its kind if it has no name.

    Raises:
        SettingsError: this machine has no such device.
    """
    chosen = choose_device(device)
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type


def _times_s(run: Callable[[], object], device: torch.device, rounds: int) -> list[float]:
    """Time some runs after three that do not count, each until the device has finished."""

    def wait() -> None:
        if device.type != "cpu":
            torch.accelerator.synchronize(device)

    times = []
    for round_ in range(rounds + 3):
        wait()
        started = time.perf_counter()
        run()
        wait()
        if round_ >= 3:
            times.append(time.perf_counter() - started)
    return times
