"""The peak memory of this process."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path


def peak_resident_mb() -> float:
    """Measure the peak resident memory of this process so far, in MB.

    On Linux ``ru_maxrss`` survives exec, so a child of a large process starts with the peak of its parent; the
    high-water mark in ``/proc`` does not. NaN on Windows.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak_mb = parse_peak_mb(status.read_text("utf-8", "replace"))
        assert peak_mb is not None
        return peak_mb
    try:
        import resource
    except ImportError:
        return math.nan
    # macOS counts bytes, other systems KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def parse_peak_mb(status: str) -> float | None:
    """Parse the peak resident memory, in MB, from a status file of Linux; None for a process that has none."""
    mark = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(mark[1]) * 1024 / 1e6 if mark else None
