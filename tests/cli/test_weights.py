from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import is_temporary
from hicmae_cli.weights import importing
from hicmae_cli.weights.catalogue import locate_store, locate_stored
from hicmae_cli.weights.checkpoint import load_classifier, read_authors_model, save_classifier
from tests.cli.running import Run, hicmae
from tests.weights.test_checkpoint import Intruder, toy_state
from tests.weights.toys import save_toy

pytestmark = pytest.mark.usefixtures("without_workers")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint-best.pth"
    torch.save({"model": toy_state(), "args": argparse.Namespace(x=1), "epoch": 1}, path)
    return path


def take_in(path: Path, *more: str) -> Run:
    return hicmae(
        "weights", "import", path, "--name", "toy", "--labels", "ANG,DIS,FEA,HAP,NEU,SAD", "--heads", "4", *more
    )


def test_the_bundled_weight_is_listed_and_shown() -> None:
    assert "puppets-nano" in hicmae("weights", "list").out
    shown = hicmae("weights", "show", "puppets-nano").out
    assert "cannot judge real people" in " ".join(shown.split())
    facts = json.loads(hicmae("weights", "show", "puppets-nano", "--json").out)
    assert facts["dataset"] == "puppets" and facts["precision"] == "float16"
    assert facts["cannot_judge"] == "real people"
    assert facts["metrics"]


def test_import_list_show(checkpoint: Path) -> None:
    run = take_in(checkpoint)
    assert run.code == 0, run.err
    assert "toy" in hicmae("weights", "list").out
    facts = json.loads(hicmae("weights", "show", "toy", "--json").out)
    assert facts["labels"] == ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]
    assert facts["dims"] == {"width": 64, "heads": 4, "depth": 4, "fusion_depth": 2}
    assert take_in(checkpoint).code == 1
    assert take_in(checkpoint, "--force").code == 0


def test_a_pretrained_checkpoint_needs_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-99.pth"
    torch.save({"model": toy_state("pretrain"), "args": argparse.Namespace(x=1)}, path)
    run = hicmae("weights", "import", path, "--name", "start", "--heads", "4")
    assert run.code == 0, run.err
    assert "all 338 tensors matched; pre-trained; use it with `hicmae finetune --init start`" in " ".join(
        run.out.split()
    )
    facts = json.loads(hicmae("weights", "show", "start", "--json").out)
    assert (facts["task"], facts["labels"], facts["pretraining"]["skip_layers"]) == ("pretraining", [], [1, 3])
    labelled = hicmae("weights", "import", path, "--name", "other", "--labels", "a,b")
    assert labelled.code == 1
    assert "labels: got 2, expected 0 (a pre-trained model has no outputs)" in labelled.last_line


def test_a_classifier_is_not_taken_in_without_labels(checkpoint: Path) -> None:
    run = hicmae("weights", "import", checkpoint, "--name", "toy", "--heads", "4")
    assert run.code == 1
    assert "labels: got 0, expected 6" in run.last_line


@pytest.mark.parametrize("name", ["../escape", "a/b", "puppets-nano", "", ".hidden"])
def test_names_that_escape_or_clash_are_refused(checkpoint: Path, name: str) -> None:
    run = hicmae("weights", "import", checkpoint, "--name", name, "--labels", "a,b,c,d,e,f")
    assert run.code == 1
    assert "name" in run.last_line


def test_the_wrong_number_of_labels_is_refused(checkpoint: Path) -> None:
    run = hicmae("weights", "import", checkpoint, "--name", "toy", "--labels", "a,b", "--heads", "4")
    assert run.code == 1
    assert run.last_line == "error: labels: got 2, expected 6 (one per output of the model)"


def test_assumed_heads_are_said(checkpoint: Path) -> None:
    run = hicmae("weights", "import", checkpoint, "--name", "guess", "--labels", "a,b,c,d,e,f")
    assert run.code == 0, run.err
    assert "assumed 1 (width / 64)" in run.err
    assert "--heads" in run.err


