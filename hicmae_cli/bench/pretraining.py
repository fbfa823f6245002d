"""Speed of training and of its data, as ratios within one run (``bench/measure.py`` says why)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from hicmae_cli.bench.measure import Measure, alternate
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.models.config import (
    AUDIO_GRID,
    AUDIO_PATCH_VALUES,
    AUDIO_TOKENS,
    DECODERS,
    MLP_RATIO,
    VARIANTS,
    VIDEO_GRID,
    VIDEO_PATCH_VALUES,
    VIDEO_TOKENS,
    DecoderDims,
    ModelDims,
)
from hicmae_cli.models.masking import count_masked, draw_masks
from hicmae_cli.models.products import use_usual_products, use_wide_products
from hicmae_cli.preparing.videos import prepare_videos
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.training.machine import hold_freed_memory, new_accelerator
from hicmae_cli.training.optimiser import decay_groups
from hicmae_cli.training.pretraining.data import MaskedBatch, PretrainingClips, unwrap_batch
from hicmae_cli.training.pretraining.step import pretrain_step

AUTHORS_ITEM_MS = 77.0
"""A training item of the authors' implementation, on one core of another machine."""
AUTHORS_CORE_GFLOPS = 71 / 2
"""What one core of that machine does in a large float32 product: 71 GFLOP/s on its two."""
_CLIPS = 8
_PRODUCT_SIDE = 2048


def step_flops(dims: ModelDims, decoder: DecoderDims, settings: PretrainSettings) -> int:
    """Count the floating-point operations that one clip needs in a step: linear layers and attention products.

    The gradients need twice those of the forward pass, except those of the inputs of the patch embeddings. Norms,
    activations, targets, losses and the optimiser do not count.
    """
    hidden = (
        count_masked(settings.video_mask, VIDEO_GRID, settings.video_mask_ratio),
        count_masked(settings.audio_mask, AUDIO_GRID, settings.audio_mask_ratio),
    )
    tokens, values = (VIDEO_TOKENS, AUDIO_TOKENS), (VIDEO_PATCH_VALUES, AUDIO_PATCH_VALUES)
    visible = [n - m for n, m in zip(tokens, hidden, strict=True)]

    def block(n: int, width: int) -> int:
        return n * (4 + 2 * MLP_RATIO) * width**2 + 2 * n * n * width

    def cross(n: int, context: int, width: int) -> int:
        return 2 * (n + context) * width**2 + 2 * n * context * width

    patches = sum(k * p * dims.width for k, p in zip(visible, values, strict=True))
    rest = dims.fusion_depth * (cross(visible[0], visible[1], dims.width) + cross(visible[1], visible[0], dims.width))
    skips = len(decoder.skip_layers)
    for n, k, m, p in zip(tokens, visible, hidden, values, strict=True):
        rest += (dims.depth + dims.fusion_depth) * block(k, dims.width)
        rest += (1 + skips) * k * dims.width * decoder.width  # into the decoder's width
        rest += decoder.depth * block(n, decoder.width) + skips * cross(n, k, decoder.width)
        rest += m * decoder.width * p
    return 2 * (2 * patches + 3 * rest)


def measure_step(rounds: int = 7) -> Measure:
    """Compare the rate of a pre-training step (tiny, 8 clips, float32) with that of a matrix product.

    The product uses the library that torch chooses by default.
    """
    settings = PretrainSettings(variant="tiny", batch_size=_CLIPS)
    step = make_pretraining_step(settings)
    flops = _CLIPS * step_flops(VARIANTS["tiny"], DECODERS["tiny"], settings)
    left, right = (torch.randn(_PRODUCT_SIDE, _PRODUCT_SIDE) for _ in range(2))

    def wide_step() -> None:
        use_wide_products()
        step()

    def usual_product() -> None:
        use_usual_products()
        torch.mm(left, right)

    def wide_product() -> None:
        use_wide_products()
        torch.mm(left, right)

    step_s, product_s = alternate(wide_step, usual_product, rounds)
    wide_s, _ = alternate(wide_product, usual_product, rounds)
    rate, product_rate, wide_rate = (
        n / seconds
        for n, seconds in ((flops, step_s), (2 * _PRODUCT_SIDE**3, product_s), (2 * _PRODUCT_SIDE**3, wide_s))
    )
    detail = (
        f"{_CLIPS / step_s:.1f} clips/s x {flops / _CLIPS / 1e9:.1f} GFLOP = {rate / 1e9:.0f} GFLOP/s; "
        f"{_PRODUCT_SIDE} x {_PRODUCT_SIDE} float32 product of torch {product_rate / 1e9:.0f} GFLOP/s, with the "
        f"library of the step {wide_rate / 1e9:.0f} (the step reaches {rate / wide_rate:.2f} of it); "
        f"medians of {rounds}"
    )
    return Measure("pretrain-step-tiny / matrix product", rate / product_rate, "x", 0.8, False, detail)


