"""Measure how fast puppets are drawn."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hicmae_cli.bench.measure import Measure


def measure_puppets(clips: int = 20) -> Measure:
    """Measure the puppet clips (16 frames and their sound) that one core draws per second."""
    code = f"from hicmae_cli.bench.puppets import time_drawing\nprint(time_drawing({clips}))"
    # Without threads Mesa draws in the process itself.
    environment = {**os.environ, "LP_NUM_THREADS": "0"}
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    time_s = float(done.stdout)
    detail = f"{clips} clips of 16 frames with sound in {time_s:.1f} s"
    return Measure("puppets drawn on one core", clips / time_s, "clips/s", 2, False, detail)


def time_drawing(clips: int) -> float:
    """Time the drawing of puppet clips on the first core of this process, after one warm-up -> seconds."""
    from hicmae_cli.puppets.corpus import draw_clip
    from hicmae_cli.puppets.plan import plan_corpus
    from hicmae_cli.puppets.render import Renderer

    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    plans = plan_corpus({"train": clips + 1}, seed=0)
    with Renderer() as renderer:
        draw_clip(plans[0], renderer)
        started = time.perf_counter()
        for plan in plans[1:]:
            draw_clip(plan, renderer)
        return time.perf_counter() - started
