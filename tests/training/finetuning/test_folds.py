"""All folds and seeds of a task by one call: what it writes and returns, how it resumes, and what it refuses early."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.corpora.manifest import Sample, list_files, read_manifest
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.records.hashes import hash_data, hash_tensors
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningResult
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.record import read_record
from tests.training.toys import FINETUNE_SETTINGS

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a manifest of two folds, six people, and a recipe of one epoch."""
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{s.id},{s.video},{s.audio},{s.label},{1 + index // 2 % 2},p{index // 2},{'fm'[index // 6]}"
        for index, s in enumerate(samples)
    ]
    Path("clips.csv").write_text("\n".join(["id,video,audio,label,fold,speaker,sex", *lines]))
    values = {
        **FINETUNE_SETTINGS.model_dump(exclude_none=True),
        "epochs": 1,
        "validation_share": 0.34,
        "mixed_precision": "auto",
    }
    text = "\n".join(f"{key} = {json.dumps(list(v) if isinstance(v, tuple) else v)}" for key, v in values.items())
    Path("quick.toml").write_text(text)
    return tmp_path


def run(**more: Any) -> FinetuningResult:
    return finetune_folds(**{"manifest": "clips.csv", "recipe": "quick.toml", "output": "run", "device": "cpu", **more})


def samples_of(folder: Path) -> list[Sample]:
    return read_manifest(folder / "clips.csv")


def test_every_fold_is_trained_tested_and_written(folder: Path) -> None:
    folds: list[str | None] = []
    result = run(progress=FinetuningProgress(on_fold=lambda fold, _: folds.append(fold)))
    assert folds == ["1", "2"] == [each.fold for each in result.runs]
    assert result.finished and not result.stopped
    assert result.weights == tuple(Path("run") / f"fold-{fold}" / "best.safetensors" for fold in folds)
    (seed,) = result.seeds
    assert isinstance(seed.evaluation, FoldsEvaluation) and result.pooled is not None
    assert {sample.id for sample in result.pooled.samples} == {f"{index:02d}" for index in range(12)}
    document = json.loads(Path("run/result.json").read_text())
    assert (seed.report, seed.document) == (Path("run/result.md"), document)
    for each in result.runs:
        assert each.evaluation is not None
        alone = json.loads((each.folder / "result.json").read_text())
        assert alone["metrics"] == each.evaluation.metrics == document["folds"][each.fold]["metrics"]
        assert (each.folder / "confusion.png").is_file()
        card = (each.folder / "card.md").read_text()
        assert f"Measured on {each.evaluation.clips} clips of 3 people." in card and "### By sex" in card
        record = read_record(each.folder)
        assert record.finished and record.scores == each.evaluation.metrics
        assert record.run.recipe["mixed_precision"] == "no"  # what auto means here
        assert (record.run.fold, record.run.seed, record.weight) == (each.fold, 0, "best.safetensors")
        assert record.parameters["manifest"] == str(folder / "clips.csv") and record.parameters["fold"] is None
        assert record.run.data == hash_data(list_files(samples_of(folder)), folder / "clips.csv")
        assert read_info(str(each.weight)).source == "hicmae finetune --manifest clips.csv --recipe quick.toml"
        info = read_info(str(each.weight))
        assert info.source == "hicmae finetune --manifest clips.csv --recipe quick.toml"
        assert (
            json.loads((each.folder / "settings.json").read_text())["mixed_precision"] == "no"
        )  # what auto means here
        assert (info.sampling, info.frame_step_s) == ("frames", 0.04)  # every frame, at 25 frames/s
    (by_sex,) = document["groups"]
    assert [(group["group"], group["decisions"], group["people"]) for group in by_sex["groups"]] == [
        ("f", 6, 3),
        ("m", 6, 3),
    ]
    assert "2 weights, one per fold" in Path("run/card.md").read_text()
    assert result.mean == result.pooled.metrics and result.sd is None
    assert json.loads(json.dumps(result.to_dict()))["seeds"][0]["folds"][0]["weight"] == str(result.weights[0])
    assert f"seed 0: UAR {result.mean['uar']:.4f}" in str(result)

    stamp = result.weights[0].stat().st_mtime_ns
    text = [(each.folder / "run.json").read_text() for each in result.runs]
    again = run()
    assert [(each.folder / "run.json").read_text() for each in result.runs] == text  # there was nothing to do
    assert (again.mean, again.weights[0].stat().st_mtime_ns) == (result.mean, stamp)


