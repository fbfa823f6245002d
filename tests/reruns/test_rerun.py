"""``hicmae show`` and ``hicmae rerun``: a finished run is printed, and repeated to the same bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hicmae_cli.corpora.manifest import list_files, read_manifest
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.records.facts import DataFacts, RunFacts, RunRecord
from hicmae_cli.records.hashes import hash_data
from hicmae_cli.reruns.rerun import rerun
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.weights.record import read_record
from tests.cli.running import FINETUNE_RECIPE, hicmae
from tests.training.toys import SETTINGS, write_recordings, write_samples


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished fine-tuning of two folds in ``tuned``, and a pre-training in ``pretrained`` that it started from."""
    folder = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        samples = write_samples(folder / "clips")
        lines = [
            f"{s.id},clips/{s.id}.mkv,clips/{s.id}.mkv,{s.label},{1 + index // 2 % 2},p{index // 2}"
            for index, s in enumerate(samples)
        ]
        Path("clips.csv").write_text("\n".join(["id,video,audio,label,fold,speaker", *lines]))
        Path("tiny.toml").write_text(FINETUNE_RECIPE + "validation_share = 0.34\ndrop_path = 0.1\n")
        values = SETTINGS.model_dump(mode="json", exclude_none=True) | {"encoder_heads": 2, "epochs": 2}
        Path("pre.toml").write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items()))
        write_recordings(folder / "talks", 4)
        names = sorted(path.name for path in Path("talks").iterdir())
        Path("talks.csv").write_text("\n".join(["id,video,audio", *(f"{n},talks/{n},talks/{n}" for n in names)]))
        pretrain = ("pretrain", "--manifest", "talks.csv", "--recipe", "pre.toml", "--output", "pretrained")
        assert hicmae(*pretrain, "--device", "cpu").code == 0
        finetune = ("finetune", "--manifest", "clips.csv", "--recipe", "tiny.toml", "--output", "tuned")
        tuned = hicmae(*finetune, "--init", "pretrained/last.safetensors", "--device", "cpu")
        assert tuned.code == 0, tuned.err
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("run", ["pretrained", "tuned", "tuned/fold-2"])
def test_a_finished_run_is_repeated_to_the_last_bit(corpus: Path, run: str, tmp_path: Path) -> None:
    again = hicmae("rerun", corpus / run, "--output", tmp_path / "again", "--json")
    assert again.code == 0, again.err
    assert again.document["equal"] and len(again.document["runs"]) == (2 if run == "tuned" else 1)
    for each in again.document["runs"]:
        before, after = read_record(each["before"]), read_record(each["again"])
        assert before.tensors_sha256 == after.tensors_sha256 and before.scores == after.scores != {}
        assert before.run.recipe == after.run.recipe and before.run.data == after.run.data


@pytest.mark.slow
def test_a_changed_run_is_noticed(corpus: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(corpus, tmp_path / "moved"))
    for changed, by in ((3, 1), (7, 5), (11, 9)):  # of the three people that fold 1 trains and validates on
        (moved / f"clips/{changed:02d}.mkv").write_bytes((moved / f"clips/{by:02d}.mkv").read_bytes())
    given = (moved / "tuned" / "fold-1", "--manifest", moved / "clips.csv", "--output", tmp_path / "again")
    refused = hicmae("rerun", *given)
    assert refused.code == 1 and "files of the clips have changed" in refused.err and "give --force" in refused.err
    forced = hicmae("rerun", *given, "--force")
    assert forced.code == 1 and "other weights" in forced.err
    assert "warning: differs from the recorded run: files of the clips have changed" in forced.err


@pytest.mark.slow
def test_a_run_and_its_weight_are_shown(corpus: Path) -> None:
    shown = hicmae("show", corpus / "tuned" / "fold-1")
    assert shown.code == 0, shown.err
    words = " ".join(shown.out.split())
    facts = (
        "fine-tuning, test fold 1, seed 0",
        "finished",
        "12 clips of clips.csv",
        "batch_size = 2",
        "torch ",
        "uar ",
    )
    for text in facts:
        assert text in words, text
    document = hicmae("show", corpus / "tuned" / "fold-1", "--json").document
    weight = hicmae("show", corpus / "tuned" / "fold-1" / "best.safetensors", "--json").document
    assert weight == document  # the run's own folder has more
    assert document["run"]["recipe"]["batch_size"] == 2 and document["finished"]
    both = hicmae("show", corpus / "tuned", "--json").document
    assert [each["run"]["fold"] for each in both["runs"].values()] == ["1", "2"]


