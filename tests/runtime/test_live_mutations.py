"""Damaged streams in a pipe: a result or a sentence, and nothing waits for ever."""

from __future__ import annotations

import faulthandler
from itertools import islice
from pathlib import Path

import pytest

from hicmae_cli.runtime.live import predict_live
from hicmae_cli.runtime.predictor import Predictor
from tests.faces.fake import FakeDetector, FakeFace
from tests.media.mutations import bases, mutations, posix_only, run_all
from tests.runtime.stubs import ToyEngine

FACE = FakeFace(0.0, 1000.0, (40.0, 45.0), 45.0)


def read_piped(path: Path) -> None:
    """Predict the bytes of a file as those of a pipe, in a child that ends if this takes two minutes."""
    faulthandler.dump_traceback_later(120, exit=True)
    predictor = Predictor(ToyEngine(), detectors=lambda _: FakeDetector((FACE,)))
    with path.open("rb") as file, predict_live(file, predictor, max_delay_s=60) as live:
        for _ in live:
            pass
        result = live.finish()
    faulthandler.cancel_dump_traceback_later()
    assert result.status in ("ok", "no-face", "error") and "\n" not in result.message


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("count", [200])
def test_damage_in_a_pipe_is_a_result_or_a_sentence(tmp_path: Path, count: int) -> None:
    files = [*bases().items(), *islice(mutations(20, count), count)]
    outcomes = list(run_all(files, tmp_path, "tests.runtime.test_live_mutations:read_piped"))
    assert len(outcomes) == len(files)
    faults = [each for each in outcomes if each.said != "ok" or each.cpu_s > 20 or each.peak_mb > 1000]
    assert faults == []
