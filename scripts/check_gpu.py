"""Run the CUDA tests, then print how fast training steps and predictions are on this machine's GPU.

python scripts/check_gpu.py
"""

from __future__ import annotations

import argparse
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
from hicmae_cli.training.pretraining.data import Batch
from hicmae_cli.training.pretraining.loop import train_step
from hicmae_cli.training.settings import PretrainSettings

CLIPS = 32
STEPS = 5


def seconds(run: Callable[[], object], device: str) -> float:
    """Of one run, after three that do not count."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        run()
    wait()
    started = time.perf_counter()
    for _ in range(STEPS):
        run()
    wait()
    return (time.perf_counter() - started) / STEPS


def pretraining_step(variant: str, precision: str, device: str) -> Callable[[], object]:
    values = {"variant": variant, "batch_size": CLIPS, "mixed_precision": precision}
    settings = PretrainSettings.model_validate(values)
    accelerator = new_accelerator(precision, device)
    bare = PretrainingModel(VARIANTS[variant], settings.decoder, contrast_layers=settings.contrasted)
    optimiser = torch.optim.AdamW(decay_groups(bare, weight_decay=0.05), lr=1e-4, fused=True)
    model, optimiser = accelerator.prepare(bare, optimiser)
    faces = torch.randint(0, 256, (CLIPS, 16, 160, 160, 3), dtype=torch.uint8)
    masks = draw_masks(("tube", "random"), (0.9, 0.8), seed=0, batch=CLIPS)
    batch = Batch(faces, torch.randn(CLIPS, 1, 256, 128), *masks, ids=("",) * CLIPS).to(accelerator.device)
    return lambda: train_step(accelerator, model, optimiser, [batch], settings, step=0)


def forward(variant: str, precision: str, device: str) -> Callable[[], object]:
    model = Classifier(VARIANTS[variant], 6).to(device).eval()
    video, audio = torch.randn(CLIPS, 3, 16, 160, 160).to(device), torch.randn(CLIPS, 1, 256, 128).to(device)
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]

    def run() -> object:
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=precision != "no"):
            return model(video, audio)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--variants", nargs="+", default=["nano", "tiny", "small", "base"])
    given = parser.parse_args()
    failed = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu"]).returncode != 0
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {CLIPS} clips")
    for what, make in (("pre-training step", pretraining_step), ("forward", forward)):
        for variant in given.variants:
            for precision in ("no", "bf16", "fp16") if given.device == "cuda" else ("no", "bf16"):
                try:
                    result = f"{CLIPS / seconds(make(variant, precision, given.device), given.device):8.0f} clips/s"
                except Exception as error:  # the next one may run
                    result, failed = f"failed: {error}", True
                print(f"{what:18} {variant:6} {precision:4} {result}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
