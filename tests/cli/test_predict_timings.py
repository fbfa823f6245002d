"""``hicmae predict --timings``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.report.prediction import Prediction
from tests.cli.running import hicmae
from tests.runtime.stubs import voice, write_clip

SHARED = ("--sound", "shared")
"""The sound of the stubs is noise, which is no voice."""


@pytest.mark.usefixtures("without_workers")
def test_seconds_are_in_the_table_and_in_the_document(tmp_path: Path) -> None:
    files = [voice(tmp_path / "a.wav"), write_clip(tmp_path / "b.mp4", 2.0), tmp_path / "missing.mp4"]
    run = hicmae("predict", *files, "--timings", "--json", "--output", tmp_path / "out", *SHARED)
    assert run.code == 1
    assert "the whole call" in run.err and "share of it" in run.err and "the whole call" not in run.out
    seconds = [file.get("timings") for file in run.document["files"]]
    assert all(
        set(each) == {"decode_s", "faces_s", "speaker_s", "model_s", "rest_s", "total_s"} for each in seconds[:2]
    )
    assert seconds[2] is None
    call = run.document["timings"]
    assert call["loading_s"] > 0 and call["total_s"] >= sum(each["total_s"] for each in seconds[:2])
    read = Prediction.from_dict(run.document)
    assert read.timings is not None
    # The rest is what remains of rounded numbers.
    assert read.to_dict()["timings"] == pytest.approx(call, abs=2e-4)
    again = hicmae("predict", *files[:2], "--timings", "--output", tmp_path / "out", "--skip-existing", *SHARED)
    assert again.code == 0 and "the whole call" in again.out
    without = hicmae("predict", files[0], "--json", *SHARED)
    assert "timings" not in without.document and "timings" not in without.document["files"][0]


@pytest.mark.slow
def test_a_hundred_short_clips_spend_at_most_a_twentieth_elsewhere(tmp_path: Path, sample: Path) -> None:
    """Of the time after the model is loaded, with a process of its own as by default, and with results saved."""
    from hicmae_cli.media import read_audio, read_frames, write_video

    frames = [frame.rgb for frame in read_frames(sample)]
    for index in range(100):
        first = index % (len(frames) - 31)
        sound = read_audio(sample, first / 12, (first + 31) / 12)
        write_video(tmp_path / "clips" / f"{index}.mp4", frames[first : first + 31], 12, sound)
    run = hicmae("predict", tmp_path / "clips", "--timings", "--json", "--quiet", "--output", tmp_path / "out")
    assert run.code == 0
    call = run.document["timings"]
    assert call["rest_s"] <= 0.05 * (call["total_s"] - call["loading_s"]), call
