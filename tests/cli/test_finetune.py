"""``hicmae finetune`` on a few drawn clips: what it writes and prints, how it resumes, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.cli.finetune import join_numbers
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.weights.reading import read_info
from tests.cli.running import FINETUNE_RECIPE, Run, fresh_python, hicmae
from tests.weights.toys import DIMS, save_toy

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(FINETUNE_RECIPE)


def finetune(*arguments: object) -> Run:
    return hicmae("finetune", "--recipe", "tiny.toml", "--output", "run", "--device", "cpu", *arguments)


def clips(folder: Path, **names: str) -> Path:
    """The corpus's training and validation lines with other names for the labels."""
    samples = [s for s in read_manifest(folder / "manifest.csv") if s.split != "test"]
    lines = [f"{s.id},{s.video},{s.audio},{names.get(s.label, s.label)},{s.split},{s.speaker}" for s in samples]
    Path("clips.csv").write_text("\n".join(["id,video,audio,label,split,speaker", *lines]))
    return Path("clips.csv")


def labels_of(folder: Path) -> list[str]:
    return sorted({sample.label for sample in read_manifest(folder / "manifest.csv")})


def test_a_run_leaves_a_weight_that_scores_as_it_says(puppets: Path) -> None:
    run = finetune("--dataset", "puppets", "--data", puppets)
    assert run.code == 0, run.err
    said = [line for line in run.out.splitlines() if line]
    assert "clips to train on" in said[0] and "of 1 other people to validate on" in said[0]
    assert said[1] == "warning: there are no training clips of anger, happiness, neutral"
    assert said[2].startswith("warning: there are no validation clips of ")
    assert said[3].startswith("epoch   1") and said[4] == f"weight {Path('run') / 'best.safetensors'}"
    info = read_info("run/best.safetensors")
    assert (info.labels, info.dataset, info.licence) == (CREMA_D_LABELS, "puppets", "MIT")
    assert (info.sampling_rate, info.selection, info.modality) == (1, "val", "av")
    (line,) = Path("run/metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["validation.uar"] == info.metrics["validation"]["uar"]

    for split, known in (("validation", info.metrics["validation"]), ("test", result()["metrics"])):
        scored = hicmae(
            "evaluate",
            "--dataset",
            "puppets",
            "--data",
            puppets,
            "--split",
            split,
            "--weights",
            "run/best.safetensors",
            "--json",
            "scores.json",
        )
        assert scored.code == 0, scored.err
        metrics = json.loads(Path("scores.json").read_text())["metrics"]
        assert metrics == {name: known[name] for name in metrics}
    assert "UAR" in Path("run/result.md").read_text()
    assert Path("run/confusion.png").read_bytes().startswith(b"\x89PNG")
    card = Path("run/card.md").read_text()
    for label, own in result()["classes"].items():
        assert f"| {label} | {own['support']} | {own['people']} |" in card
    assert f"{result()['calibration']['before']['ece']:.4f} as predicted" in card
    assert Path("run/card-reliability.png").read_bytes().startswith(b"\x89PNG")
    for more in ((), ("--evaluation", "scores.json")):  # the scores beside the weight, and those of the last evaluation
        printed = hicmae("weights", "card", "run/best.safetensors", *more)
        assert printed.code == 0 and f"| av | {len(result()['samples'])} |" in printed.out

    stamp = Path("run/best.safetensors").stat().st_mtime_ns
    again = finetune("--dataset", "puppets", "--data", puppets)
    assert again.code == 0 and "epoch   1" not in again.out  # nothing is left to train
    assert Path("run/best.safetensors").stat().st_mtime_ns == stamp
    other = finetune("--dataset", "puppets", "--data", puppets, "--seed", 1)
    assert (other.code, "seed 0 -> 1" in other.err) == (2, True)


def result() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path("run/result.json").read_text())
    return loaded


def test_folds_are_trained_and_tested_one_by_one(puppets: Path) -> None:
    samples = read_manifest(puppets / "manifest.csv")
    people = sorted({sample.speaker for sample in samples})
    lines = [f"{s.id},{s.video},{s.audio},{s.label},{1 + people.index(s.speaker) % 3},{s.speaker}" for s in samples]
    Path("folds.csv").write_text("\n".join(["id,video,audio,label,fold,speaker", *lines]))
    common = ("--manifest", "folds.csv", "--set", "batch_size=1", "--selection", "test-best")
    run = finetune(*common, "--fold", "all")
    assert run.code == 0, run.err
    assert "chosen on the test clips: optimistic" in " ".join(run.out.split())
    document = result()
    assert list(document["folds"]) == ["1", "2", "3"]
    assert {sample["id"] for sample in document["samples"]} == {sample.id for sample in samples}
    assert all(Path(f"run/fold-{fold}/best.safetensors").is_file() for fold in (1, 2, 3))
    assert all(f"fold {fold}" in Path(f"run/fold-{fold}/card.md").read_text() for fold in (1, 2, 3))
    card = Path("run/card.md").read_text()
    assert "3 weights, one per fold" in card and "chosen on the test clips: optimistic" in card
    assert hicmae("weights", "card", "run").out.count("| fold ") == card.count("| fold ") == 6
    one = finetune(*common, "--fold", "2")
    assert one.code == 0, one.err
    alone = json.loads(Path("run/fold-2/result.json").read_text())
    assert alone["metrics"] == document["folds"]["2"]["metrics"]
    assert (none := finetune(*common, "--fold", "7")).code == 1
    assert "the manifest's folds are 1, 2, 3" in none.err


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["--seeds", "0", "1", "2", "--fold", "1"], ["--seeds", "0,1,2", "--fold", "1"]),
        (["--fold", "1", "--seeds", "0,1", "2"], ["--fold", "1", "--seeds", "0,1,2"]),
        (["--seeds", "7"], ["--seeds", "7"]),
        (["--fold", "1", "2"], ["--fold", "1", "2"]),
        (["--seeds"], ["--seeds"]),
        (["--seeds", "--fold", "1"], ["--seeds", "--fold", "1"]),
    ],
)
def test_seeds_are_given_one_after_the_other_or_with_commas(given: list[str], joined: list[str]) -> None:
    assert join_numbers(given, "--seeds") == joined


