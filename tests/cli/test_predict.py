"""``hicmae predict`` on real and on bad files, by its contract."""

from __future__ import annotations

import csv
import json
import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from hicmae_cli.media import read_audio, read_frames, write_video
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from tests.cli.running import Run, hicmae
from tests.runtime.stubs import voice
from tests.weights.toys import save_regression

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("without_workers")]

LABELS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


@pytest.fixture(scope="module")
def result(without_workers: None) -> Run:
    from tests.conftest import SAMPLE

    return hicmae("predict", SAMPLE, "--json")


def tracks(run: Run) -> list[dict[str, Any]]:
    assert run.code == 0, run.err
    return sorted(run.document["files"][0]["tracks"], key=lambda t: t["id"])


def assert_close(first: Run, second: Run, bound: float) -> None:
    """Same people, same probabilities within a bound."""
    assert len(tracks(first)) == len(tracks(second)) == 2
    for mine, theirs in zip(tracks(first), tracks(second), strict=True):
        for label in LABELS:
            assert mine["probabilities"][label] == pytest.approx(theirs["probabilities"][label], abs=bound)


def test_two_people_each_seen_throughout(result: Run) -> None:
    found = tracks(result)
    assert [t["id"] for t in found] == [1, 2]
    assert all(t["face_coverage"] >= 0.9 for t in found)


def test_the_document_keeps_its_contract(result: Run, sample: Path) -> None:
    document = result.document
    assert document["schema"] == "hicmae.predict/1"
    assert document["weights"]["labels"] == LABELS
    (file,) = document["files"]
    assert (file["path"], file["status"], file["modality"]) == (str(sample), "ok", "av")
    assert file["duration_s"] == pytest.approx(8.7, abs=0.1)
    assert file["fps"] == pytest.approx(11.94, abs=0.1)
    assert file["summary"]["label"] == max(file["summary"]["probabilities"], key=file["summary"]["probabilities"].get)
    for track in file["tracks"]:
        assert track["probabilities"].keys() == set(LABELS)
        assert sum(track["probabilities"].values()) == pytest.approx(1)
        windows = track["windows"]
        assert [w["start_s"] for w in windows] == sorted(w["start_s"] for w in windows)
        for label in LABELS:
            mean = np.mean([w["probabilities"][label] for w in windows])
            assert track["probabilities"][label] == pytest.approx(mean)


def assert_contains(document: Any, reference: Any, place: str = "") -> None:
    """Everything of the reference is in the document, numbers within a bound; the document may have more fields."""
    if isinstance(reference, dict):
        for name, part in reference.items():
            assert name in document, f"{place}/{name}"
            assert_contains(document[name], part, f"{place}/{name}")
    elif isinstance(reference, list):
        assert len(document) == len(reference), place
        for mine, theirs in zip(document, reference, strict=True):
            assert_contains(mine, theirs, place)
    elif isinstance(reference, float):
        assert document == pytest.approx(reference, abs=0.05 if place.endswith("_px") else 2e-3), place
    else:
        assert document == reference, place


def test_the_sample_gives_what_it_always_gave(without_workers: None, sample: Path) -> None:
    """`tests/reference/predict_sample.json` is from before there were boxes; fields are only added.

    Everybody in view got the sound then.
    """
    result = hicmae("predict", sample, "--json", "--sound", "shared", "--weights", "puppets-nano")
    reference = json.loads((Path(__file__).parent.parent / "reference" / "predict_sample.json").read_text())
    reference["files"][0]["path"] = str(sample)
    assert_contains(result.document, reference)


def test_it_says_what_it_learned_from_how_often_it_is_right_and_that_it_judges_nobody(result: Run) -> None:
    *_, notice = lines = result.err.splitlines()
    assert "trained on photos of real faces" in notice and "cannot judge an individual" in notice
    assert re.search(r"On people it had not seen: .* accuracy 0\.\d\d \(chance 0\.50", notice)
    assert len(lines) == 2 and all(lines)  # after the licence, and no empty lines of a bar that is not shown


def test_both_engines_agree(result: Run, sample: Path) -> None:
    assert_close(result, hicmae("predict", sample, "--json", "--engine", "torch"), 1e-3)


