"""Profile a training step on the CPU (tiny, 8 clips, float32), operation by operation.

    taskset -c 1 python scripts/profile_step.py pretrain --threads 1
    taskset -c 1 python scripts/profile_step.py finetune --threads 1 --library usual

Each operation is timed as torch runs it, forward and backward. torch's own profiler keeps so much memory between them
that fresh pages distort its numbers.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hicmae_cli.bench.pretraining import make_pretraining_step, step_flops
from hicmae_cli.bench.step import finetune_steps
from hicmae_cli.models.config import DECODERS, VARIANTS
from hicmae_cli.models.products import use_usual_products, use_wide_products
from hicmae_cli.recipes.settings import PretrainSettings

CLIPS, SIDE, WARM_UP, STEPS = 8, 2048, 4, 4
KINDS = {
    "linear layers": ("aten.mm.", "aten.addmm."),
    "attention": ("aten.bmm.", "aten._scaled_dot_product", "aten._softmax"),
    "GELU": ("aten.gelu",),
    "layer norms": ("aten.native_layer_norm",),
    "optimiser": ("aten._fused_adamw", "aten._foreach"),
}


class Stopwatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts seconds and calls of every operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        started = clock()
        result = func(*args, **(kwargs or {}))
        self.seconds[str(func)] += clock() - started
        self.calls[str(func)] += 1
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["pretrain", "finetune"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--library", choices=["usual", "wide"], default="wide")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    choose = {"usual": use_usual_products, "wide": use_wide_products}[given.library]
    settings = PretrainSettings(variant="tiny", batch_size=CLIPS)
    make = make_pretraining_step(settings) if given.step == "pretrain" else finetune_steps(CLIPS, choose=choose)[0]

    def step() -> object:
        choose()
        return make()

    timed(step, WARM_UP)
    whole_s = timed(step, STEPS)
    left, right = (torch.randn(SIDE, SIDE) for _ in range(2))
    print(f"step {1e3 * whole_s:.0f} ms; {SIDE} x {SIDE} products:")
    for name, library in (("usual", use_usual_products), ("wide", use_wide_products)):
        library()
        product_s = timed(lambda: left @ right, 8)
        print(f"  {name}: {2e-9 * SIDE**3 / product_s:.0f} GFLOP/s")
    if given.step == "pretrain":
        flops = CLIPS * step_flops(VARIANTS["tiny"], DECODERS["tiny"], settings)
        print(f"  the step: {1e-9 * flops / whole_s:.0f} GFLOP/s of {1e-9 * flops:.0f} GFLOP it needs")

    watch = Stopwatch()
    with watch:
        step()
        watch.seconds.clear()
        watch.calls.clear()
        for _ in range(STEPS):
            step()
    report(watch)


def clock() -> float:
    """Return seconds; with one thread those of the processor, which other programs disturb less."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def timed(run: Callable[[], object], times: int) -> float:
    """Return seconds of a run, after one that does not count."""
    run()
    started = clock()
    for _ in range(times):
        run()
    return (clock() - started) / times


def report(watch: Stopwatch) -> None:
    total = sum(watch.seconds.values())
    kinds: dict[str, float] = defaultdict(float)
    for name, seconds in watch.seconds.items():
        kinds[next((kind for kind, starts in KINDS.items() if name.startswith(starts)), "rest")] += seconds
    for heading, table in (("by kind", kinds), ("by operation", watch.seconds)):
        print(f"\n{heading}:")
        for name, seconds in sorted(table.items(), key=lambda row: -row[1])[:20]:
            calls = f"{watch.calls[name] / STEPS:7.0f} calls" if name in watch.calls else ""
            print(f"{1e3 * seconds / STEPS:9.1f} ms {seconds / total:6.1%}  {name} {calls}")


if __name__ == "__main__":
    main()
