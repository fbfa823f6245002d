"""The whole road on a fake of every dataset, by a user's commands: prepare, fine-tune fold by fold, evaluate."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.weights.reading import read_info
from tests.cli.running import hicmae
from tests.corpora.fakes import FAKES, make_fake

pytestmark = pytest.mark.integration

QUICK = ("crema-d",)
SMALL = {
    "encoder_width": 32,
    "encoder_heads": 2,
    "encoder_depth": 2,
    "fusion_depth": 1,
    "sampling_rate": 1,
    "batch_size": 1,
    "num_workers": 0,
    "epochs": 1,
    "warmup_epochs": 0,
    "mixup": 0,
    "cutmix": 0,
    "rand_augment": '""',
    "drop_video_tokens": 0.9,
    "validation_share": 0.5,
    "mixed_precision": "no",
}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAKES]
)
def test_from_files_as_distributed_to_a_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = find_dataset(name)
    items = make_fake(name, tmp_path / "data", folds=3, labels=2)
    root: list[object] = ["--root", "data/manifest.csv" if dataset.root_may_be_file else "data"]

    prepared = hicmae("prepare", name, *root, "--workers", 1)
    assert "failed" not in prepared.out, prepared.out
    store = tmp_path / "data" / "prepared"
    with (store / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == sorted(item.id for item in items)
    if dataset.sound_only:
        assert all(not row["video"] and (store / row["audio"]).is_file() for row in rows)
    else:
        assert all((store / row["video"]).is_file() for row in rows)
    assert (store / f"{name}.png").is_file() != dataset.sound_only

    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    root = ["--root", "data"]
    tuned = hicmae("finetune", "--dataset", name, *root, "--device", "cpu", "--output", "run", *settings)
    assert tuned.code == 0, tuned.err + tuned.out
    document = json.loads(Path("run/result.json").read_text())
    folds = sorted({row["fold"] for row in rows} - {""})
    assert dataset.metric in document["metrics"]
    assert sorted(document.get("folds", {})) == folds
    weight = Path("run") / (f"fold-{folds[0]}" if folds else "") / "best.safetensors"
    info = read_info(str(weight))
    assert (info.dataset, info.task, info.selection) == (name, dataset.task, "val")
    if dataset.labels:
        assert info.labels == dataset.labels

    which = ["--fold", "all", "--weights", "run"] if folds else ["--weights", weight]
    scored = hicmae("evaluate", "--dataset", name, *root, *which, "--engine", "torch", "--json", "again.json")
    assert scored.code == 0, scored.err
    assert json.loads(Path("again.json").read_text())["metrics"] == document["metrics"]


@pytest.mark.slow
def test_blends_go_the_same_road_to_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blends, with mixing and smoothing on, to an ONNX file whose probabilities need not sum to one."""
    monkeypatch.chdir(tmp_path)
    make_fake("blemore", tmp_path, folds=3)
    root = ["--dataset", "blemore", "--root", "."]
    assert hicmae("prepare", "blemore", "--root", ".", "--workers", 1).code == 0
    chosen = {**SMALL, "batch_size": 8, "mixup": 0.8, "cutmix": 1.0, "drop_video_tokens": 0}
    settings = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    tuned = hicmae("finetune", *root, "--fold", 1, "--device", "cpu", "--output", "run", *settings)
    assert tuned.code == 0, tuned.err + tuned.out
    document = json.loads(Path("run/fold-1/result.json").read_text())
    assert document["task"] == "multilabel" and "confusion" not in document
    assert {sample["label"] for sample in document["samples"]} >= {"anger+fear", "neutral"}
    assert not list(Path("run").glob("**/confusion.png"))

    weight = "run/fold-1/best.safetensors"
    exported = hicmae("export", "--onnx", "-w", weight)
    assert exported.code == 0 and "in a probability" in exported.out, exported.err
    scored = hicmae(
        "evaluate", *root, "--fold", 1, "-w", "run/fold-1/best.onnx", "--json", "again.json", "--by", "gender"
    )
    assert scored.code == 0, scored.err
    again = json.loads(Path("again.json").read_text())
    for one, other in zip(document["samples"], again["samples"], strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-3)

    (video,) = Path("videos").glob("A411_mix_fea_ang*")
    assert hicmae("predict", video, "-w", "run/fold-1/best.onnx", "--output", "out").code == 0
    (file,) = json.loads(Path("out/predictions.json").read_text())["files"]
    summary = file["summary"]
    assert summary["label"] == "+".join(sorted(summary["labels"]))
    assert sum(summary["probabilities"].values()) != pytest.approx(1, abs=0.1)

    refused = hicmae("compare", "again.json", "run/fold-1")
    assert refused.code != 0 and "sets of labels" in refused.err


