"""``weights import`` and ``evaluate`` against the authors' probabilities, by both engines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.clips import read_prepared_clip, stack_clips
from tests import reference
from tests.cli.running import Run, hicmae
from tests.pulling.host import Served, serving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("without_workers")]

LIST = reference.FOLDER / "dataset" / "test.csv"
FILES = {"result.json", "result.md", "scores.csv", "scores.tex", "confusion.png", "reliability.png"}
EXPECTED = reference.read_json("evaluation.json")


LABELS = "ANG,DIS,FEA,HAP,NEU,SAD"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' tiny classifier, in their format."""
    shapes = dict(reference.read_json("manifest.json")["finetune"]["tiny"]["state_dict"])
    shapes["head.weight"], shapes["head.bias"] = [6, shapes["head.weight"][1]], [6]
    state = {k: torch.from_numpy(v) for k, v in reference.state_dict(shapes).items()}
    folder = tmp_path_factory.mktemp("authors")
    torch.save({"model": state, "args": argparse.Namespace()}, folder / "checkpoint-best.pth")
    return folder / "checkpoint-best.pth"


@pytest.fixture(scope="module")
def imported(checkpoint: Path) -> Path:
    """The authors' tiny classifier, as a weight file of ours."""
    folder = checkpoint.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HICMAE_HOME", str(folder))
        run = hicmae("weights", "import", checkpoint, "--name", "authors", "--labels", LABELS)
        assert run.code == 0, run.err
    return folder / "weights" / "authors.safetensors"


@pytest.mark.parametrize(
    ("engine", "rate"),
    [("torch", "2"), ("torch", "4"), *(pytest.param("onnx", rate, marks=pytest.mark.slow) for rate in ("2", "4"))],
)
def test_matches_the_authors(imported: Path, tmp_path: Path, engine: str, rate: str) -> None:
    out = tmp_path / "result.json"
    run = hicmae(
        "evaluate",
        "--manifest",
        LIST,
        "--weights",
        imported,
        "--engine",
        engine,
        "--sampling-rate",
        rate,
        "--json",
        out,
    )
    assert run.code == 0, run.err
    check_scores(out, engine, rate)


def check_scores(file: Path, engine: str, rate: str) -> None:
    """Compare the probabilities of a result with the authors'."""
    document = json.loads(file.read_text())
    assert document["schema"] == "hicmae.evaluate/1"
    assert document["engine"] == engine
    assert {s["id"] for s in document["samples"]} == EXPECTED["probabilities"][rate].keys()
    for sample in document["samples"]:
        expected = EXPECTED["probabilities"][rate][sample["id"]]
        np.testing.assert_allclose(sample["views"], expected["segments"], atol=2e-3)
        np.testing.assert_allclose(sample["probabilities"], expected["mean"], atol=2e-3)
        assert sample["label"] == document["labels"][EXPECTED["labels"][sample["id"]]]


