"""The peak memory of this process."""

from __future__ import annotations

import math
import sys
from pathlib import Path


def peak_resident_mb() -> float:
    """Measure the peak resident memory of this process so far, in MB.

    On Linux ``ru_maxrss`` survives exec, so a child of a large process starts with the peak of its parent; the
    high-water mark in ``/proc`` does not. NaN on Windows.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return math.nan
    # macOS counts bytes, other systems KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
