"""Run the CUDA tests, then print the speed of training steps and predictions on this machine's GPU.

python scripts/check_gpu.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from hicmae_cli.bench.pretraining import make_pretraining_step
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import VARIANTS, Architecture
from hicmae_cli.recipes.settings import PretrainSettings

CLIPS = 32
STEPS = 5


def seconds(run: Callable[[], object], device: str) -> float:
    """Mean time of a run, after three runs to warm up."""

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


def make_pretraining(variant: str, precision: str, device: str) -> Callable[[], object]:
    settings = PretrainSettings.model_validate({"variant": variant, "batch_size": CLIPS, "mixed_precision": precision})
    return make_pretraining_step(settings, device)


def make_forward(variant: str, precision: str, device: str) -> Callable[[], object]:
    model = build_classifier(Architecture(VARIANTS[variant], outputs=6)).to(device).eval()
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
    for what, make in (("pre-training step", make_pretraining), ("forward", make_forward)):
        for variant in given.variants:
            for precision in ("no", "bf16", "fp16") if given.device == "cuda" else ("no", "bf16"):
                try:
                    result = f"{CLIPS / seconds(make(variant, precision, given.device), given.device):8.0f} clips/s"
                except Exception as error:  # the others may run
                    result, failed = f"failed: {error}", True
                print(f"{what:18} {variant:6} {precision:4} {result}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
