"""``evaluate`` on folds, across corpora and with every option, on a toy dataset."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hicmae_cli.clips import read_prepared_clip, stack_clips
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from tests import reference
from tests.cli.catalogues import MERGED, TOYS, VALUES, install
from tests.cli.running import hicmae
from tests.evaluation.toys import write_grey
from tests.weights.toys import DIMS, info_of

pytestmark = pytest.mark.usefixtures("without_workers")

LIST = reference.FOLDER / "dataset" / "test.csv"
FILES = {"result.json", "result.md", "scores.csv", "scores.tex", "confusion.png", "reliability.png"}
EXPECTED = reference.read_json("evaluation.json")


LABELS = ("neutral", "anger", "happiness")  # not the dataset's order


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fine-tuning over two folds leaves: a toy weight of each."""
    folder = tmp_path_factory.mktemp("run")
    for fold, selection in (("1", "val"), ("2", "test-best")):
        save(folder / f"fold-{fold}" / "best.safetensors", seed=int(fold), selection=selection, fold=fold)
    return folder


def save(path: Path, seed: int = 0, **facts: object) -> Path:
    torch.manual_seed(seed)
    made = {"labels": LABELS, "dataset": "toys", **facts}
    info = info_of(DIMS, 3).model_copy(update=made)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_classifier(path, Classifier(DIMS, len(info.labels)), info)
    return path


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prepared dataset of five clips in two folds; its root."""
    install(monkeypatch, TOYS, VALUES, MERGED)
    names = ("A", "H", "N", "A", "H")
    rows = ["id,video,audio,label,fold,split,speaker"]
    values = [rows[0]]
    for index, code in enumerate(names):
        clip = write_grey(tmp_path / "prepared", f"p_{index // 2}_{index}", 50 * index, 20)
        fold = "1" if index < 3 else "2"
        word = TOYS.codes[code]
        rows.append(f"{clip.id},{clip.id},{clip.id}.wav,{word},{fold},,s{index % 2}")
        values.append(f"{clip.id},{clip.id},{clip.id}.wav,{index} 0.5,{fold},,s{index % 2}")
    (tmp_path / "prepared" / "toys.csv").write_text("\n".join(rows))
    (tmp_path / "prepared" / "values.csv").write_text("\n".join(values))
    return tmp_path


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_a_fold_stands_beside_the_published_numbers(toys: Path, run_folder: Path) -> None:
    out = toys / "out"
    run = hicmae(
        "evaluate", "--dataset", "toys", "--root", toys, "--fold", "1", "--weights", run_folder, "--output", out
    )
    assert run.code == 0, run.err
    assert {path.name for path in out.iterdir()} == FILES
    document = read(out / "result.json")
    assert len(document["samples"]) == 3 and document["fold"] == "1"
    assert document["published"]["uar"]["published"] == 0.8666
    assert document["labels"] == list(LABELS)
    assert "published, fold 1" in run.out and "0.8666" in run.out
    assert "0.8666" in (out / "result.md").read_text()
    assert [warning.partition(":")[0] for warning in document["warnings"]] == ["only 2 speakers"]


def test_all_folds_are_scored_by_their_own_weights(toys: Path, run_folder: Path) -> None:
    out = toys / "out"
    run = hicmae(
        "evaluate", "--dataset", "toys", "--data", toys, "--fold", "all", "--weights", run_folder, "--output", out
    )
    assert run.code == 0, run.err
    document = read(out / "result.json")
    assert document["folds"].keys() == {"1", "2"} and len(document["samples"]) == 5
    assert document["mean"]["war"] == pytest.approx(
        np.mean([fold["metrics"]["war"] for fold in document["folds"].values()])
    )
    assert "mean over folds" in run.out and "sd over folds" in run.out
    # Fold 2's epoch was chosen on its test clips: said on the screen, in the page and in the document.
    for text in (run.err, (out / "result.md").read_text(), json.dumps(document)):
        assert "chosen on the test clips: optimistic" in " ".join(text.split())
    assert "fold 2: no clip of neutral" in " ".join(run.err.split())


def test_one_weight_is_not_taken_for_all_folds(toys: Path, run_folder: Path) -> None:
    weight = run_folder / "fold-1" / "best.safetensors"
    run = hicmae("evaluate", "--dataset", "toys", "--root", toys, "--fold", "all", "--weights", weight)
    assert run.code == 2 and re.search("(--fold |fold=)'?all'?: give the folder of a run", run.err)
    run = hicmae("evaluate", "--dataset", "toys", "--root", toys, "--weights", weight)
    assert run.code == 2 and "is tested by fold" in run.last_line
    command = ("evaluate", "--dataset", "toys", "--root", toys, "--weights", weight, "--fold", "2")
    run = hicmae(*command)
    assert run.code == 2 and "the weight excluded fold 1: it was trained on these clips; test --fold 1" in run.last_line
    run = hicmae(*command, "--allow-seen")
    assert run.code == 0 and "it was trained on these clips" in " ".join(run.err.split())


def test_an_ensemble_of_all_folds_has_seen_every_clip(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_HOME", str(toys / "home"))
    for fold in ("1", "2"):
        save(toys / "home" / "weights" / f"both-{fold}.safetensors", seed=int(fold), fold=fold)
    command = ("evaluate", "--dataset", "toys", "--root", toys, "--fold", "1", "--weights", "ensemble:both")
    run = hicmae(*command)
    assert run.code == 2
    assert "ensemble:both: was trained on clips that test it: its trainings on toys left out the folds 1, 2" in run.err
    run = hicmae(*command, "--allow-seen", "--json", toys / "r.json")
    assert run.code == 0, run.err
    alone = []
    for name in ("both-1", "both-2"):
        run = hicmae(*command[:-1], name, "--allow-seen", "--json", toys / "alone.json")
        assert run.code == 0, run.err
        alone.append([sample["views"] for sample in read(toys / "alone.json")["samples"]])
    together = [sample["views"] for sample in read(toys / "r.json")["samples"]]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-6)
    # On another corpus, an ensemble is welcome.
    listed = toys / "other.csv"
    listed.write_text((toys / "prepared" / "toys.csv").read_text().replace(",1,,", ",,,").replace(",2,,", ",,,"))
    for clip in (toys / "prepared").iterdir():
        if clip.name != "toys.csv":
            (toys / clip.name).symlink_to(clip)
    run = hicmae("evaluate", "--manifest", listed, "--weights", "ensemble:both")
    assert run.code == 0, run.err


def test_other_labels_are_refused_mapped_or_crossed(toys: Path) -> None:
    weight = save(toys / "w.safetensors", labels=("anger", "fear", "happiness"), dataset="elsewhere")
    command = ("evaluate", "--dataset", "toys", "--root", toys, "--weights", weight, "--json", toys / "r.json")
    run = hicmae(*command, "--fold", "1")
    assert run.code == 1
    assert "only toys has neutral; only the weight has fear" in run.last_line
    assert re.search("(--map |label_map=)'?neutral=fear", run.last_line)
    run = hicmae(*command, "--fold", "1", "--map", "N=-")
    assert run.code == 0, run.err
    document = read(toys / "r.json")
    assert document["label_map"]["dropped"] == {"neutral": 1} and document["labels"][1] == "fear"
    run = hicmae(*command, "--cross")
    assert run.code == 0, run.err
    document = read(toys / "r.json")
    assert document["cross"] == {"trained_on": "elsewhere", "shared": ["anger", "happiness"]}
    assert len(document["samples"]) == 4 and document["published"] == {}
    assert all(sum(sample["probabilities"]) == pytest.approx(1) for sample in document["samples"])
    assert "majority" in run.out and "chance" in run.out
    run = hicmae(*command, "--fold", "1", "--map", "N=sorrow")
    assert run.code == 2 and "sorrow is not a label of the weight" in run.last_line


def test_folds_of_a_bare_list_are_crossed_on_the_labels_of_all(toys: Path) -> None:
    weight = save(toys / "w.safetensors", labels=("anger", "fear", "happiness", "neutral"), dataset="elsewhere")
    text = (toys / "prepared" / "toys.csv").read_text()
    listed = toys / "prepared" / "mine.csv"
    listed.write_text(text.replace(",1,,", ",3,,"))  # the fold without neutral comes first
    run = hicmae(
        "evaluate", "--cross", "--manifest", listed, "--fold", "all", "--weights", weight, "--json", toys / "r.json"
    )
    assert run.code == 0, run.err
    document = read(toys / "r.json")
    assert document["cross"]["shared"] == ["anger", "happiness", "neutral"]
    assert list(document["folds"]) == ["2", "3"] and len(document["samples"]) == 5


@pytest.mark.parametrize("engine", ["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def test_values_by_either_engine(toys: Path, engine: str) -> None:
    weight = save(toys / "w.safetensors", labels=("arousal", "valence"), task="regression", dataset="values")
    run = hicmae(
        "evaluate",
        "--dataset",
        "values",
        "--root",
        toys,
        "--fold",
        "1",
        "--weights",
        weight,
        "--engine",
        engine,
        "--output",
        toys / "out",
    )
    assert run.code == 0, run.err
    document = read(toys / "out" / "result.json")
    assert document["engine"] == engine and document["labels"] == ["arousal", "valence"]
    # The dataset's order is valence, arousal.
    assert [sample["label"] for sample in document["samples"]] == [[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]]
    model, _ = load_classifier(weight)
    clip = read_prepared_clip(toys / "prepared" / "p_0_0", toys / "prepared" / "p_0_0.wav").read_evaluation_clips(4)[0]
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, stack_clips([clip])))[0].numpy()
    np.testing.assert_allclose(document["samples"][0]["prediction"], expected, atol=1e-4)
    assert "published" in run.out and "CCC" in run.out
    assert not (toys / "out" / "confusion.png").exists()
    predicted = hicmae(
        "predict", clip_of(toys), "--weights", weight, "--engine", engine, "--json", "--sound", "shared"
    ).document
    assert predicted["files"][0]["summary"]["values"].keys() == {"arousal", "valence"}


def clip_of(root: Path) -> Path:
    return root / "prepared" / "p_0_0.wav"


def test_a_weight_of_another_task_is_refused(toys: Path, run_folder: Path) -> None:
    weight = run_folder / "fold-1" / "best.safetensors"
    run = hicmae("evaluate", "--dataset", "values", "--root", toys, "--fold", "1", "--weights", weight)
    assert run.code == 1 and "is a regression dataset, but the weight was trained for classification" in run.err


def test_a_dataset_gives_labels_and_merging_to_a_list_of_clips(toys: Path, run_folder: Path) -> None:
    """Numbers are the dataset's labels in order, not the weight's; clips of a person and task are decided as one."""
    lines = [f"p_{i // 2}_{i} p_{i // 2}_{i}.wav {number}" for i, number in enumerate((0, 0, 2, 2))]
    listed = toys / "prepared" / "list.txt"
    listed.write_text("\n".join(lines))
    weight = run_folder / "fold-1" / "best.safetensors"
    command = ("evaluate", "--dataset", "merged", "--manifest", listed, "--weights", weight)
    run = hicmae(*command, "--json", toys / "r.json")
    assert run.code == 0, run.err
    told = [(sample["id"], sample["label"], sample["clips"]) for sample in read(toys / "r.json")["samples"]]
    assert told == [("p_0", "anger", ["p_0_0", "p_0_1"]), ("p_1", "neutral", ["p_1_2", "p_1_3"])]
    listed.write_text("\n".join([*lines[:1], lines[1][:-1] + "1"]))
    run = hicmae(*command)
    assert run.code == 1 and "clips p_0_0 and p_0_1 are decided as one" in run.last_line


def test_a_dash_writes_the_document_to_stdout_and_the_tables_to_stderr(
    toys: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toys)
    run = hicmae("evaluate", "--dataset", "toys", "--root", toys, "--fold", "1", "--weights", run_folder, "--json", "-")
    assert run.code == 0, run.err
    assert run.document["schema"] == "hicmae.evaluate/1"
    assert "UAR" in run.err
    assert not (toys / "-").exists()


def test_a_reader_that_stops_reading_costs_no_files(tmp_path: Path) -> None:
    """``hicmae evaluate … | head -0``."""
    clips = tmp_path / "clips.csv"
    clips.write_text(f"{LIST.parent / 'clip_00'} {LIST.parent / 'clip_00.wav'} 0\n")
    command = ["evaluate", "--manifest", str(clips), "--engine", "onnx", "--output", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hicmae_cli.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.wait()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == FILES


def test_a_regression_has_no_confusion_matrix_to_draw(toys: Path) -> None:
    weight = save(toys / "w.safetensors", labels=("arousal", "valence"), task="regression", dataset="values")
    command = ("evaluate", "--dataset", "values", "--root", toys, "--fold", "1", "--weights", weight)
    run = hicmae(*command, "--confusion", toys / "c.png")
    assert run.code == 2
    assert run.err.splitlines() == ["error: --confusion: a regression has no confusion matrix"]


def test_groups_degradations_and_tables_reach_every_file(toys: Path, run_folder: Path) -> None:
    command = ("evaluate", "--dataset", "toys", "--root", toys, "--fold", "1", "--weights", run_folder)
    options = ("--by", "speaker,label", "--degrade", "drop-frames=1,noise=0..5dB", "--figure-format", "svg")
    files = ("--json", "-", "--output", toys / "out", "--table", toys / "t.md")
    run = hicmae(*command, *options, *files)
    assert run.code == 0, run.err
    document = run.document
    # Stdout gets the document, and the folder gets it too.
    assert read(toys / "out" / "result.json") == document
    assert {path.suffix for path in (toys / "out").iterdir()} == {".json", ".md", ".csv", ".tex", ".svg"}
    assert [group["group"] for group in document["groups"][0]["groups"]] == ["s0", "s1"]
    levels = {curve["degradation"]: [level["level"] for level in curve["levels"]] for curve in document["robustness"]}
    assert levels == {"drop-frames": [None, 1.0], "noise": [None, 5.0, 0.0]}
    clean = document["robustness"][0]["levels"][0]["metrics"]
    assert clean == document["metrics"]
    for text in ((toys / "t.md").read_text(), (toys / "out" / "result.md").read_text(), run.err):
        assert "drop-frames 1" in text and "fewer than 20 clips" in " ".join(text.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--by", "sex"), "--by sex: "),
        (("--degrade", "fog"), "--degrade fog: no degradation 'fog'"),
        (("--modality", "audio", "--degrade", "blur"), "--degrade blur: changes nothing for --modality audio"),
        (("--calibrate",), "--calibrate: toys has no validation clips"),
        (("--figure-format", "gif"), "--figure-format gif: expected png, svg, pdf"),
        (("--table", "t.doc"), "t.doc: expected a name that ends in .csv, .tex, .md"),
    ],
)
def test_wrong_options_are_refused_before_the_first_clip(
    toys: Path, run_folder: Path, options: tuple[str, ...], said: str
) -> None:
    run = hicmae("evaluate", "--dataset", "toys", "--root", toys, "--fold", "1", "--weights", run_folder, *options)
    assert run.code == 2 and said in run.last_line
