"""``hicmae predict`` on bad files, wrong usage and interruptions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli import __version__
from hicmae_cli.media import write_video
from hicmae_cli.report import subtitles_writer
from hicmae_cli.report.formats import FORMATS
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime import batch
from hicmae_cli.runtime.engines import ENGINE_NAMES
from hicmae_cli.runtime.log import PredictionLog
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.reading import OnSeconds
from hicmae_cli.runtime.results import FileResult
from tests.cli.running import hicmae
from tests.runtime.stubs import voice

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("without_workers")]

LABELS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


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
    voice(tmp_path / "plain.wav").rename(tmp_path / b"odd\xff\x1b[31m.wav".decode("utf-8", "surrogateescape"))
    monkeypatch.chdir(tmp_path)
    run = hicmae("predict", "empty", "odd*", "take[1].mp4", "--json")
    assert run.code == 1
    assert [file["status"] for file in run.document["files"]] == ["ok", "error", "error"]
    assert "empty: no videos, sounds or photographs in this folder" in run.err
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


def test_every_format_at_once_with_timelines_of_choice(tmp_path: Path) -> None:
    sound, out = voice(tmp_path / "a.wav"), tmp_path / "out"
    run = hicmae("predict", sound, "--output", out, "--format", "all", "--smooth", 1, "--abstain", 1)
    assert run.code == 0 and "- no label" in run.out
    assert "no rttm file for 1 input: who speaks was not tested" in run.err
    document = json.loads((out / "predictions.json").read_text())
    assert (document["settings"]["smooth_s"], document["settings"]["abstain"]) == (1, 1)
    assert {each["label"] for each in document["files"][0]["tracks"][0]["episodes"]} == {None}
    log = (out / "predictions.jsonl").read_text()
    again = hicmae("predict", sound, "--output", out, "--format", "srt", "--skip-existing")  # nothing is predicted anew
    assert again.code == 0 and (out / "predictions.jsonl").read_text() == log
    assert "voice: " in (out / "a.srt").read_text()
    wrong = hicmae("predict", sound, "--abstain", 2)
    assert (wrong.code, wrong.last_line) == (2, "error: --abstain 2.0: expected a probability, 0 to 1")


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
    voice(files[1], seed=1)  # another sound under the same name
    judged[:] = ["now"]
    run = hicmae("predict", *files, "--output", out, "--skip-existing")
    assert (run.code, judged) == (0, ["now", "1.wav", "2.wav", "3.wav"])
    assert "1 of 4 files are done already and skipped" in run.err and "warning" not in run.err
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


def test_results_of_another_version_are_kept_and_said_to_be(tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav") for index in range(3)]
    out = tmp_path / "out"
    assert hicmae("predict", *files, "--output", out, "--modality", "audio").code == 0
    head, first, second, third = map(json.loads, (out / "predictions.jsonl").read_text().splitlines())
    assert first["hicmae_version"] == __version__ and first["folder"] is None
    first["hicmae_version"] = "0.0.9"
    del second["hicmae_version"]
    (out / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (head, first, second, third)))
    run = hicmae("predict", *files, "--output", out, "--modality", "audio", "--skip-existing")
    (warning,) = [line for line in run.err.splitlines() if "warning" in line]
    assert run.code == 0 and warning == (
        "warning: 2 of the skipped files were predicted with hicmae 0.0.9 and a version of hicmae that was not "
        f"recorded, not with hicmae {__version__}; to predict all with this version, leave out --skip-existing"
    )
    saved = json.loads((out / "predictions.json").read_text())["files"]
    assert [file["hicmae_version"] for file in saved] == ["0.0.9", None, __version__]


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


def test_interrupted_while_it_looks_for_earlier_results_it_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = voice(tmp_path / "a.wav"), tmp_path / "out"
    given = ("predict", path, "--modality", "audio", "--output", out, "--skip-existing")
    assert hicmae(*given).code == 0
    before = (out / "predictions.json").read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PredictionLog, "resume", interrupt)
    assert hicmae(*given).code == 130
    assert (out / "predictions.json").read_bytes() == before


def test_interrupted_without_a_folder_it_says_that_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict", interrupt)
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--json")
    assert (run.code, run.document["files"]) == (130, [])
    assert run.last_line == "interrupted: 0 of 1 files done, nothing is saved without --output"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hop", "3"], "error: --hop 3.0: expected more than 0 and at most the window, 2.56 seconds"),
        (["--modality", "smell"], "error: --modality smell: expected one of auto, av, video, audio"),
        (["--engine", "abacus"], f"error: --engine abacus: expected one of {', '.join(ENGINE_NAMES)}"),
        (
            ["--device", "abacus"],
            "error: --device abacus: the ONNX engine runs on cpu, cuda, tensorrt, coreml, directml, openvino; "
            "use auto to let it choose",
        ),
        (["--faces", "0"], "error: --faces 0: expected 1 to 32, all or largest"),
        (["--format", "docx"], f"error: --format docx: expected one or more of {', '.join(FORMATS)}, or all"),
        (["--format", "srt"], "error: --format needs --output, the folder to write to"),
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


def test_a_number_of_thousands_of_digits_is_refused_in_one_line(sample: Path) -> None:
    run = hicmae("predict", sample, "--faces", "9" * 5000)
    assert run.code == 2
    assert "a number of 5000 digits; give a number of people, all or largest" in run.last_line


def test_files_of_an_input_are_there_when_it_is_done_and_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the second input is predicted, the first has its files; a run that resumes leaves them as they are."""
    first, second, out = voice(tmp_path / "a.wav"), voice(tmp_path / "b.wav", seed=1), tmp_path / "out"
    given = ("predict", first, second, "--modality", "audio", "--output", out, "--format", "srt,html,json")
    judge, seen = Predictor.predict, []

    def watch(self: Predictor, path: Path, on_seconds: OnSeconds) -> FileResult:
        seen.append(sorted(each.name for each in out.iterdir() if each.suffix in (".srt", ".html")))
        if path == second and len(seen) == 2:
            raise KeyboardInterrupt
        return judge(self, path, on_seconds)

    monkeypatch.setattr(Predictor, "predict", watch)
    assert hicmae(*given).code == 130
    assert seen == [[], ["a.html", "a.srt"]]
    made = {name: (out / name).stat().st_mtime_ns for name in ("a.html", "a.srt")}
    (out / "a.srt").unlink()
    run = hicmae(*given, "--skip-existing")
    assert run.code == 0, run.err
    assert (out / "a.html").stat().st_mtime_ns == made["a.html"] and (out / "a.srt").exists()
    assert sorted(each.name for each in out.glob("*.html")) == ["a.html", "b.html", "index.html"]
    assert hicmae(*given, "--skip-existing", "--smooth", 2).code == 0
    assert (out / "a.html").stat().st_mtime_ns > made["a.html"]  # its timelines are others
    assert sorted(each.name for each in out.glob("*.html")) == ["a.html", "b.html", "index.html"]


@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyboardInterrupt])
def test_a_drawing_that_fails_costs_itself_and_ctrl_c_in_it_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    files, out = [voice(tmp_path / "a.wav"), voice(tmp_path / "b.wav", seed=1)], tmp_path / "out"

    def stumble(made: Prediction, path: Path) -> None:
        if path.name == "a.srt":
            raise fault("planted")
        path.write_text("drawn")

    monkeypatch.setattr(subtitles_writer, "write_srt", stumble)
    run = hicmae("predict", *files, "--modality", "audio", "--output", out, "--format", "srt,json")
    written = json.loads((out / "predictions.json").read_text())["files"]
    if fault is KeyboardInterrupt:
        assert (run.code, len(written)) == (130, 1)
        assert run.last_line.startswith("interrupted: 1 of 2 files done, saved in")
    else:
        assert (run.code, len(written), (out / "b.srt").read_text()) == (1, 2, "drawn")
        assert f"error: no srt file: {files[0]}: unexpected ZeroDivisionError: planted" in run.err
        with pytest.raises(ZeroDivisionError):
            hicmae("predict", *files, "--modality", "audio", "--output", tmp_path / "x", "--format", "srt", "--debug")
