from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.memory import peak_resident_mb


@pytest.mark.slow  # for its 400 MB
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux inherits the peak")
def test_a_small_child_of_a_large_process_reports_its_own_peak() -> None:
    large = np.ones(400_000_000, np.uint8)  # touched, so resident
    code = "from hicmae_cli.memory import peak_resident_mb; print(peak_resident_mb())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert large.all() and peak_resident_mb() > 400
    assert 5 < float(done.stdout) < 400


@pytest.mark.slow  # for its 200 MB
def test_the_peak_grows_with_what_is_held() -> None:
    code = (
        "import numpy as np\nfrom hicmae_cli.memory import peak_resident_mb\n"
        "before = peak_resident_mb(); np.ones(200_000_000, np.uint8); print(peak_resident_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(200, abs=20)
