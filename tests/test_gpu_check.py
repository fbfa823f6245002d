"""``scripts/gpu_check.sh``: one JSON for all parts, whatever fails, and a dry run on the CPU."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.training.toys import write_samples

ROOT = Path(__file__).parents[1]
MEASURES = {"measures": [{"name": "predict-nano", "unit": "clips/s", "value": 12.5}]}
REPORT = (
    '<testsuites><testsuite><testcase name="good"/><testcase name="bad"><failure message="1 != 2&#10;more"/>'
    '</testcase><testcase name="later"><skipped/></testcase></testsuite></testsuites>'
)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "scripts" / "gpu_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_check", module)
    spec.loader.exec_module(module)
    return module


def answer(commands: list[list[str]], report: str = REPORT) -> Any:
    """Make a stand-in for ``run_logged``: the tests leave a report, and tiny and the training fail."""

    def run(command: Sequence[str | Path]) -> tuple[int, list[str]]:
        words = [str(word) for word in command]
        commands.append(words)
        if "pytest" in words:
            target = next(word for word in words if word.startswith("--junitxml="))
            Path(target.partition("=")[2]).write_text(report)
            return int("failure" in report), []
        if "bench" in words:
            if "tiny" in words:
                return 1, ["error: --batch-size 64: tiny does not fit"]
            Path(words[words.index("--json") + 1]).write_text(json.dumps(MEASURES))
            return 0, []
        return 1, ["hicmae merge: took 3 s", "hicmae finetune: took 412 s", "no clips"]

    return run


def test_a_failing_part_does_not_stop_the_others(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(script, "run_logged", answer(commands))
    folders = [str(tmp_path / name) for name in ("faces", "voices", "face-api", "output")]
    arguments = [*folders, "--variants", "tiny,nano", "--device", "cpu", "--json", str(tmp_path / "check.json")]
    assert script.main([*arguments, "--", "--seed", "3"]) == 1
    found = json.loads((tmp_path / "check.json").read_text())
    parts = {part["name"]: part for part in found["parts"]}
    assert {name: part["result"] for name, part in parts.items()} == {
        "tests": "failed",
        "bench tiny": "failed",
        "bench nano": "passed",
        "training": "failed",
    }
    assert found["passed"] is False
    assert parts["tests"]["details"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert parts["tests"]["failures"] == ["bad: 1 != 2"]
    assert parts["bench tiny"]["failures"] == ["exit code 1: error: --batch-size 64: tiny does not fit"]
    assert parts["bench nano"]["details"]["measures"] == {"predict-nano (clips/s)": 12.5}
    assert parts["training"]["details"]["steps_s"] == {"hicmae merge": 3, "hicmae finetune": 412}
    assert parts["training"]["details"]["finetune_within_limit"] is True
    assert commands[-1][2:] == [
        *folders,
        *("--recipe", "default-tiny", "--device", "cpu", "--mixed-precision", "bf16", "--seed", "3"),
    ]


def test_tests_that_all_skip_fail_on_a_gpu(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    skipping = '<testsuites><testsuite><testcase name="a"><skipped/></testcase></testsuite></testsuites>'
    monkeypatch.setattr(script, "run_logged", answer([], skipping))
    assert script.check_tests("cuda").failures == ("no test ran",)
    assert script.check_tests("cpu").result == "skipped"


def test_nothing_is_prepared_for_a_device_that_is_missing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(script, "run_logged", answer(commands))
    part = script.attempt("training", lambda: script.check_training("abacus", [tmp_path] * 4, []))
    assert (part.result, commands) == ("failed", [])
    assert "device='abacus'" in part.failures[0]


def test_a_missing_folder_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(["faces", "voices"])


def write_list(folder: Path) -> None:
    """Write what the steps before the training would leave, with toy clips."""
    rows = []
    for index, sample in enumerate(write_samples(folder / "clips")):
        split = sample.split if index % 4 else "test"
        # Of the training clips, 1 2 3 5 6 7, each source has one.
        source = ("photos", "emodb", "puppets", "morphs", "photos", "varied", "emodb", "puppets")[index % 8]
        cues = {"aux_face_level": index % 2, "aux_voice_pitch_hz": 100 + index}
        teacher = {"teacher_happiness": 0.5, "teacher_sadness": 0.5}
        # A wrong label among the validation clips: without an error there is no temperature.
        label = "happiness" if index == 9 else sample.label
        streams = {"video": sample.video, "audio": sample.audio, "label": label}
        person = {"split": split, "speaker": f"person-{index}", "source": source}
        rows.append({"id": sample.id, **streams, **person, **cues, **teacher})
    for name in (
        "puppets/manifest.csv",
        "photos/photos.csv",
        "emodb/emodb.csv",
        "varied/originals.csv",
        "morphs/morphs.csv",
    ):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    for name in ("mixed.csv", "cues.csv", "face-api.csv", "photos-voices-puppets.csv"):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.slow
def test_a_dry_run_on_the_cpu(tmp_path: Path) -> None:
    """Everything really runs, with tiny sizes; only the steps before the training are done already."""
    output, target = tmp_path / "output", tmp_path / "check.json"
    for name in ("faces", "voices", "face-api"):
        (tmp_path / name).mkdir()
    write_list(output)
    small = ["variant=nano", "epochs=1", "epoch_clips=8", "batch_size=4", "num_workers=1", "fit_start_clips=4"]
    folders = [tmp_path / "faces", tmp_path / "voices", tmp_path / "face-api", output]
    sizes: list[str | Path] = ["--device", "cpu", "--variants", "nano", "--batch-size", "2", "--json", target]
    done = subprocess.run(
        ["bash", "scripts/gpu_check.sh", *folders, *sizes, "--", *(w for s in small for w in ("--set", s))],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(target.read_text())
    results = {part["name"]: part["result"] for part in found["parts"]}
    assert results == {"tests": "skipped", "bench nano": "passed", "training": "passed"}
    assert found["passed"] and found["versions"]["torch"] and found["machine"]["device"] == "cpu"
    measures = found["parts"][1]["details"]["measures"]
    assert {name for name in measures if name.endswith("(clips/s)")} == {
        "pretrain-nano (clips/s)",
        "finetune-nano (clips/s)",
        "predict-nano (clips/s)",
    }
    assert all(value > 0 for value in measures.values())
    assert found["parts"][2]["details"]["finetune_within_limit"]
    # The later recipe replaced the default one.
    settings = json.loads((output / "run" / "settings.json").read_text())
    assert (settings["ema_decay"], settings["variant"], settings["mixed_precision"]) == (0.995, "nano", "bf16")
    assert (output / "hicmae-tiny.safetensors").exists()
