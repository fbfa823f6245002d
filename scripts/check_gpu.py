"""Run the CUDA tests, then print how fast training steps and predictions are on this machine's GPU.

python scripts/check_gpu.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import torch

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.models.masking import draw_masks
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.training.optimiser import decay_groups
from hicmae_cli.training.pretrain import train_step
from hicmae_cli.training.pretrain_data import Batch
from hicmae_cli.training.settings import PretrainSettings

CLIPS = 32
STEPS = 10


def seconds(run: Callable[[], object]) -> float:
    """Of one run, after three that do not count."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(STEPS):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / STEPS


def pretraining_step(variant: str, precision: str) -> Callable[[], object]:
    settings = PretrainSettings(variant=variant, batch_size=CLIPS, mixed_precision=precision)
    accelerator = new_accelerator(precision, "cuda")
    bare = PretrainingModel(VARIANTS[variant], settings.decoder, contrast_layers=settings.contrasted)
    optimiser = torch.optim.AdamW(decay_groups(bare, weight_decay=0.05), lr=1e-4, fused=True)
    model, optimiser = accelerator.prepare(bare, optimiser)
    faces = torch.randint(0, 256, (CLIPS, 16, 160, 160, 3), dtype=torch.uint8, device="cuda")
    masks = draw_masks(("tube", "random"), (0.9, 0.8), seed=0, batch=CLIPS)
    audio = torch.randn(CLIPS, 1, 256, 128, device="cuda")
    batch = Batch(faces, audio, *(mask.cuda() for mask in masks), ids=("",) * CLIPS)
    return lambda: train_step(accelerator, model, optimiser, [batch], settings, step=0)


def forward(variant: str, precision: str) -> Callable[[], object]:
    model = Classifier(VARIANTS[variant], 6).cuda().eval()
    video, audio = torch.randn(CLIPS, 3, 16, 160, 160).cuda(), torch.randn(CLIPS, 1, 256, 128).cuda()
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]

    def run() -> object:
        with torch.inference_mode(), torch.autocast("cuda", dtype, enabled=precision != "no"):
            return model(video, audio)

    return run


def main() -> None:
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu"]).returncode
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {CLIPS} clips")
    for name, make in (("pre-training step", pretraining_step), ("forward", forward)):
        for variant in ("nano", "tiny", "small", "base"):
            for precision in ("no", "bf16", "fp16"):
                try:
                    rate = CLIPS / seconds(make(variant, precision))
                except Exception as error:  # the next one may run
                    print(f"{name:18} {variant:6} {precision:4} failed: {error}")
                    code = 1
                    continue
                print(f"{name:18} {variant:6} {precision:4} {rate:8.0f} clips/s")
    sys.exit(code)


if __name__ == "__main__":
    main()