def record(folder: Path, **more: object) -> RunRecord:
    """A record that names data which are not there."""
    facts = RunFacts(phase="fine-tuning", data=DataFacts(manifest="a.csv"), date="2026-01-01T00:00:00Z")
    given = {"parameters": {"dataset": None}, "finished": True, "manifest": str(folder / "a.csv"), **more}
    made = RunRecord.model_validate({"run": facts, **given})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(made.model_dump_json())
    return made


def test_what_cannot_be_repeated_is_refused(toy: Path, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "again"
    for more, error, message in (
        ({"finished": False}, WeightsError, "the run is not finished"),
        ({"parameters": {}}, WeightsError, "a weight alone cannot be repeated"),
        ({}, ManifestError, r"a\.csv: cannot read the manifest"),
    ):
        record(run, **more)
        with pytest.raises(error, match=message):
            rerun(run, output, warn=lambda _: None)
    with pytest.raises(SettingsError, match="is the run itself"):
        rerun(run, run, warn=lambda _: None)
    with pytest.raises(WeightsError, match="has no record of its training"):
        rerun(toy, output, warn=lambda _: None)
    assert not output.exists()


def test_a_record_is_shown_as_a_page_and_as_json(tmp_path: Path) -> None:
    made = record(tmp_path / "run", scores={"uar": 0.5})
    shown = hicmae("show", tmp_path / "run")
    assert shown.code == 0 and "uar 0.5000" in shown.out and "keys as by default" in shown.out
    assert RunRecord.model_validate(hicmae("show", tmp_path / "run", "--json").document) == made
    missing = hicmae("show", tmp_path / "none")
    assert missing.code == 1


def test_a_repeat_takes_the_recorded_recipe_and_every_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, listed = tmp_path / "run", tmp_path / "a.csv"
    listed.write_text("id,video,audio,label\na,a.mkv,a.mkv,joy\n")
    (tmp_path / "a.mkv").write_bytes(b"clip")
    # Epochs as trained: 3 of the command line in place of the profile's 20, then 2 more, and 1 more.
    recipe = FinetuneSettings(epochs=6, batch_size=4, selection="last", split_seed=1).model_dump(mode="json")
    given = {
        "dataset": "puppets",
        "profile": "laptop",
        "overrides": {"epochs": 3},
        "extend_epochs": 3,
        "protocol": "repeated:2x2",
    }
    facts = RunFacts(
        phase="fine-tuning",
        fold="kfold2-s1-2",
        recipe=recipe,
        data=hash_data(list_files(read_manifest(listed, labelled=False)), listed),
    )
    made = record(run, run=facts, parameters=given, manifest=str(listed), tensors_sha256="1")
    (run / "settings.json").write_text(json.dumps({**recipe, "extended_from": [3, 5]}))
    asked: list[tuple[int, int]] = []

    @wraps(finetune_folds)
    def train(dataset: str, **call: Any) -> object:
        settings = load_settings(FinetuneSettings, call["recipe"], call.get("overrides"), profile=call.get("profile"))
        assert settings.batch_size == 4 and settings.variant == "base"
        assert (call["protocol"], call["fold"]) == ("kfold:2", "kfold2-s1-2")
        asked.append((settings.epochs, call["extend_epochs"]))
        folder = call["output"] / f"fold-{call['fold']}"
        folder.mkdir(parents=True, exist_ok=True)
        epochs = sum(asked[-1])
        (folder / "settings.json").write_text(json.dumps({"epochs": epochs}))
        (folder / "run.json").write_text(made.model_dump_json())
        finished = len(asked) != 2
        return SimpleNamespace(runs=[SimpleNamespace(folder=folder)], finished=finished)

    monkeypatch.setattr("hicmae_cli.reruns.rerun.finetune_folds", train)
    assert not rerun(run, tmp_path / "again", warn=lambda _: None).finished
    assert asked == [(3, 0), (3, 2)]
    # The same call resumes the extension that was stopped.
    assert rerun(run, tmp_path / "again", warn=lambda _: None).equal
    assert asked[2:] == [(3, 2), (3, 3)]