@pytest.mark.slow
def test_numbers_of_ones_own_go_the_same_road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_fake("manifest", tmp_path)
    Path("labels.txt").unlink()
    listed = Path("manifest.csv").read_text()
    for word, numbers in (("happy,", "0.5 1,"), ("SAD,", "-1 0.25,"), ("bored,", "0 -2,")):
        listed = listed.replace(f",{word}", f",{numbers}")
    Path("manifest.csv").write_text(listed)
    root = ["--root", "."]
    assert hicmae("prepare", "manifest", *root, "--workers", 1).code == 0

    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    tune = ["finetune", "--dataset", "manifest", *root, "--device", "cpu", "--output", "run", *settings]
    refused = hicmae(*tune)
    assert refused.code == 1
    assert "all labels are numbers" in refused.err
    tuned = hicmae(*tune, "--task", "regression", "--labels", "valence,arousal")
    assert tuned.code == 0, tuned.err + tuned.out
    document = json.loads(Path("run/result.json").read_text())
    assert {"ccc", "ccc_valence", "mae_arousal"} <= document["metrics"].keys()

    scored = hicmae(
        "evaluate",
        "--dataset",
        "manifest",
        *root,
        "--fold",
        "all",
        "--weights",
        "run",
        "--engine",
        "torch",
        "--json",
        "again.json",
    )
    assert scored.code == 0, scored.err
    assert json.loads(Path("again.json").read_text())["metrics"] == document["metrics"]


@pytest.mark.slow
def test_faces_and_voices_of_other_people_go_the_same_road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and sounds, merged into one list, train one model; each stream is scored on the clips that have it."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "emodb"):
        make_fake(name, tmp_path / name)
        assert hicmae("prepare", name, "--root", name, "--workers", 1).code == 0
    lists = [f"{name}={name}/prepared/{name}.csv" for name in ("photos", "emodb")]
    merged = hicmae("merge", *lists, "--labels", "happiness,sadness", "-o", "mixed.csv")
    assert merged.code == 0, merged.err

    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    tune = ["finetune", "--manifest", "mixed.csv", "--recipe", "own-data", "--device", "cpu", *settings]
    tuned = hicmae(*tune, "--output", "run")
    assert tuned.code == 0, tuned.err + tuned.out
    assert hicmae(*tune, "--output", "again").code == 0
    assert Path("run/best.safetensors").read_bytes()[-64:] == Path("again/best.safetensors").read_bytes()[-64:]
    scored = hicmae("evaluate", "--manifest", "mixed.csv", "-w", "run", "--modality", "each", "--json", "each.json")
    assert scored.code == 0, scored.err
    document = json.loads(Path("each.json").read_text())
    streams = document["by_modality"]
    total = streams["av"]["decisions"]
    assert streams["av"]["skipped"] == 0
    assert all(0 < own["decisions"] == total - own["skipped"] for own in (streams["video"], streams["audio"]))
    assert "skipped" in scored.err

    heard = hicmae(*tune, "--set", "modality=audio", "--output", "heard")
    assert heard.code == 0, heard.err
    assert "clips that have no audio" in " ".join((heard.out + heard.err).split())
