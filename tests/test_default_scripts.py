"""The scripts that prepare and train the bundled default: no test person reaches the training, and they can stop."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from hicmae_cli.corpora.manifest import HEADER, write_csv

SCRIPTS = Path(__file__).parents[1] / "scripts"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def teachers() -> ModuleType:
    return load_script("add_teachers")


@pytest.fixture(scope="module")
def varying() -> ModuleType:
    return load_script("vary_voices")


def test_a_judge_of_faces_that_is_sure_of_another_emotion_teaches_nothing(teachers: ModuleType, tmp_path: Path) -> None:
    sure = ["1e-12"] * 6
    unsure = ["0.1", "0", "0", "0.3", "0", "0"]
    write_csv(
        tmp_path / "judged.csv",
        ("file", *teachers.LABELS, "surprise"),
        [("a/0.jpg", *sure, "1"), ("a/1.jpg", *unsure, "0.6")],
    )
    rows = [{"id": f"photos/{number}", "source": "photos"} for number in range(3)]
    found = teachers.teach_faces(rows, "photos", tmp_path / "judged.csv")
    assert list(found) == ["photos/1"]
    np.testing.assert_allclose(found["photos/1"], [0.25, 0, 0, 0.75, 0, 0])


def test_variants_are_made_of_training_voices_only(
    varying: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varying, "import_module", lambda _: SimpleNamespace())
    monkeypatch.setattr(varying, "analyse", lambda _, samples: samples)
    monkeypatch.setattr(varying, "synthesise", lambda _, samples, rng: samples / 2)
    rows = []
    for name, speaker, split in (("a", "03", ""), ("b", "08", "validation"), ("c", "11", ""), ("d", "12", "test")):
        soundfile.write(tmp_path / f"{name}.flac", np.full(800, 0.5), 16_000)
        rows.append((name, "", f"{name}.flac", "anger", speaker, split, speaker))
    write_csv(tmp_path / "emodb.csv", HEADER, rows)

    def run(*options: str) -> list[tuple[str, str, str]]:
        monkeypatch.setattr(
            sys,
            "argv",
            ["vary", str(tmp_path / "emodb.csv"), "--output", str(tmp_path / "varied"), "--times", "1", *options],
        )
        varying.main()
        found = []
        for kind in ("originals", "variants"):
            with (tmp_path / "varied" / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
                found += [(row["id"], row["speaker"], row["split"]) for row in csv.DictReader(file)]
        return found

    kept = [("b-00", "08", "validation"), ("d-00", "12", "test")]
    assert run("--test-speakers", "11") == [
        ("a-00", "03", "train"),
        kept[0],
        ("c-00", "11", "test"),
        kept[1],
        ("a-01", "03", "train"),
    ]
    assert [row for row in run() if row[2] != "train"] == kept
    with pytest.raises(SystemExit):
        run("--test-speakers", "3")


STUB = r"""#!/usr/bin/env bash
# Stands for hicmae and python: notes its arguments, writes its list, and fails where it is told to.
echo "$(basename "$0") $*" >> "$CALLS"
words="$(basename "$0") $*"
output=""
while [ $# -gt 0 ]; do [ "$1" = --output ] && output=$2; shift; done
case "$words" in
  *"$FAILING"*) [ "$WRITES" = no ] && exit "$CODE" ;;
esac
case "$words" in
  "hicmae puppets"*) mkdir -p puppets; : > puppets/manifest.csv ;;
  *deal_photos*) mkdir -p "$output"; : > "$output/manifest.csv" ;;
  *vary_voices*) mkdir -p "$output"; : > "$output/originals.csv"; : > "$output/variants.csv" ;;
  "hicmae prepare"*) mkdir -p "$output"; : > "$output/$output.csv" ;;
  *.csv*) [ -z "$output" ] || : > "$output" ;;
esac
case "$words" in *"$FAILING"*) exit "$CODE" ;; esac
exit 0
"""


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
class TestTrainDefault:
    """The script that does every step."""

    def run(
        self, folder: Path, *options: str, failing: str = "nothing", code: int = 0, writes: bool = False
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """Run the script with stubs -> its end, and the calls of the stubs."""
        stubs, calls = folder / "stubs", folder / "calls.txt"
        for place in (stubs, folder / "faces", folder / "voices"):
            place.mkdir(exist_ok=True)
        for name in ("hicmae", "python"):
            (stubs / name).write_text(STUB, "utf-8")
            (stubs / name).chmod(0o755)
        calls.write_text("", "utf-8")
        environment = {
            "PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(calls),
            "FAILING": failing,
            "CODE": str(code),
            "WRITES": "yes" if writes else "no",
        }
        command: list[Any] = ["bash", SCRIPTS / "train_default.sh", *options]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return ended, calls.read_text("utf-8").splitlines()

    def test_a_stopped_script_goes_on_with_the_step_that_was_stopped(self, tmp_path: Path) -> None:
        inputs = ("faces", "voices", "out", "--seed", "1")
        stopped, calls = self.run(tmp_path, *inputs, failing="hicmae cues", code=130)
        assert stopped.returncode != 0 and calls[-1].startswith("hicmae cues")
        ended, again = self.run(tmp_path, *inputs)
        assert ended.returncode == 0, ended.stderr
        assert again[0] == calls[-1] and len(again) == 5
        assert again[2:4] == [
            "hicmae finetune --manifest photos-voices-puppets.csv --recipe default-nano-encoders --output encoders "
            "--seed 1",
            "hicmae finetune --manifest photos-voices-puppets.csv --recipe default-nano --output run "
            "--init encoders/last.safetensors --seed 1",
        ]

    def test_another_recipe_trains_everything_at_once(self, tmp_path: Path) -> None:
        _, calls = self.run(tmp_path, "faces", "voices", "out", "--recipe", "default-tiny")
        assert [call for call in calls if call.startswith("hicmae finetune")] == [
            "hicmae finetune --manifest photos-voices-puppets.csv --recipe default-tiny --output run"
        ]

    def test_files_that_are_skipped_do_not_stop_it(self, tmp_path: Path) -> None:
        ended, calls = self.run(tmp_path, "faces", "voices", "out", failing="hicmae prepare", code=1, writes=True)
        assert ended.returncode == 0, ended.stderr
        assert calls[-1].startswith("hicmae weights calibrate")
        ended, calls = self.run(tmp_path, "faces", "voices", "none", failing="hicmae prepare", code=1)
        assert ended.returncode == 1 and calls[-1].startswith("hicmae prepare photos")

    def test_test_speakers_reach_the_list_of_voices(self, tmp_path: Path) -> None:
        _, calls = self.run(tmp_path, "faces", "voices", "out", "--test-speakers", "03,11")
        assert next(call for call in calls if "vary_voices" in call).endswith("--output varied --test-speakers 03,11")
        assert calls[-2].endswith("--output run --init encoders/last.safetensors")

    def test_missing_inputs_are_named_before_anything_starts(self, tmp_path: Path) -> None:
        ended, calls = self.run(tmp_path, "faces", "voices")
        assert ended.returncode == 2 and ended.stderr.startswith("usage: ") and not calls
        for options in (("faecs", "voices", "out"), ("faces", "voices", "out", "--face-api", "faecs")):
            ended, calls = self.run(tmp_path, *options)
            assert ended.returncode == 2 and ended.stderr == "faecs: no such file or folder\n" and not calls