def test_fifty_frames_a_second_agree(result: Run, sample: Path, tmp_path: Path) -> None:
    frames = list(read_frames(sample))
    times = np.array([frame.time_s for frame in frames])
    count = round((times[-1] + 1 / 12) * 50)
    shown = (frames[int(np.searchsorted(times, i / 50 + 1e-6, "right")) - 1].rgb for i in range(count))
    write_video(tmp_path / "50.mkv", shown, 50, read_audio(sample), crf=0)
    assert_close(result, hicmae("predict", tmp_path / "50.mkv", "--json"), 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("options", ["fps=50", "fps=50:round=zero", "fps=30"])
def test_another_frame_rate_by_ffmpegs_own_filter_agrees(
    result: Run, sample: Path, tmp_path: Path, options: str
) -> None:
    """The filter shows pictures up to half a tick too early or too late, which moves some that are sampled."""
    rate = int(options[4:6])
    shown: list[NDArray[np.uint8]] = []
    with av.open(str(sample)) as source:
        graph = av.filter.Graph()
        nodes = (graph.add_buffer(template=source.streams.video[0]), graph.add("fps", options.removeprefix("fps=")))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        for frame in (*source.decode(video=0), None):
            graph.push(frame)
            while True:
                try:
                    shown.append(np.asarray(graph.vpull().to_ndarray(format="rgb24"), np.uint8))
                except (av.error.BlockingIOError, av.error.EOFError):
                    break
    write_video(tmp_path / "other.mkv", shown, rate, read_audio(sample), crf=0)
    assert_close(result, hicmae("predict", tmp_path / "other.mkv", "--json"), 0.02)


@pytest.mark.slow
def test_a_variable_frame_rate_agrees(result: Run, sample: Path, tmp_path: Path) -> None:
    frames = list(read_frames(sample))
    # Every third frame is also shown again a little later: uneven steps, the same picture at every time.
    uneven = []
    for index, frame in enumerate(frames):
        uneven.append(frame)
        if index % 3 == 0:
            uneven.append(type(frame)(frame.time_s + 0.03, frame.rgb))
    write_video(tmp_path / "vfr.mkv", uneven, Fraction(12), read_audio(sample), crf=0)
    assert_close(result, hicmae("predict", tmp_path / "vfr.mkv", "--json"), 0.02)


# Every turn is read right in tests/media and tests/faces; here all go the whole way.
@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_by_metadata_agrees(sample: Path, tmp_path: Path, turn: int) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(sample)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=12, options={"crf": "0", "preset": "ultrafast"})
        first = True
        for frame in source.decode(video=0):
            picture = np.rot90(frame.to_ndarray(format="rgb24"), -turn // 90)
            if first:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv444p"
                stream.time_base = Fraction(1, 90000)
                stream.set_display_rotation(turn)
                first = False
            turned = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture, np.uint8), format="rgb24")
            turned.pts = round((frame.time or 0.0) * 90000)
            turned.time_base = Fraction(1, 90000)
            target.mux(stream.encode(turned))
        target.mux(stream.encode(None))
    upright = hicmae("predict", sample, "--json", "--modality", "video")
    assert_close(upright, hicmae("predict", path, "--json"), 0.02)


def test_a_missing_stream_is_survived_sanely(sample: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", read_audio(sample), 16000)
    heard = hicmae("predict", tmp_path / "voice.wav", "--json").document["files"][0]
    assert (heard["status"], heard["modality"]) == ("ok", "audio")
    write_video(tmp_path / "mute.mp4", [f.rgb for f in read_frames(sample)], 12)
    seen = hicmae("predict", tmp_path / "mute.mp4", "--json").document["files"][0]
    assert (seen["status"], seen["modality"]) == ("ok", "video")
    for file in (heard, seen):
        assert 0.2 < max(file["summary"]["probabilities"].values()) < 0.999


def test_a_folder_and_results_on_disk(sample: Path, tmp_path: Path) -> None:
    inside = tmp_path / "clips" / "deeper"
    inside.mkdir(parents=True)
    (inside / "a.mp4").write_bytes(sample.read_bytes())
    (inside / "notes.txt").write_text("not media")
    run = hicmae("predict", tmp_path / "clips", "--output", tmp_path / "out", "--quiet")
    assert run.code == 0, run.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "predictions.csv",
        "predictions.json",
        "predictions.jsonl",
    ]
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open()))
    assert {row["track"] for row in rows} == {"1", "2"}
    assert all(abs(sum(float(row[label]) for label in LABELS) - 1) < 1e-4 for row in rows)