@pytest.mark.slow
def test_a_whole_experiment_by_one_command(puppets: Path) -> None:
    common = ("--dataset", "puppets", "--data", puppets, "--set", "batch_size=1", "--selection", "last")
    experiment = (*common, "--protocol", "repeated:2x2", "--seeds", 3, 4, "--split-seed", 5)
    run = finetune(*experiment)
    assert run.code == 0, run.err
    assert "; run 1 of 8" in run.out and "seed 4, repetition 2" in run.out and "sd over seeds" in run.out
    document = result()
    assert (document["schema"], document["finished"]) == ("hicmae.finetune/1", True)
    assert Path("run/result.csv").read_text().count("pooled") == 4
    inside = Path("run/seed-3/repeat-2")
    own = json.loads((inside / "result.json").read_text())
    assert "not the official folds" in own["protocol"][0] and own["published"] == {}
    everyone = {sample.id for sample in read_manifest(puppets / "manifest.csv")}
    assert {sample["id"] for sample in own["samples"]} == everyone and len(own["samples"]) == len(everyone)
    folds = json.loads((inside / "folds.json").read_text())["folds"]
    for fold, found in folds.items():
        info = read_info(str(inside / f"fold-{fold}" / "last.safetensors"))
        assert (info.fold, info.protocol, info.split_seed) == (fold, "kfold:2", 6)
        assert len(info.seen[-1].people) == sum(len(other["people"]) for other in folds.values()) - len(found["people"])
    scored = hicmae(
        "evaluate", "--dataset", "puppets", "--data", puppets, "--fold", "all", "-w", inside, "--json", "scores.json"
    )
    assert scored.code == 0, scored.err
    scores = json.loads(Path("scores.json").read_text())
    assert scores["metrics"] == {name: own["metrics"][name] for name in scores["metrics"]}
    assert "kfold2-s6-1" in scores["folds"]
    assert finetune(*experiment).code == 0 and result() == document  # nothing is left to train
    assert "other folds" in finetune(*experiment[:-1], 6).err
    longer = finetune(*experiment, "--extend-epochs", 1)
    assert longer.code == 0, longer.err
    assert "epoch   2" in longer.out and "epoch   1" not in longer.out
    assert read_info(str(inside / "fold-kfold2-s6-1" / "last.safetensors")).extended_from == (1,)


def test_labels_keep_the_given_order_by_name_or_code(puppets: Path) -> None:
    order = labels_of(puppets)[::-1]
    codes = ", ".join(name[:3].upper() for name in order)
    run = finetune("--manifest", clips(puppets), "--labels", codes, "--licence", "CC0")
    assert run.code == 0, run.err
    info = read_info("run/best.safetensors")
    assert (list(info.labels), info.dataset, info.licence) == (order, "clips", "CC0")