def test_seeds_repeat_a_fold_in_folders_of_their_own(folder: Path) -> None:
    result = run(fold="2", seeds=(3, 4), overrides={"selection": "last", "epochs": None})
    assert [(each.fold, each.seed, each.folder) for each in result.runs] == [
        ("2", seed, Path("run") / f"seed-{seed}" / "fold-2") for seed in (3, 4)
    ]
    assert result.weights[0].read_bytes() != result.weights[1].read_bytes()
    source = read_info(str(result.weights[1])).source
    assert source == "hicmae finetune --manifest clips.csv --recipe quick.toml --set selection=last --set seed=4"
    scores = [seed.pooled.metrics["uar"] for seed in result.seeds if seed.pooled]
    assert len(scores) == 2 and result.mean["uar"] == sum(scores) / 2
    assert result.sd is not None and result.sd["uar"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert str(result).splitlines()[-1].startswith("mean over runs: UAR ")
    alone = run(fold="2", output="alone", overrides={"selection": "last", "seed": 4})
    assert alone.mean == (result.seeds[1].pooled or pytest.fail()).metrics


def test_a_stopped_call_resumes_to_the_same_result(folder: Path) -> None:
    two = {"overrides": {"epochs": 2}}
    whole = run(output="whole", **two)

    def interrupt(fold: str) -> FinetuningProgress:
        now: list[str | None] = []

        def on_step(epoch: int, step: int, *_: object) -> None:
            if (now[-1], epoch, step) == (fold, 1, 1):
                os.kill(os.getpid(), signal.SIGINT)

        return FinetuningProgress(on_fold=lambda name, _: now.append(name), on_step=on_step)

    first = run(progress=interrupt("1"), **two)
    assert first.stopped and not first.finished and [each.fold for each in first.runs] == ["1"]
    assert first.pooled is None and first.mean == {} and not Path("run/result.json").exists()
    second = run(progress=interrupt("2"), **two)
    assert second.stopped and [each.finished for each in second.runs] == [True, False]
    assert "not finished" in str(second)
    last = run(**two)
    assert last.mean == whole.mean
    for one, other in zip(last.weights, whole.weights, strict=True):
        assert hash_tensors(one) == hash_tensors(other)
        infos = [read_info(str(weight)).to_dict() for weight in (one, other)]
        # Nothing but the time differs.
        assert all(info["run"].pop("date") and info["run"].pop("duration_s") > 0 for info in infos)
        assert infos[0] == infos[1] | {"run": infos[1]["run"] | {"parameters": infos[0]["run"]["parameters"]}}
    outcomes = [[each.outcome for each in read_record(run.folder).sessions] for run in last.runs]
    assert outcomes == [["stopped", "finished"], ["stopped", "finished"]]


@pytest.mark.slow
def test_a_start_that_was_trained_on_the_test_clips_stops_the_call_before_any_fold(folder: Path) -> None:
    weight = run(fold="2").weights[0]
    with pytest.raises(WeightsError, match="test fold 1: its fine-tuning on clips included 3 test speakers"):
        run(fold="1", init=weight, output="other")  # the same list
    text = Path("clips.csv").read_text()
    Path("more.csv").write_text(f"{text}\n")
    warned: list[str] = []
    more = {"manifest": "more.csv", "output": "other", "progress": FinetuningProgress(warn=warned.append)}
    assert len(read_info(str(run(fold="1", init=weight, **more).weights[0])).seen) == 2
    assert any("the score will be optimistic" in line for line in warned)
    listed = {"dataset": "crema-d-4", "manifest": "clips.csv"}
    known = run(fold="2", output="known", **listed).weights[0]
    with pytest.raises(WeightsError, match="was trained on the clips or people that test fold 1"):
        run(init=known, output="second", **listed)
    assert not Path("second").exists()


def test_a_run_that_never_reaches_its_learning_rate_is_warned_about(folder: Path) -> None:
    warned: list[str] = []
    Path("run/fold-2/card.md").mkdir(parents=True)  # a card that cannot be written stops nothing
    run(fold="2", overrides={"warmup_epochs": 3}, progress=FinetuningProgress(warn=warned.append))
    assert sum("warmup_epochs 3" in line for line in warned) == 1
    assert sum("card.md: cannot be written: it is a folder" in line for line in warned) == 1


def test_a_fault_in_a_card_stops_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no font\nhere")

    monkeypatch.setattr("hicmae_cli.training.finetuning.folds.write_card", fail)
    warned: list[str] = []
    assert len(run(fold="2", progress=FinetuningProgress(warn=warned.append)).weights) == 1
    assert "the model card cannot be written: no font" in warned


def test_without_hooks_warnings_are_python_warnings(folder: Path) -> None:
    with pytest.warns(UserWarning, match="warmup_epochs 3"):
        result = run(fold="2", overrides={"warmup_epochs": 3})
    assert str(result).startswith("clips: 1 weight\n")


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"recipe": None}, SettingsError, "`manifest` needs a `recipe`"),
        ({"dataset": "mars"}, SettingsError, "no dataset named mars"),
        ({"task": "guess"}, SettingsError, "task='guess': expected one of classification, multilabel, regression"),
        ({"task": "regression"}, SettingsError, "a regression needs `labels`"),
        ({"dataset": "crema-d", "task": "regression"}, SettingsError, "crema-d is a dataset for classification"),
        ({"labels": ("anger", "ANG")}, SettingsError, "labels='anger,ANG': expected distinct, printable names"),
        ({"dataset": "crema-d", "labels": ("joy",)}, ManifestError, "labels='joy': expected some or all of anger, "),
        ({"overrides": {"loss": "ccc"}}, SettingsError, "loss='ccc': the labels are classes"),
        (
            {"overrides": {"loss": "hinge"}},
            SettingsError,
            "expected one of auto, cross_entropy, symmetric_cross_entropy",
        ),
        ({"overrides": {"mixed_precision": "fp16"}}, SettingsError, "mixed_precision='fp16' needs a GPU"),
        ({"init": "no-such"}, WeightsError, "no weight named 'no-such'"),
        ({"device": "abacus"}, SettingsError, "abacus"),
        ({"manifest": None}, SettingsError, "neither `dataset` nor `manifest`"),
        ({"protocol": "kfold:1"}, SettingsError, "protocol='kfold:1': expected at least two folds"),
        ({"extend_epochs": -1}, SettingsError, "extend_epochs=-1: expected at least 1"),
        ({"seeds": [1, 0, 1]}, SettingsError, "`seeds`: got 1 more than once"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_clips_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], error: type[Exception], said: str
) -> None:
    monkeypatch.setattr("hicmae_cli.training.finetuning.folds.read_task", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(error) as caught:
        run(**more)
    assert said in str(caught.value)
    assert not Path("run").exists()


class EnoughError(Exception):
    """Ends a run before it trains."""


def settings_of(**more: Any) -> FinetuneSettings:
    """The settings that a run would train with."""
    found: list[FinetuneSettings] = []

    def keep(_: str | None, settings: FinetuneSettings) -> None:
        found.append(settings)
        raise EnoughError

    with pytest.raises(EnoughError):
        run(progress=FinetuningProgress(on_fold=keep), **more)
    return found[0]


def test_own_data_is_sampled_by_time_unless_the_recipe_says_otherwise(folder: Path) -> None:
    recipe = Path("quick.toml").read_text()
    Path("quick.toml").write_text(recipe.replace('sampling = "frames"\n', ""))
    assert settings_of(dataset="manifest").sampling == "time"
    assert settings_of().sampling == "frames"
    assert settings_of(dataset="manifest", overrides={"sampling": "frames"}).sampling == "frames"
    assert settings_of(dataset="manifest", profile="laptop").sampling == "time"
    assert settings_of(profile="laptop", overrides={"epochs": 2}).epochs == 2


def test_the_profile_is_in_the_command_of_the_weight(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def keep(_: Path, task: Task, *args: object, **more: object) -> None:
        seen.append(task.source)
        raise EnoughError

    monkeypatch.setattr("hicmae_cli.training.finetuning.folds.finetune_and_test", keep)
    with pytest.raises(EnoughError):
        run(profile="laptop")
    assert seen == ["hicmae finetune --manifest clips.csv --recipe quick.toml --profile laptop"]
