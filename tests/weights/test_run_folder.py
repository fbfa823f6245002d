"""Where the weights of a run lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.run_folder import (
    FOLDS,
    find_any_weight,
    find_fold_list,
    find_fold_weight,
    find_run_weight,
    find_weight_in,
    locate_fold,
    locate_run,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for fold, name in (("1", "best"), ("1", "last"), ("2", "last")):
        path = locate_fold(tmp_path, fold) / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_the_best_is_taken_before_the_last(run: Path) -> None:
    assert find_fold_weight(run, "1") == run / "fold-1" / "best.safetensors"
    assert find_fold_weight(run, "2") == run / "fold-2" / "last.safetensors"
    assert find_weight_in(locate_fold(run, None)) is None
    with pytest.raises(WeightsError, match=r"no weight of fold 3 \(fold-3/best\.safetensors"):
        find_fold_weight(run, "3")


def test_any_weight_will_do(run: Path) -> None:
    assert find_any_weight(run, folds=True) == run / "fold-1" / "best.safetensors"
    assert find_any_weight(run / "fold-2", folds=False) == run / "fold-2" / "last.safetensors"
    with pytest.raises(WeightsError, match=r"expected best\.safetensors or last\.safetensors"):
        find_any_weight(run, folds=False)


def test_several_runs_in_a_folder_are_named(tmp_path: Path) -> None:
    for seed in (1, 2):
        locate_run(tmp_path, seed, 1).mkdir(parents=True)
    assert locate_run(tmp_path, None, None) == tmp_path
    said = r"a run for each seed or repetition; choose one, e\.g\. .*seed-1$"
    with pytest.raises(WeightsError, match=said):
        find_run_weight(tmp_path)
    with pytest.raises(WeightsError, match=said):
        find_any_weight(tmp_path, folds=True)
    with pytest.raises(WeightsError, match=said):
        find_fold_weight(tmp_path, "1")


def test_the_folds_that_a_run_drew_are_found_from_each_of_its_weights(run: Path) -> None:
    assert find_fold_list(run) is None
    (run / FOLDS).touch()
    for weights in (run, run / "fold-1", run / "fold-1" / "best.safetensors"):
        assert find_fold_list(weights) == run / FOLDS
    for weights in (run / "other", run / "seed-1" / "best.safetensors", Path("crema-d-base")):
        assert find_fold_list(weights) is None
    assert find_fold_weight(run / "fold-2", "2") == run / "fold-2" / "last.safetensors"