def test_label_numbers_are_indices_into_the_given_names(puppets: Path) -> None:
    names = labels_of(puppets)
    numbered = clips(puppets, **{name: str(number) for number, name in enumerate(names)})
    assert "no label names were given" in finetune("--manifest", numbered).err
    run = finetune("--manifest", numbered, "--labels", ",".join(names))
    assert run.code == 0, run.err
    assert list(read_info("run/best.safetensors").labels) == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "neither --dataset nor --manifest"),
        (["--dataset", "mars"], "no dataset named mars"),
        (["--manifest", "clips.csv", "--root", "data"], "got both --root and --manifest"),
        (
            ["--manifest", "clips.csv", "--task", "guess"],
            "--task guess: expected one of classification, multilabel, regression",
        ),
        (["--manifest", "clips.csv", "--task", "regression"], "a regression needs --labels"),
        (
            ["--dataset", "puppets", "--task", "regression"],
            "--task regression: puppets is a dataset for classification",
        ),
        (["--manifest", "clips.csv", "--selection", "best"], "selection"),
        (["--manifest", "clips.csv", "--set", "loss=ccc"], "--set loss=ccc: the labels are classes"),
        (
            ["--manifest", "clips.csv", "--set", "loss=hinge"],
            "loss: expected one of auto, cross_entropy, symmetric_cross_entropy, ",
        ),
        (["--manifest", "clips.csv", "--set", "mixed_precision=fp16"], "on a CPU, use --mixed-precision no"),
        (["--manifest", "clips.csv", "--mixed-precision", "fp16"], "--mixed-precision fp16 needs a GPU"),
        (["--manifest", "clips.csv", "--recipe", "no-such"], "no recipe named no-such"),
        (["--manifest", "clips.csv", "--epochs", "0"], "epochs"),
        (["--manifest", "clips.csv", "--batch-size", "0"], "batch_size"),
        (["--manifest", "clips.csv", "--device", "abacus"], "--device abacus"),
        (["--manifest", "clips.csv", "--device", "cuda:99"], "--device cuda:99"),
        (["--manifest", "clips.csv", "--labels", "anger,fear,ANG"], "--labels anger,fear,ANG"),
        (["--manifest", "clips.csv", "--labels", "anger,,fear"], "--labels anger,,fear"),
        (["--manifest", "clips.csv", "--protocol", "kfold"], "--protocol kfold: expected official, loso"),
        (["--manifest", "clips.csv", "--seeds", "a"], "--seeds a: expected whole numbers"),
        (["--manifest", "clips.csv", "--seeds", "0", "0"], "--seeds: got 0 more than once"),
        (["--manifest", "clips.csv", "--seeds", "0", "--seed", "1"], "got both --seed 1 and --seeds"),
        (["--manifest", "clips.csv", "--label-share", "0"], "label_share"),
        (["--manifest", "clips.csv", "--extend-epochs", "-1"], "--extend-epochs"),
    ],
)
def test_wrong_usage_exits_with_two_before_anything_is_made(puppets: Path, arguments: list[str], said: str) -> None:
    clips(puppets)
    run = finetune(*arguments)
    assert run.code == 2
    assert said in " ".join(run.err.replace("│", " ").split())
    assert not Path("run").exists()


def test_what_cannot_be_trained_on_is_named(puppets: Path) -> None:
    clips(puppets)
    Path("only.onnx").touch()
    save_toy(Path("deeper.safetensors"), dims=replace(DIMS, depth=3))
    for arguments, said in (
        (["--manifest", "no.csv"], "no.csv: cannot read the manifest"),
        (["--manifest", "clips.csv", "--labels", "mirth"], "is not one of mirth"),
        (["--manifest", "clips.csv", "--fold", "1"], "clips.csv: has no folds"),
        (["--manifest", "clips.csv", "--init", "no-such"], "no weight named 'no-such'"),
        (["--manifest", "clips.csv", "--init", "only.onnx"], "only.onnx: ONNX Runtime cannot load it"),
        (["--manifest", "clips.csv", "--init", "deeper.safetensors"], "has the variant custom"),
    ):
        run = finetune(*arguments)
        assert (run.code, said in run.err) == (1, True), run.err
    Path("clips.csv").write_text(Path("clips.csv").read_text().replace(",train,", ",test,"))
    assert "no training clips" in finetune("--manifest", "clips.csv").last_line
    assert not Path("run/best.safetensors").exists()


def test_a_manifest_needs_a_recipe_unless_a_dataset_has_one(puppets: Path) -> None:
    run = hicmae("finetune", "--manifest", clips(puppets))
    assert (run.code, "--manifest needs a --recipe" in " ".join(run.err.split())) == (2, True)


def test_the_weight_says_what_made_it(puppets: Path) -> None:
    assert finetune("--manifest", clips(puppets), "--seed", 3).code == 0
    assert "Not evaluated." in Path("run/card.md").read_text()  # the list has no test clips
    info = read_info("run/best.safetensors")
    assert info.source == "hicmae finetune --manifest clips.csv --recipe tiny.toml --set seed=3"
    assert info.front_end == "hicmae.align/1"


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [("--dataset", "mars", "no dataset named mars"), ("--init", "no-such", "no weight named 'no-such'")],
)
def test_a_wrong_name_is_refused_before_torch_is_imported(option: str, name: str, said: str) -> None:
    arguments = ["finetune", "--manifest", "clips.csv", option, name]
    code = f"import sys\nsys.modules['torch'] = None\nfrom hicmae_cli.cli import main\nmain({arguments!r})"
    done = fresh_python(code)
    assert said in done.stderr


def test_ctrl_c_saves_and_the_same_command_resumes(puppets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--manifest", clips(puppets), "--epochs", 3)

    def interrupt(self: object, epoch: int, step: int, *_: object) -> None:
        if (epoch, step) == (1, 1):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("hicmae_cli.cli.finetune._Display.step", interrupt)
        stopped = finetune(*arguments)
    assert stopped.code == 130, stopped.err
    assert stopped.out.splitlines()[-1] == "stopped after step 2 of 6, and saved; give the same command again to resume"
    resumed = finetune(*arguments)
    assert resumed.code == 0 and "resuming after step 2 of 6" in resumed.out
    assert Path("run/best.safetensors").is_file()
