"""Speed of drawing puppets."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hicmae_cli.bench.measure import Measure


def measure_puppets(clips: int = 20) -> Measure:
    """Puppet clips (16 frames and their sound) drawn in a second by a process that is held to one core."""
    code = f"from hicmae_cli.bench.puppets import drawing_time_s\nprint(drawing_time_s({clips}))"
    environment = {**os.environ, "LP_NUM_THREADS": "0"}  # Mesa's rasteriser in the process itself
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    time_s = float(done.stdout)
    detail = f"{clips} clips of 16 frames with sound in {time_s:.1f} s"
    return Measure("puppets drawn on one core", clips / time_s, "clips/s", 2, False, detail)


def drawing_time_s(clips: int) -> float:
    """Seconds to draw so many puppet clips on the first core this process may use, after one to warm up."""
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
