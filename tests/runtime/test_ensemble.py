"""An ensemble gives the mean of its members' outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256, hash_lines
from hicmae_cli.runtime.engine import to_outputs
from hicmae_cli.runtime.ensemble import EnsembleEngine, find_members
from hicmae_cli.runtime.opening import describe_weight, open_engine
from hicmae_cli.tasks import Kind
from hicmae_cli.weights.catalogue import locate_store
from tests.weights.toys import DIMS, info_of, save_regression, save_toy

RNG = np.random.default_rng(0)
VIDEO = RNG.standard_normal((2, 3, 16, 160, 160)).astype(np.float32)
AUDIO = RNG.standard_normal((2, 1, 256, 128)).astype(np.float32)


@pytest.fixture
def members() -> list[Path]:
    """Three weights in the user's store: the tenth must not come before the second."""
    locate_store().mkdir(parents=True)
    return [save_toy(locate_store() / f"toy-{k}.safetensors", seed=k) for k in (1, 2, 10)]


def test_probabilities_are_the_mean_of_the_members(members: list[Path]) -> None:
    assert find_members("ensemble:toy") == ["toy-1", "toy-2", "toy-10"]
    engine = open_engine("ensemble:toy", "torch", "cpu")
    alone = [open_engine(str(path), "torch", "cpu").logits(VIDEO, AUDIO) for path in members]
    mean = np.mean([to_outputs(row, "classification") for row in alone], axis=0)
    assert np.abs(to_outputs(engine.logits(VIDEO, AUDIO), "classification") - mean).max() < 1e-6
    assert np.ptp([to_outputs(row, "classification")[0, 0] for row in alone]) > 0.01
    record = describe_weight("ensemble:toy", engine)
    assert record.sha256 == hash_lines(map(compute_sha256, members))
    assert engine.info.source.startswith("mean of 3 weights (ensemble:toy)") and engine.info.fold == ""


class Fixed:
    """An engine that gives known logits."""

    name, device = "onnx", "cpu"
    providers: tuple[str, ...] = ()

    def __init__(self, kind: Kind, rows: list[list[float]]) -> None:
        self.info = info_of(DIMS, len(rows[0])).model_copy(update={"task": kind})
        self.rows = np.array(rows, np.float32)

    def logits(self, _video: object, _audio: object) -> np.ndarray:
        return self.rows


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_every_kind_of_output_is_averaged(kind: Kind) -> None:
    rows = [[2.0, -1.0], [0.5, 400.0]], [[-3.0, 1.0], [1.0, 2.0]]
    engine = EnsembleEngine("ensemble:x", [Fixed(kind, each) for each in rows])
    mean = np.mean([to_outputs(np.array(each, np.float32), kind) for each in rows], axis=0)
    assert to_outputs(engine.logits(VIDEO, AUDIO), kind) == pytest.approx(mean, abs=1e-6)


def test_members_that_differ_or_are_missing_are_refused(members: list[Path]) -> None:
    with pytest.raises(WeightsError, match=r"expected at least two weights named one-1, one-2, …; found 0"):
        open_engine("ensemble:one")
    with pytest.raises(
        WeightsError,
        match=r"5 of its weights are not on this machine; fetch them with `hicmae weights pull hicmae-mafw-1 hicmae-",
    ):
        open_engine("ensemble:hicmae-mafw")
    save_regression(locate_store() / "toy-3.safetensors")
    with pytest.raises(WeightsError, match="its weights differ in labels, task, so they cannot be averaged"):
        open_engine("ensemble:toy")
