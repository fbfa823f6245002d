"""`scripts/train_default.sh`: its steps, in order; a stopped one goes on where it was stopped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"

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
  *morph_faces*) mkdir -p "$output"; : > "$output/morphs.csv" ;;
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
        for place in (stubs, folder / "faces", folder / "voices", folder / "face-api"):
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
        inputs = ("faces", "voices", "face-api", "out", "--seed", "1")
        stopped, calls = self.run(tmp_path, *inputs, failing="hicmae cues", code=130)
        assert stopped.returncode != 0 and calls[-1].startswith("hicmae cues")
        ended, again = self.run(tmp_path, *inputs)
        assert ended.returncode == 0, ended.stderr
        assert again[0] == calls[-1] and len(again) == 11
        train = "hicmae finetune --manifest photos-voices-puppets.csv --recipe"
        assert again[4:8] == [
            f"{train} default-nano-encoders --output encoders --seed 1",
            f"{train} default-nano-faces --output video-encoder --init encoders/last.safetensors --seed 1",
            f"{train} default-nano-voices --output audio-encoder --init video-encoder/last.safetensors --seed 1",
            f"{train} default-nano --output run --init audio-encoder/last.safetensors --seed 1",
        ]
        assert "refit_head.py run photos-voices-puppets.csv --output refitted.safetensors" in again[8]

    def test_another_recipe_trains_everything_at_once(self, tmp_path: Path) -> None:
        _, calls = self.run(tmp_path, "faces", "voices", "face-api", "out", "--recipe", "default-tiny")
        assert [call for call in calls if call.startswith("hicmae finetune")] == [
            "hicmae finetune --manifest photos-voices-puppets.csv --recipe default-tiny --output run"
        ]

    def test_files_that_are_skipped_do_not_stop_it(self, tmp_path: Path) -> None:
        ended, calls = self.run(
            tmp_path, "faces", "voices", "face-api", "out", failing="hicmae prepare", code=1, writes=True
        )
        assert ended.returncode == 0, ended.stderr
        assert calls[-2].startswith("hicmae weights calibrate refitted.safetensors --modality video")
        assert calls[-1].startswith("hicmae weights calibrate hicmae-nano.safetensors --modality audio")
        ended, calls = self.run(tmp_path, "faces", "voices", "face-api", "none", failing="hicmae prepare", code=1)
        assert ended.returncode == 1 and calls[-1].startswith("hicmae prepare photos")

    def test_test_speakers_reach_the_list_of_voices(self, tmp_path: Path) -> None:
        _, calls = self.run(tmp_path, "faces", "voices", "face-api", "out", "--test-speakers", "03,11")
        assert next(call for call in calls if "vary_voices" in call).endswith("--output varied --test-speakers 03,11")
        assert calls[-4].endswith("--output run --init audio-encoder/last.safetensors")

    def test_a_trial_takes_few_clips_and_keeps_apart_from_the_whole(self, tmp_path: Path) -> None:
        inputs = ("faces", "voices", "face-api", "out")
        ended, calls = self.run(tmp_path, *inputs, "--trial", "--seed", "1")
        assert ended.returncode == 0, ended.stderr
        train = "hicmae finetune --manifest photos-voices-puppets.csv --recipe default-nano --output run"
        few = "--set epochs=2 --set validate_every=2 --set warmup_epochs=0 --set epoch_clips=12800"
        assert f"{train} --init audio-encoder/last.safetensors {few} --seed 1" in calls
        assert "puppets make puppets --train 60" in calls[0]
        again, calls = self.run(tmp_path, *inputs, "--trial")
        assert again.returncode == 0 and not any("puppets make" in call for call in calls)
        ended, calls = self.run(tmp_path, *inputs)
        assert ended.returncode == 2 and not calls
        assert ended.stderr == "out: is of a run with --trial; use another OUTPUT\n"
        # A trial that has made nothing is no obstacle, and neither is what it left.
        self.run(tmp_path, *inputs[:3], "whole", "--trial", failing="hicmae puppets", code=130)
        for _ in range(2):
            ended, _ = self.run(tmp_path, *inputs[:3], "whole")
            assert ended.returncode == 0, ended.stderr
        ended, calls = self.run(tmp_path, *inputs[:3], "whole", "--trial")
        assert ended.returncode == 2 and not calls
        assert ended.stderr == "whole: is of a run without --trial; use another OUTPUT\n"

    def test_missing_inputs_are_named_before_anything_starts(self, tmp_path: Path) -> None:
        ended, calls = self.run(tmp_path, "faces", "voices")
        assert ended.returncode == 2 and ended.stderr.startswith("usage: ") and not calls
        for options in (("faecs", "voices", "face-api", "out"), ("faces", "voices", "faecs", "out")):
            ended, calls = self.run(tmp_path, *options)
            assert ended.returncode == 2 and ended.stderr == "faecs: no such file or folder\n" and not calls
