"""``hicmae predict`` on real and on bad files, by its contract."""

from __future__ import annotations

import csv
import json
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
from hicmae_cli.report.formats import FORMATS
from hicmae_cli.runtime import batch
from hicmae_cli.runtime.engines import ENGINE_NAMES
from hicmae_cli.runtime.predictor import OnSeconds, Predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from tests.cli.running import Run, hicmae
from tests.weights.toys import save_regression

pytestmark = pytest.mark.usefixtures("without_workers")

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


def test_the_sample_gives_what_it_always_gave(result: Run, sample: Path) -> None:
    """`tests/reference/predict_sample.json` is from before there were boxes; fields are only added."""
    reference = json.loads((Path(__file__).parent.parent / "reference" / "predict_sample.json").read_text())
    reference["files"][0]["path"] = str(sample)
    assert_contains(result.document, reference)


def test_it_says_that_the_bundled_model_is_no_judge_of_real_people(result: Run) -> None:
    *_, notice = lines = result.err.splitlines()
    assert "cannot judge real people" in notice
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


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("fps=50", marks=pytest.mark.slow),
        "fps=50:round=zero",
        pytest.param("fps=30", marks=pytest.mark.slow),
    ],
)
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


# Every turn is read right in tests/media; here one goes all the way, the others when there is time.
@pytest.mark.parametrize("turn", [90, *(pytest.param(t, marks=pytest.mark.slow) for t in (180, 270))])
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


def bad_files(folder: Path, sample: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ("missing.mp4", "empty.mp4", "text.mp4", "cut.mp4", "faceless.mp4")}
    files["empty.mp4"].touch()
    files["text.mp4"].write_text("this is not a video\n" * 50)
    files["cut.mp4"].write_bytes(sample.read_bytes()[:2000])
    write_video(files["faceless.mp4"], [np.full((120, 160, 3), 90, np.uint8)] * 30, 10)
    return files


def test_bad_files_get_a_line_each_and_the_rest_is_done(sample: Path, tmp_path: Path) -> None:
    files = bad_files(tmp_path, sample)
    run = hicmae("predict", *files.values(), sample, "--json")
    assert run.code == 1
    status = {Path(f["path"]).name: f["status"] for f in run.document["files"]}
    assert status == {
        "missing.mp4": "error",
        "empty.mp4": "error",
        "text.mp4": "error",
        "cut.mp4": "error",
        "faceless.mp4": "no-face",
        "speech_sample.mp4": "ok",
    }
    failed = [line for line in run.err.splitlines() if line.startswith("failed ")]
    assert len(failed) == len(files)
    for path in files.values():
        assert sum(str(path) in line for line in failed) == 1
    assert "Traceback" not in run.err


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "x.mp4", "--modality", "smell"],
        ["predict", "x.mp4", "--engine", "abacus"],
        ["predict", "x.mp4", "--hop", "-1"],
        ["predict", "x.mp4", "--output", "o", "--format", "docx"],
        ["predict", "x.mp4", "--output", ""],
        ["predict", "x.mp4", "--skip-existing"],
        ["predict", "x.mp4", "--start", "3", "--end", "2"],
        ["predict", "x.mp4", "--jobs", "-1"],
        ["predict", "x.mp4", "--nonsense"],
        ["nonsense"],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str]) -> None:
    run = hicmae(*arguments)
    assert run.code == 2
    assert "Traceback" not in run.err


def test_unknown_weights_are_named(sample: Path) -> None:
    run = hicmae("predict", sample, "--weights", "no-such")
    assert run.code == 1
    assert "puppets-nano" in run.last_line


def test_debug_shows_the_traceback(sample: Path) -> None:
    with pytest.raises(Exception, match="no-such"):
        hicmae("predict", sample, "--weights", "no-such", "--debug")


