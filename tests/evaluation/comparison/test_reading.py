"""Decisions come out of documents and run folders as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.comparison.reading import System, SystemRun, read_streams, read_system
from hicmae_cli.evaluation.results import Evaluation
from tests.evaluation.comparison.decisions import document, write
from tests.evaluation.toys import ValueEngine, decision, evaluation


def test_the_document_of_an_evaluation(tmp_path: Path) -> None:
    made = evaluation("anger:neutral", "neutral:neutral", speakers=2)
    run = read_system(write(tmp_path / "a.json", made.to_dict())).first
    known = SystemRun.from_evaluation(made)
    assert run.labels == known.labels
    assert [(s.id, s.target, s.prediction, s.outputs, s.speaker) for s in run.samples] == [
        (s.id, s.target, s.prediction, s.outputs, s.speaker) for s in known.samples
    ]


def test_the_document_of_a_regression(tmp_path: Path) -> None:
    sample = decision("c0", "", "")
    sample = type(sample)("c0", (1.0, 2.0), (0.5, 1.5), (0.5, 1.5), ((0.5, 1.5),), "s0")
    made = Evaluation(ValueEngine.info, "onnx", "av", 1, (sample,))
    run = read_system(write(tmp_path / "a.json", made.to_dict())).first
    assert run.regression
    assert (run.samples[0].target, run.samples[0].prediction) == ((1.0, 2.0), (0.5, 1.5))


def test_seeds_and_folds_of_a_run(tmp_path: Path) -> None:
    for seed in (9, 10):
        for fold in (1, 2):
            part = document(["joy"], ["joy"], fold=str(fold), selection={"optimistic": seed == 10})
            part["samples"][0]["id"] = f"fold {fold}"
            write(tmp_path / "run" / f"seed-{seed}" / f"fold-{fold}" / "result.json", part)
    system = read_system(tmp_path / "run")
    assert list(system.runs) == ["seed 9", "seed 10"]
    assert [(sample.id, sample.fold) for sample in system.first.samples] == [("fold 1", "1"), ("fold 2", "2")]
    assert [run.optimistic for run in system.runs.values()] == [False, True]
    # The document of all folds comes before those of each fold.
    write(tmp_path / "run" / "seed-9" / "result.json", document(["joy", "fear"], ["joy", "joy"], folds=2, fold="all"))
    assert [(sample.id, sample.fold) for sample in read_system(tmp_path / "run").first.samples] == [
        ("c0", "1"),
        ("c1", "2"),
    ]


def test_another_stream(tmp_path: Path) -> None:
    other = document(["fear"], ["joy"])["samples"]
    streams = {"av": {"decisions": 1}, "audio": {"decisions": 1, "samples": other}, "video": {"decisions": 1}}
    path = write(tmp_path / "a.json", document(["joy"], ["joy"], by_modality=streams))
    assert read_system(path).first.samples[0].prediction == "joy"
    assert read_system(path, modality="av").first.samples[0].prediction == "joy"
    audio = read_system(path, modality="audio").first
    assert (audio.modality, audio.samples[0].prediction) == ("audio", "fear")
    with pytest.raises(ManifestError, match=r"no decisions for modality='video', only for av, audio"):
        read_system(path, modality="video")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "expected the schema hicmae.evaluate/1, got none"),
        ('{"schema": "hicmae.predict/1"}', "got hicmae.predict/1"),
        ('{"schema": "hicmae.evaluate/1"}', "is not a document of scores"),
        (json.dumps(document(["surprise"], ["joy"])), "surprise or|joy or surprise is not among the labels"),
        (json.dumps(document([[1.0]], [[1.0]], task="regression")), "expected 3 values"),  # type: ignore[list-item]
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.json").write_text(content, "utf-8")
    with pytest.raises(ManifestError, match=said):
        read_system(tmp_path / "a.json")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_missing_scores_are_named(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "run")
    with pytest.raises(ManifestError, match=r"run: (cannot be read|has no result\.json)"):
        read_system(tmp_path / "run")


def test_the_runs_of_a_system_have_the_same_labels() -> None:
    with pytest.raises(ManifestError, match="labels of seed 1 differ"):
        System("a", {"seed 0": SystemRun(("x", "y"), ()), "seed 1": SystemRun(("x",), ())})
    with pytest.raises(ManifestError, match="no scores"):
        System("a", {})


def test_repetitions_of_a_run(tmp_path: Path) -> None:
    for place in ("a/seed-0/repeat-1", "a/seed-0/repeat-2", "a/seed-1/repeat-1", "b/repeat-2", "b/repeat-10"):
        write(tmp_path / place / "result.json", document(["joy"], ["joy"]))
    # The table of the whole is another kind of document.
    write(tmp_path / "a" / "result.json", {"schema": "hicmae.finetune/1"})
    assert list(read_system(tmp_path / "a").runs) == ["seed 0, repeat 1", "seed 0, repeat 2", "seed 1, repeat 1"]
    assert list(read_system(tmp_path / "b").runs) == ["repeat 2", "repeat 10"]


def test_the_streams_of_a_document_are_systems(tmp_path: Path) -> None:
    streams = {
        name: {"samples": document([label], ["joy"])["samples"]} for name, label in (("av", "joy"), ("audio", "fear"))
    }
    found = read_streams(write(tmp_path / "a.json", document(["joy"], ["joy"], by_modality=streams)))
    assert [(system.name, system.first.samples[0].prediction) for system in found] == [("av", "joy"), ("audio", "fear")]
    with pytest.raises(ManifestError, match=r"has the decisions of av only; evaluate the weight with modality='each'"):
        read_streams(write(tmp_path / "b.json", document(["joy"], ["joy"])))