def measure_finetune(rounds: int = 5) -> Measure:
    """Compare the time of a plain eager fine-tuning step (tiny, 8 clips, float32) with ours; see ``bench/step.py``."""
    from hicmae_cli.bench.step import finetune_steps

    step_s, plain_s = alternate(*finetune_steps(_CLIPS), rounds)
    detail = f"{_CLIPS / step_s:.1f} clips/s, plain {_CLIPS / plain_s:.1f}; medians of {rounds}"
    return Measure("plain eager fine-tuning step / ours", plain_s / step_s, "x", 1.3, False, detail)


def make_pretraining_step(settings: PretrainSettings, device: str = "cpu") -> Callable[[], object]:
    """Return a function that makes one step on a batch of random clips: targets, losses, gradients and optimiser."""
    hold_freed_memory()
    use_wide_products()
    accelerator = new_accelerator(settings.mixed_precision, device)
    bare = build_pretraining_model(settings.architecture)
    optimiser = torch.optim.AdamW(decay_groups(bare, weight_decay=settings.weight_decay), lr=1e-4, fused=True)
    model, optimiser = accelerator.prepare(bare, optimiser)
    clips = settings.batch_size
    faces = torch.randint(0, 256, (clips, 16, 160, 160, 3), dtype=torch.uint8)
    kinds, ratios = (settings.video_mask, settings.audio_mask), (settings.video_mask_ratio, settings.audio_mask_ratio)
    masks = draw_masks(kinds, ratios, seed=0, batch=clips)
    batch = MaskedBatch(faces, torch.randn(clips, 1, 256, 128), *masks, ids=("",) * clips).to(accelerator.device)
    return lambda: pretrain_step(accelerator, model, optimiser, [batch], settings, step=0)


def measure_data() -> Measure:
    """Compare the clips that reading delivers with those that a step (tiny) takes, both on the same core."""
    item_s, clip_s = _in_fresh_process("hicmae_cli.bench.pretraining", "data_and_step_s")
    detail = f"one core: {1 / item_s:.0f} clips/s read from a prepared clip, {1 / clip_s:.1f} clips/s in a step"
    return Measure("pretrain data / step, one core", clip_s / item_s, "x", 4, False, detail)


def measure_item() -> Measure:
    """Compare the time of a fine-tuning item made the plain way with ours: the full recipe, on the same core."""
    item_s, plain_s, flops = _in_fresh_process("hicmae_cli.bench.finetuning", "item_times_s")
    authors_ms = AUTHORS_ITEM_MS * AUTHORS_CORE_GFLOPS / (flops / 1e9)
    detail = (
        f"one core: {1e3 * item_s:.1f} ms from a prepared clip, {1e3 * plain_s:.1f} ms from JPEG files with PIL, timm "
        f"and torchaudio; the authors' {AUTHORS_ITEM_MS:.0f} ms on another machine would be {authors_ms:.0f} ms here "
        f"if items scaled as matrix products do ({flops / 1e9:.0f} against {AUTHORS_CORE_GFLOPS:g} GFLOP/s)"
    )
    return Measure("plain training item / ours, one core", plain_s / item_s, "x", 3, False, detail)


def _in_fresh_process(module: str, function: str) -> list[float]:
    """Call a function of a module in a new process, whose libraries use one thread."""
    code = f"from {module} import {function}\nprint({function}())"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def hold_to_one_core() -> None:
    """Bind this process to the first core that it may use, with one thread for every library."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def data_and_step_s(items: int = 40, rounds: int = 3) -> list[float]:
    """Measure the seconds to read one clip, and the seconds of a step per clip, on one core."""
    hold_to_one_core()
    settings = PretrainSettings(variant="tiny", batch_size=_CLIPS)
    with tempfile.TemporaryDirectory() as folder:
        recordings, _ = prepare_videos(find_sample_clip().parent, Path(folder))
        clips = PretrainingClips(recordings * items, settings, 0)
        unwrap_batch(clips[0])
        started = time.perf_counter()
        for index in range(items):
            unwrap_batch(clips[index])
        item_s = (time.perf_counter() - started) / items
    step = make_pretraining_step(settings)
    step_s, _ = alternate(step, lambda: None, rounds)
    return [item_s, step_s / _CLIPS]