def test_the_screen_shows_people_time_and_licence(sample: Path) -> None:
    run = hicmae("predict", sample)
    assert run.code == 0
    for text in ("person 1", "person 2", "speech_sample.mp4", "audio + video", "8.8 s"):
        assert text in run.out
    assert "licence" in run.err


def test_text_of_a_weight_is_not_markup(toy: Path, tmp_path: Path) -> None:
    model, info = load_classifier(toy)
    odd = tmp_path / "odd.safetensors"
    save_classifier(odd, model, info.model_copy(update={"dataset": "[/x] [b]", "licence": "a\x1b[31m"}))
    voice(tmp_path / "a.wav")
    run = hicmae("predict", tmp_path / "a.wav", "--weights", odd, "--engine", "torch")
    assert run.code == 0, run.err
    assert r"trained on [/x] [b]) · licence a\x1b[31m" in run.err
    assert hicmae("weights", "show", odd).code == 0


def test_a_part_of_a_file(tmp_path: Path) -> None:
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--json", "--start", "0.5", "--end", "2.5")
    (track,) = run.document["files"][0]["tracks"]
    assert (track["start_s"], track["end_s"]) == (0.5, 2.5)
    assert (run.document["settings"]["start_s"], run.document["settings"]["end_s"]) == (0.5, 2.5)


@pytest.mark.parametrize("engine", [pytest.param("onnx", marks=pytest.mark.slow), "torch"])
def test_a_regression_weight_gives_values(tmp_path: Path, engine: str) -> None:
    weight = save_regression(tmp_path / "run" / "best.safetensors")
    out = tmp_path / "out"
    run = hicmae("predict", voice(tmp_path / "a.wav"), "-w", weight, "--engine", engine, "--json", "-o", out)
    assert run.code == 0, run.err
    assert "(custom, arousal, valence, trained on none)" in run.err
    (file,) = run.document["files"]
    (track,) = file["tracks"]
    means = {name: np.mean([w["values"][name] for w in track["windows"]]) for name in ("arousal", "valence")}
    assert track["values"] == file["summary"]["values"] == pytest.approx(means)
    assert json.loads((out / "predictions.json").read_text()) == run.document
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert "label" not in rows[0]
    assert [float(row["valence"]) for row in rows] == pytest.approx(
        [w["values"]["valence"] for w in track["windows"]], rel=1e-5
    )
    shown = hicmae("predict", tmp_path / "a.wav", "-w", weight, "--engine", engine)
    assert "voice valence" in shown.out and f"{means['valence']:.2f}" in shown.out
    again = hicmae("predict", tmp_path / "a.wav", "-w", weight, "--engine", engine, "-o", out, "--skip-existing")
    assert "1 of 1 files are done already and skipped" in again.err
    assert json.loads((out / "predictions.json").read_text()) == run.document


def test_the_folder_of_a_run_is_a_weight(toy: Path, tmp_path: Path) -> None:
    shutil.copy(toy, tmp_path / "best.safetensors")
    run = hicmae("predict", voice(tmp_path / "a.wav"), "-w", tmp_path, "--json")
    assert run.code == 0, run.err
    assert run.document["weights"]["name"] == str(tmp_path)
    (tmp_path / "empty").mkdir()
    run = hicmae("predict", tmp_path / "a.wav", "-w", tmp_path / "empty")
    line = f"error: {tmp_path / 'empty'}: the folder has no weight; expected best.safetensors or last.safetensors"
    assert (run.code, run.last_line) == (1, line)


def test_the_timeline_is_readable_without_colours(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    *_, legend, _ = hicmae("predict", sample, "--quiet", "--weights", "puppets-nano").out.splitlines()
    assert "N neutral  A anger  H happiness  (paler: less sure)" in legend