def test_hostile_checkpoints_are_refused(tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "pwned"
    torch.save({"model": toy_state(), "args": Intruder(marker)}, path)
    run = hicmae("weights", "import", path, "--name", "evil", "--labels", "a,b,c,d,e,f")
    assert run.code == 1
    assert not marker.exists()
    assert "evil" not in hicmae("weights", "list").out


@pytest.mark.slow
def test_an_import_can_be_exported(checkpoint: Path, tmp_path: Path) -> None:
    take_in(checkpoint)
    run = hicmae("export", "--onnx", "--weights", "toy", "--output", tmp_path / "toy.onnx")
    assert run.code == 0, run.err
    assert "largest difference" in run.out
    facts = json.loads(hicmae("weights", "show", tmp_path / "toy.onnx", "--json").out)
    assert facts == json.loads(hicmae("weights", "show", "toy", "--json").out)


def test_a_truncated_weight_is_refused(toy: Path, tmp_path: Path, sample: Path) -> None:
    whole = toy.read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    run = hicmae("predict", sample, "--weights", tmp_path / "half.safetensors")
    assert run.code == 1
    assert "half.safetensors" in run.err


def test_a_foreign_file_in_the_store_does_not_hide_the_others(checkpoint: Path) -> None:
    take_in(checkpoint)
    locate_stored("foreign", ".onnx").write_bytes(b"not ours")
    run = hicmae("weights", "list")
    assert run.code == 0, run.err
    assert all(word in run.out for word in ("toy", "foreign", "unreadable", "puppets-nano"))


KILLED = """
import os, signal, sys
from hicmae_cli.cli import main
from hicmae_cli.weights import checkpoint
save = checkpoint.save
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save = die
main(sys.argv[1:])
"""


def test_what_a_killed_import_left_goes_with_the_next(checkpoint: Path) -> None:
    command = ["weights", "import", str(checkpoint), "--name", "toy", "--labels", "a,b,c,d,e,f", "--heads", "4"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *command], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [p.suffix for p in locate_store().iterdir() if is_temporary(p.name)] == [".safetensors"]
    assert "toy" not in hicmae("weights", "list").out
    assert take_in(checkpoint).code == 0
    assert {p.name for p in locate_store().iterdir()} == {".lock", "toy.safetensors"}


def test_of_two_imports_at_once_the_second_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has found the name free when the first takes it."""
    both, codes = threading.Barrier(2), []

    def read_together(*arguments: Any) -> Any:
        model = read_authors_model(*arguments)
        both.wait(60)
        return model

    monkeypatch.setattr(importing, "read_authors_model", read_together)

    def take() -> None:
        try:
            importing.import_weight(checkpoint, "toy", "abcdef", heads=4)
            codes.append("done")
        except WeightsError as error:
            codes.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["done", "toy: a weight with this name exists; choose another name, or replace it (force)"]


@pytest.mark.parametrize("command", ["import", pytest.param("export", marks=pytest.mark.slow)])
def test_a_full_disk_is_named_with_the_file(toy: Path, checkpoint: Path, tmp_path: Path, command: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    target = tmp_path / "out.onnx" if command == "export" else locate_stored("toy", ".safetensors")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # no file may grow beyond, as on a full disk
    try:
        if command == "import":
            run = take_in(checkpoint)
        else:
            run = hicmae("export", "--onnx", "--weights", toy, "--output", target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.code == 1
    assert run.err == f"error: {target}: File too large\n"
    assert not [path for path in target.parent.iterdir() if is_temporary(path.name)]


def test_scores_in_a_weight_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = save_toy(tmp_path / "w.safetensors")
    model, info = load_classifier(path)
    evil = "\x1b[31m[bold]"
    save_classifier(path, model, info.model_copy(update={"metrics": {evil: {evil: 0.5}}, "licence": evil}))
    run = hicmae("weights", "show", path)
    assert run.code == 0
    assert all(line.isprintable() for line in run.out.split("\n"))
    assert run.out.count("[bold]") == 3


def write_audio_only(path: Path, toy: Path) -> Path:
    """A weight of one stream and fold, chosen on its test clips."""
    model, info = load_classifier(toy)
    past = {"selection": "test-best", "modality": "audio", "fold": "1", "dataset": "crema-d", "licence": "CC BY-NC"}
    metrics = {"test": {"uar": 0.5}}
    save_classifier(path, model, info.model_copy(update={**past, "metrics": metrics, "labels": ("fear", "joy", "awe")}))
    return path


@pytest.mark.parametrize("command", ["import", "add"])
def test_a_weight_of_ours_keeps_its_metadata(toy: Path, tmp_path: Path, command: str) -> None:
    path = write_audio_only(tmp_path / "best.safetensors", toy)
    run = hicmae("weights", command, path, "--name", "mine")
    assert run.code == 0, run.err
    before, after = (json.loads(hicmae("weights", "show", each, "--json").out) for each in (path, "mine"))
    assert before == after and (before["selection"], before["fold"], before["modality"]) == ("test-best", "1", "audio")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "AWE,JOY,FEA"], "--labels AWE,JOY,FEA: the file holds the order fear, joy, awe; to rename"),
        (["--dataset", "mafw"], "--dataset mafw: the file says crema-d"),
        (["--licence", "MIT"], "--licence MIT: the file says CC BY-NC"),
        (["--sampling-rate", "1"], "--sampling-rate 1: the file says 4"),
        (["--relabel", "fear=joy"], "--relabel: fear=joy would give a label the name of another one"),
    ],
)
def test_options_that_contradict_a_weight_of_ours_are_refused(
    toy: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    path = write_audio_only(tmp_path / "best.safetensors", toy)
    run = hicmae("weights", "import", path, "--name", "mine", *options)
    assert run.code == 1
    assert message in run.last_line
    assert not locate_stored("mine", ".safetensors").exists()


def test_a_relabel_that_is_no_pair_is_a_wrong_option(toy: Path) -> None:
    run = hicmae("weights", "add", toy, "--name", "mine", "--relabel", "fear")
    assert run.code == 2
    assert "--relabel fear: expected distinct pairs old=new" in run.err


def test_renamed_labels_are_shown(toy: Path, tmp_path: Path) -> None:
    path = write_audio_only(tmp_path / "best.safetensors", toy)
    run = hicmae("weights", "add", path, "--name", "mine", "--relabel", "joy=mirth")
    assert run.code == 0, run.err
    assert "labels renamed: mirth (was joy)" in " ".join(run.out.split())
    assert "relabelled mirth (was joy)" in " ".join(hicmae("weights", "show", "mine").out.split())


def test_an_authors_checkpoint_has_no_names_to_change(checkpoint: Path) -> None:
    run = take_in(checkpoint, "--relabel", "anger=rage")
    assert run.code == 2
    assert "give them with --labels" in run.err
