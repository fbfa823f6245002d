"""The measure of evaluation: on clips of the right layout, and against an honest baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.bench import evaluation
from hicmae_cli.bench.evaluation import CLIP_LENGTHS, score_separate_views, write_clips
from hicmae_cli.errors import HicmaeError
from hicmae_cli.evaluation.scoring import score_clips
from tests.evaluation.toys import info_of
from tests.runtime.stubs import ToyEngine


def test_separate_views_say_the_same_in_four_runs_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CLIP_LENGTHS", (5, 40))
    samples = write_clips(tmp_path)
    ours, separate = ToyEngine(), ToyEngine()
    ours.info = separate.info = info_of(labels=("a", "b", "c"), sampling_rate=2)
    found = score_clips(samples, ours)["av"]
    np.testing.assert_allclose([s.outputs for s in found.samples], score_separate_views(samples, separate), atol=1e-9)
    assert ours.batches == [1, 1, 1] and separate.batches == [1] * 8


def test_clips_are_those_of_the_reference(tmp_path: Path) -> None:
    samples = write_clips(tmp_path)
    assert [len(list(sample.video.iterdir())) for sample in samples if sample.video] == list(CLIP_LENGTHS)


@pytest.mark.slow
def test_the_two_sound_only_evaluations_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference of the probabilities is an error."""
    monkeypatch.setattr(evaluation, "CLIP_LENGTHS", (5,))
    monkeypatch.setattr(evaluation, "_stay_on_one_core", lambda: None)
    ours_s, both_s = evaluation.time_one_stream("nano", rounds=1)
    assert ours_s > 0 and both_s > 0
    score = evaluation.score_sound_with_zeros
    monkeypatch.setattr(evaluation, "score_sound_with_zeros", lambda *given: score(*given) + 1e-4)
    with pytest.raises(HicmaeError, match="the probabilities differ"):
        evaluation.time_one_stream("nano", rounds=1)
