"""Reading a long file takes no more memory than reading a short one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.media import write_video

_READ = """
import sys
from hicmae_cli.memory import peak_resident_mb
from hicmae_cli.media import probe, read_audio_blocks, sample_frames, read_frames
path = sys.argv[1]
probe(path)
frames = sum(1 for _ in sample_frames(path, 0.16))
samples = sum(len(block) for block in read_audio_blocks(path))
pictures = sum(1 for _ in read_frames(path))
print(frames, samples, pictures, peak_resident_mb())
"""


def _write(path: Path, seconds: int) -> None:
    rng = np.random.default_rng(0)
    textures = rng.integers(0, 256, (8, 240, 320, 3), np.uint8) // 8 + 100

    def sound() -> Iterator[NDArray[np.float32]]:
        for _ in range(seconds):
            yield rng.uniform(-0.1, 0.1, 16_000).astype(np.float32)

    frames = (textures[i % 8] for i in range(12 * seconds))
    write_video(path, frames, 12, sound(), crf=40, preset="ultrafast")


def _peak_mb(path: Path, seconds: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    *counts, peak_mb = done.stdout.split()
    assert tuple(map(int, counts)) == (-(-seconds * 100 // 16), seconds * 16_000, seconds * 12)
    return float(peak_mb)


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks_mb = []
    for seconds in (20, 400):
        path = tmp_path / f"{seconds}.mkv"
        _write(path, seconds)
        peaks_mb.append(_peak_mb(path, seconds))
    # The long file's pictures alone are a gigabyte, its sound 25 MB.
    assert peaks_mb[1] - peaks_mb[0] < 12, peaks_mb
