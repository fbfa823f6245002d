"""The runs of a call: folds, seeds and repetitions with their folders, checked before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.corpora.clip_list import ClipList
from hicmae_cli.corpora.fold_protocols import parse_protocol
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.arms import Arm, check_finished, describe_doubts, load_seeds, plan_arms
from hicmae_cli.training.finetuning.parts import split_samples
from hicmae_cli.weights.run_folder import BEST, FOLDS, locate_fold
from tests.training.toys import TASK

CLIPS = [
    Sample(f"{n:02d}", Path("a.mkv"), None, TASK.labels[n % 2], fold=str(1 + n // 2 % 2), speaker=f"p{n // 2}")
    for n in range(12)
]


def plan(output: Path, protocol: str | None = None, fold: str | None = None, **changes: Any) -> list[Arm]:
    seeds = changes.pop("seeds", [])
    plans = [({"seed": seed}, FinetuneSettings(seed=seed, **changes)) for seed in seeds or [0]]
    clips = ClipList(Path("clips.csv"), None, "clips")
    return plan_arms(output, clips, CLIPS, parse_protocol(protocol), fold, plans, several_seeds=bool(seeds))


def test_the_list_decides_by_default(tmp_path: Path) -> None:
    (arm,) = plan(tmp_path)
    assert (arm.folder, arm.folds, list(arm.samples), arm.protocol) == (tmp_path, ["1", "2"], CLIPS, "")
    assert [arm.folder.name for arm in plan(tmp_path, seeds=[3, 4])] == ["seed-3", "seed-4"]


def test_a_repetition_is_the_same_run_as_one_with_its_split_seed(tmp_path: Path) -> None:
    arms = plan(tmp_path, "repeated:3x2", seeds=[1, 2], split_seed=5)
    assert [arm.folder.relative_to(tmp_path).as_posix() for arm in arms] == [
        f"seed-{seed}/repeat-{repetition}" for seed in (1, 2) for repetition in (1, 2)
    ]
    (alone,) = plan(tmp_path, "kfold:3", split_seed=6)
    second = arms[1]
    assert (second.folds, second.samples, second.protocol) == (alone.folds, alone.samples, "kfold:3")
    assert second.settings == alone.settings.model_copy(update={"seed": 1})
    assert second.changes == {"seed": 1, "split_seed": 6}
    assert arms[0].drawn != second.drawn and arms[2].drawn == arms[0].drawn
    for fold in second.folds:
        parts = split_samples(second.samples, fold, seed=second.settings.split_seed)
        tested = {clip.speaker for clip in parts.test}
        assert tested and not tested & {clip.speaker for clip in (*parts.train, *parts.validation)}
        assert parts.test == second.list_test_clips(fold)


def test_one_drawn_fold_may_be_chosen(tmp_path: Path) -> None:
    (arm,) = plan(tmp_path, "loso", "loso-p3")
    assert arm.folds == ["loso-p3"] and {clip.speaker for clip in arm.list_test_clips("loso-p3")} == {"p3"}


def test_a_folder_keeps_its_folds(tmp_path: Path) -> None:
    (arm,) = plan(tmp_path, "kfold:3")
    assert arm.drawn is not None
    arm.drawn.write(tmp_path / FOLDS)
    assert plan(tmp_path, "kfold:3") == [arm] and plan(tmp_path) != [arm]  # no run has begun: nothing to keep
    locate_fold(tmp_path, arm.folds[0]).mkdir()
    assert plan(tmp_path, "kfold:3") == [arm]
    with pytest.raises(SettingsError, match="holds a run with protocol='kfold:3'"):
        plan(tmp_path)
    for protocol, split_seed in (("kfold:2", 0), ("kfold:3", 1), ("loso", 0)):
        with pytest.raises(SettingsError, match=r"holds a run with other folds \(kfold:3, split_seed 0\)"):
            plan(tmp_path, protocol, split_seed=split_seed)


def test_drawn_folds_do_not_join_a_run_of_the_lists_own(tmp_path: Path) -> None:
    (tmp_path / "fold-1").mkdir()
    plan(tmp_path)
    with pytest.raises(SettingsError, match="holds a run with protocol='official'"):
        plan(tmp_path, "kfold:3")


def test_folds_that_say_little_are_warned_about(tmp_path: Path) -> None:
    (arm,) = plan(tmp_path, "loso")
    assert describe_doubts(arm, TASK) == []
    (doubt,) = describe_doubts(arm, replace(TASK, labels=(*TASK.labels, "fear")))
    assert "6 of 6 (fold loso-p0: no fear" in doubt and "and 3 more" in doubt
    (unnamed,) = plan_arms(
        tmp_path,
        ClipList(Path("clips.csv"), None, "clips"),
        [replace(clip, speaker="") for clip in CLIPS],
        parse_protocol("kfold:2"),
        None,
        [({}, FinetuneSettings())],
        several_seeds=False,
    )
    assert "name no speaker" in describe_doubts(unnamed, TASK)[0]


def test_seeds_and_epochs_are_put_into_the_recipe() -> None:
    found = load_seeds("crema-d", {"epochs": 3}, [4, 5], 2)
    assert [(changes, settings.seed, settings.epochs) for changes, settings in found] == [
        ({"epochs": 3, "seed": seed}, seed, 5) for seed in (4, 5)
    ]
    with pytest.raises(SettingsError, match="got both seed=1 and `seeds`"):
        load_seeds("crema-d", {"seed": 1}, [4, 5], 0)


def test_all_runs_must_be_there_before_one_is_extended(tmp_path: Path) -> None:
    arms = plan(tmp_path, seeds=[0, 1])
    folders = [locate_fold(arm.folder, fold) for arm in arms for fold in arm.folds]
    for folder in folders[:-1]:
        folder.mkdir(parents=True)
        (folder / BEST).touch()
    with pytest.raises(WeightsError, match="fold-2: has no finished run to extend"):
        check_finished(arms)
    folders[-1].mkdir()
    (folders[-1] / BEST).touch()
    check_finished(arms)
