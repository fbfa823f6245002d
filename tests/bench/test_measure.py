from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.bench.measure import Measure, peak_resident_mb, to_document
from hicmae_cli.bench.prediction import multiply_adds
from hicmae_cli.models.config import VARIANTS


@pytest.mark.parametrize(("variant", "billions"), [("tiny", 13.8), ("small", 27.6), ("base", 46.1)])
def test_multiply_adds_are_the_papers(variant: str, billions: float) -> None:
    assert multiply_adds(VARIANTS[variant]) / 1e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize(("value", "at_most", "holds"), [(1.0, True, True), (2.0, True, False), (2.0, False, True)])
def test_a_bound_has_a_side(value: float, at_most: bool, holds: bool) -> None:
    measure = Measure("m", value, "x", 1.5, at_most, "")
    assert measure.holds is holds
    assert to_document([measure])["measures"][0]["holds"] is holds


@pytest.mark.slow  # for its 400 MB
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux inherits the peak")
def test_a_small_child_of_a_large_process_reports_its_own_peak() -> None:
    large = np.ones(400_000_000, np.uint8)  # touched, so resident
    code = "from hicmae_cli.bench.measure import peak_resident_mb; print(peak_resident_mb())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert large.all() and peak_resident_mb() > 400
    assert 5 < float(done.stdout) < 400


@pytest.mark.slow  # for its 200 MB
def test_the_peak_grows_with_what_is_held() -> None:
    code = (
        "import numpy as np\nfrom hicmae_cli.bench.measure import peak_resident_mb\n"
        "before = peak_resident_mb(); np.ones(200_000_000, np.uint8); print(peak_resident_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(200, abs=20)