@pytest.mark.slow
def test_a_pulled_weight_matches_the_authors(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a share link, here a server of this machine, to the scores: pull, convert, evaluate by both engines."""
    monkeypatch.setenv("HICMAE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HICMAE_CATALOGUE", str(tmp_path / "mine.toml"))
    with serving() as host:
        host.pages["/share?e=x"] = Served(status=302, headers={"Location": "/file"})
        host.pages["/file"] = Served(checkpoint.read_bytes(), cuts=[1_000_000])
        (tmp_path / "mine.toml").write_text(
            f'[[published]]\nname = "shared"\nsummary = "tiny"\nlicence = "not stated"\ndataset = "crema-d"\n'
            f'labels = {json.dumps(LABELS.split(","))}\nsources = ["{host.url("/share?e=x")}"]\n'
        )
        run = hicmae("weights", "pull", "shared")
    assert run.code == 0, run.err
    for engine in ("torch", "onnx"):
        out = tmp_path / f"{engine}.json"
        run = hicmae(
            "evaluate", "--manifest", LIST, "-w", "shared", "--engine", engine, "--device", "cpu", "--json", out
        )
        assert run.code == 0, run.err
        check_scores(out, engine, "4")


def test_the_models_inputs_match_the_authors() -> None:
    expected = np.load(reference.FOLDER / "view_clip03_sr4_seg1.npz")
    folder = LIST.parent
    clip = read_prepared_clip(folder / "clip_03", folder / "clip_03.wav").read_evaluation_clips(4)[1]
    video, audio = stack_clips([clip])
    np.testing.assert_allclose(video[0], expected["video"].reshape(video[0].shape), atol=0.02)
    np.testing.assert_allclose(audio[0], expected["audio"].reshape(audio[0].shape), atol=2e-3)


def test_metrics_and_confusion_follow_from_the_samples(imported: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    hicmae("evaluate", "--manifest", LIST, "--weights", imported, "--engine", "torch", "--json", out)
    document = json.loads(out.read_text())
    labels, samples = document["labels"], document["samples"]
    hits = [s["label"] == s["prediction"] for s in samples]
    assert document["metrics"]["war"] == pytest.approx(np.mean(hits))
    assert document["metrics"]["uar"] == pytest.approx(np.mean(hits))  # one clip of each of five classes
    for s in samples:
        assert document["confusion"][labels.index(s["label"])][labels.index(s["prediction"])] >= 1
    assert sum(map(sum, document["confusion"])) == len(samples)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--manifest", "no.csv"], 1, "no.csv"),
        ([], 2, "manifest"),
        (["--dataset", "mars"], 2, "puppets"),
        (["--manifest", str(LIST), "--modality", "smell"], 2, "smell"),
        (["--manifest", str(LIST), "--sampling-rate", "0"], 2, "sampling-rate"),
    ],
)
def test_wrong_usage(arguments: list[str], code: int, said: str) -> None:
    run = hicmae("evaluate", *arguments)
    assert run.code == code
    assert said in run.err


def test_an_unreadable_clip_is_named_and_the_rest_is_scored(imported: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.jpg").write_bytes(b"no picture")
    wav = LIST.parent / "clip_00.wav"
    frames = LIST.parent / "clip_00"
    (tmp_path / "list.csv").write_text(f"{frames} {wav} 0\nbroken {wav} 1\n")
    run = hicmae("evaluate", "--manifest", tmp_path / "list.csv", "--weights", imported, "--engine", "torch")
    assert run.code == 1
    assert "broken" in run.err
    assert "clips" in run.out


def score_each(weights: Path, folder: Path) -> Run:
    """Score each stream of list.csv, and write scores.json."""
    files = ("--manifest", folder / "list.csv", "--json", folder / "scores.json")
    return hicmae("evaluate", *files, "--weights", weights, "--engine", "torch", "--modality", "each")


def test_each_leaves_out_the_streams_that_no_clip_has(imported: Path, tmp_path: Path) -> None:
    wav = LIST.parent / "clip_00.wav"
    (tmp_path / "list.csv").write_text(f"id,video,audio,label\n1,,{wav},anger\n2,,{wav},fear\n")
    run = score_each(imported, tmp_path)
    assert run.code == 0, run.err
    assert set(json.loads((tmp_path / "scores.json").read_text())["by_modality"]) == {"av", "audio"}
    assert "warning: video: no scores, as the list has no clip with it" in run.err


def test_each_says_on_how_many_clips_a_stream_was_scored(imported: Path, tmp_path: Path) -> None:
    wav, frames = LIST.parent / "clip_00.wav", LIST.parent / "clip_00"
    (tmp_path / "list.csv").write_text(f"id,video,audio,label\n1,{frames},{wav},anger\n2,{frames},,fear\n")
    run = score_each(imported, tmp_path)
    found = json.loads((tmp_path / "scores.json").read_text())["by_modality"]
    assert {name: scores["decisions"] for name, scores in found.items()} == {"av": 2, "video": 2, "audio": 1}
    assert [line.split()[1:4] for line in run.out.splitlines() if "│ audio  " in line] == [["audio", "│", "1"]]
    # Each stream has its own interval in the line below it.
    titles = [line.split("│")[1].strip() for line in run.out.splitlines() if "% interval" in line and "│" in line]
    assert titles == [f"{name}, 95 % interval" for name in ("av", "video", "audio")]
    assert [len(found[name]["samples"]) for name in ("av", "video", "audio")] == [2, 2, 1]


@pytest.mark.parametrize("option", ["--json", "--markdown", "--confusion"])
def test_a_folder_is_no_file_for_results(option: str, tmp_path: Path) -> None:
    run = hicmae("evaluate", "--manifest", LIST, option, tmp_path)
    assert run.code == 2
    assert f"{tmp_path}: is a folder; give the name of a file" in run.last_line