def test_what_gives_no_file_does_not_keep_the_rest_from_being_judged(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    sound = np.zeros(48000, np.float32)
    sound[::7] = 0.1
    soundfile.write(tmp_path / "plain.wav", sound, 16000)
    (tmp_path / "plain.wav").rename(tmp_path / b"odd\xff\x1b[31m.wav".decode("utf-8", "surrogateescape"))
    monkeypatch.chdir(tmp_path)
    run = hicmae("predict", "empty", "odd*", "take[1].mp4", "--json")
    assert run.code == 1
    assert [file["status"] for file in run.document["files"]] == ["ok", "error", "error"]
    assert "empty: no video or audio files in this folder" in run.err
    assert "take[1].mp4: no file matches this pattern" in run.err
    assert "1 of 3 files done, 2 failed" in run.err
    shown = hicmae("predict", "odd*")
    assert shown.code == 0
    assert r"odd\udcff\x1b[31m.wav" in shown.out  # a name cannot steer the terminal


def test_a_folder_for_results_that_cannot_be_made_is_said_before_the_work(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = hicmae("predict", sample, "--output", tmp_path / "file")
    assert (run.code, run.out) == (1, "")
    assert "cannot be made a folder for results" in run.last_line


def test_a_fault_of_ours_costs_one_file_and_not_the_batch(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Predictor.predict

    def stumble(self: Predictor, path: Path, on_seconds: OnSeconds) -> FileResult:
        if path.name == "bad.wav":
            raise ZeroDivisionError("planted")
        return judge(self, path, on_seconds)

    monkeypatch.setattr(Predictor, "predict", stumble)
    for name in ("bad.wav", "good.wav"):
        voice(tmp_path / name)
    run = hicmae("predict", tmp_path / "bad.wav", tmp_path / "good.wav", "--json")
    assert [file["status"] for file in run.document["files"]] == ["error", "ok"]
    assert "bad.wav: unexpected ZeroDivisionError: planted" in run.err
    assert run.last_line == "run again with --debug for the traceback of an unexpected error"
    with pytest.raises(ZeroDivisionError):
        hicmae("predict", tmp_path / "bad.wav", "--debug")


def voice(path: Path) -> Path:
    """Three seconds of a tone."""
    soundfile.write(path, 0.1 * np.sin(np.arange(48000) / 9), 16000)
    return path


def test_a_second_call_goes_on_where_the_first_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [voice(tmp_path / f"{index}.wav") for index in range(4)]
    judge, judged = Predictor.predict, []

    def watch(self: Predictor, path: Path, on_seconds: OnSeconds) -> FileResult:
        judged.append(path.name)
        if judged == ["0.wav", "1.wav", "2.wav"]:
            raise KeyboardInterrupt
        return judge(self, path, on_seconds)

    monkeypatch.setattr(Predictor, "predict", watch)
    out = tmp_path / "out"
    run = hicmae("predict", *files, "--output", out)
    assert run.code == 130
    assert run.last_line == (
        f"interrupted: 2 of 4 files done, saved in {out}; run again with --skip-existing to resume"
    )
    assert [row["path"] for row in json.loads((out / "predictions.json").read_text())["files"]] == [
        str(path) for path in files[:2]
    ]
    soundfile.write(files[1], 0.1 * np.sin(np.arange(48000) / 8), 16000)  # another sound under the same name
    judged[:] = ["now"]
    run = hicmae("predict", *files, "--output", out, "--skip-existing")
    assert (run.code, judged) == (0, ["now", "1.wav", "2.wav", "3.wav"])
    assert "1 of 4 files are done already and skipped" in run.err
    whole = json.loads((out / "predictions.json").read_text())
    judged[:] = ["anew"]
    assert hicmae("predict", *files, "--output", tmp_path / "other").code == 0
    assert whole == json.loads((tmp_path / "other" / "predictions.json").read_text())
    log = (out / "predictions.jsonl").read_text()
    assert [json.loads(line)["path"] for line in log.splitlines()[1:]].count(str(files[1])) == 2  # the last one counts
    other = hicmae("predict", *files, "--output", out, "--skip-existing", "--hop", 1)
    assert other.code == 2
    assert "holds another run (hop_s 0.64 there, 1.0 here)" in other.last_line
    assert (out / "predictions.jsonl").read_text() == log
    assert hicmae("predict", files[0], "--output", out, "--skip-existing").code == 0
    assert (out / "predictions.jsonl").read_text() == log  # other files' results stay


def test_a_damaged_face_net_is_named_once_before_the_work(
    bundle: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hicmae_cli.faces import nets

    (bundle / "face_landmarks.onnx").write_bytes(b"damaged")
    nets._open_net.cache_clear()
    batch._open.cache_clear()
    run = hicmae("predict", sample, sample.parent, "--json")
    assert (run.code, run.out) == (1, "")
    (line,) = run.err.strip().splitlines()
    assert "face_landmarks.onnx: is not the file that was bundled" in line
    assert hicmae("predict", sample, "--modality", "audio", "--quiet").code == 0  # which looks for no faces


def test_interrupted_without_a_folder_it_says_that_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict", interrupt)
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--json")
    assert (run.code, run.document["files"]) == (130, [])
    assert run.last_line == "interrupted: 0 of 1 files done, nothing is saved without --output"


def test_text_of_a_weight_is_not_markup(toy: Path, tmp_path: Path) -> None:
    model, info = load_classifier(toy)
    odd = tmp_path / "odd.safetensors"
    save_classifier(odd, model, info.model_copy(update={"dataset": "[/x] [b]", "licence": "a\x1b[31m"}))
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(48000) / 9), 16000)
    run = hicmae("predict", tmp_path / "a.wav", "--weights", odd, "--engine", "torch")
    assert run.code == 0, run.err
    assert r"trained on [/x] [b]) · licence a\x1b[31m" in run.err
    assert hicmae("weights", "show", odd).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hop", "3"], "error: --hop 3.0: expected more than 0 and at most the window, 2.56 seconds"),
        (["--modality", "smell"], "error: --modality smell: expected one of auto, av, video, audio"),
        (["--engine", "abacus"], f"error: --engine abacus: expected one of {', '.join(ENGINE_NAMES)}"),
        (
            ["--device", "abacus"],
            "error: --device abacus: the ONNX engine runs on cpu or cuda; use auto to let it choose",
        ),
        (["--faces", "0"], "error: --faces 0: expected 1 to 32"),
        (["--format", "docx"], f"error: --format docx: expected one or more of {', '.join(FORMATS)}"),
        (["--skip-existing"], "error: --skip-existing needs --output, the folder with the earlier results"),
    ],
)
def test_wrong_values_are_named_as_options(sample: Path, arguments: list[str], message: str) -> None:
    run = hicmae("predict", sample, *arguments)
    assert (run.code, run.last_line) == (2, message)


def test_failures_name_options_and_the_document_parameters(tmp_path: Path) -> None:
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--modality", "av", "--json")
    assert "a.wav: no video track, but --modality av requires one; try --modality auto" in run.err
    assert "modality='av' requires one; try modality='auto'" in run.document["files"][0]["message"]
    late = hicmae("predict", tmp_path / "a.wav", "--start", "20")
    assert "a.wav: --start 20.0 is after its end; it has 3.0 seconds" in late.out


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
    *_, legend, _ = hicmae("predict", sample, "--quiet").out.splitlines()
    assert "N neutral  A anger  H happiness  D disgust  (paler: less sure)" in legend
