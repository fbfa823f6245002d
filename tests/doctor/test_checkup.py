"""The whole check: nothing stops it, what is damaged is found, and the command says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.doctor import checkup, files, trial
from hicmae_cli.doctor.checkup import CHECKS, check_installation, check_system
from hicmae_cli.doctor.files import check_folders, check_models
from hicmae_cli.doctor.results import Check
from hicmae_cli.doctor.trial import try_predicting
from tests.cli.running import hicmae
from tests.test_silence import STRACE, trace


def fine() -> Iterator[Check]:
    yield Check("good", "a thing", "ok", "works")
    yield Check("good", "an [i]extra[/i]\x1b[31m", "note", "is missing", "run `make it`")


def torn() -> Iterator[Check]:
    yield Check("torn", "the first", "ok", "works")
    raise RuntimeError("the dog ate it")


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The groups of checks, to be planted."""
    planted: dict[str, Any] = {"good": fine}
    monkeypatch.setattr(checkup, "CHECKS", planted)
    return planted


def test_a_check_that_fails_stops_no_other(groups: dict[str, Any]) -> None:
    groups |= {"torn": torn, "last": fine}
    begun: list[str] = []
    found = check_installation(begun.append)
    assert begun == ["good", "torn", "last"]
    assert [check.status for check in found.checks] == ["ok", "note", "ok", "broken", "ok", "note"]
    assert found.broken[0].found == "could not be checked: RuntimeError: the dog ate it"
    assert found.verdict == "broken: 1 of 6 checks failed: checks of torn"
    assert not found.is_fine


def test_the_command_prints_signs_with_words_and_exits(groups: dict[str, Any]) -> None:
    run = hicmae("doctor")
    assert run.code == 0
    assert "✓ ok" in run.out and "• note" in run.out and "→ run `make it`" in run.out
    assert "an [i]extra[/i]\\x1b[31m" in run.out  # neither markup nor control characters
    assert run.out.rstrip().endswith("fine hicmae works on this machine")
    groups["torn"] = torn
    run = hicmae("doctor")
    assert run.code == 1 and "✗ broken" in run.out and "failed broken: 1 of 4 checks failed" in run.err


def test_the_document(groups: dict[str, Any]) -> None:
    groups["torn"] = torn
    run = hicmae("doctor", "--json")
    assert run.code == 1 and run.err == ""
    assert run.document["schema"] == "hicmae.doctor/1"
    assert (run.document["is_fine"], len(run.document["checks"])) == (False, 4)
    assert run.document["checks"][0] == {
        "group": "good",
        "name": "a thing",
        "status": "ok",
        "found": "works",
        "advice": "",
    }


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="status='fine'"):
        Check("a", "b", "fine", "c")


def test_python_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {check.status for check in check_system()} == {"ok"}
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert [check.name for check in check_system() if check.status == "broken"] == ["Python"]


def test_damaged_and_missing_models_are_found(bundle: Path) -> None:
    assert {check.status for check in check_models()} == {"ok"}
    (bundle / "puppets-nano.onnx").write_bytes((bundle / "puppets-nano.onnx").read_bytes()[:-1] + b"x")
    (bundle / "face_detector.onnx").unlink()
    broken = {check.name: check.found for check in check_models() if check.status == "broken"}
    assert broken.keys() == {"puppets-nano.onnx", "face_detector.onnx"}
    assert "expected d75ae12e140f" in broken["puppets-nano.onnx"]


def test_weights_of_ones_own_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Path) -> None:
    monkeypatch.setenv("HICMAE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.safetensors").write_bytes(toy.read_bytes())
    (tmp_path / "weights" / "torn.safetensors").write_bytes(toy.read_bytes()[:100])
    found = {check.name: check for check in check_models()}
    assert found["mine"].status == "ok" and ".safetensors" in found["mine"].found
    assert found["torn"].status == "broken"


def test_folders_are_tried_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_HOME", str(tmp_path / "home"))
    assert {check.status for check in check_folders()} == {"ok"}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "home").write_text("a file where the folder should be")
    found = {check.name: check for check in check_folders()}
    assert found["weights of one's own"].status == "broken"
    assert "HICMAE_HOME" in found["weights of one's own"].advice
    monkeypatch.setattr(files, "_LEAST_FREE_MB", 1e12)
    assert found["cache"].status == "ok" and {check.status for check in check_folders()} == {"note", "broken"}


def test_codecs_that_pyav_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run_apart", lambda work, job: work(job, lambda value: None))
    assert {check.status for check in trial.check_media()} == {"ok"}
    monkeypatch.setattr(trial, "_ENCODERS", ("libx999",))
    monkeypatch.setattr(trial, "_DECODERS", ("h264", "h999"))
    found = {check.name: check for check in trial.check_media()}
    assert (found["encoders"].status, found["encoders"].found) == ("broken", "missing: libx999")
    assert (found["decoders"].status, found["decoders"].found) == ("note", "missing: h999")


def test_the_trial_predicts_sound_and_faces() -> None:
    clip, sample = try_predicting("", lambda value: None)
    assert (clip.status, sample.status) == ("ok", "ok")
    assert clip.found.startswith("predicted the sound in ")
    assert sample.found.startswith("predicted 2 people in ")


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_the_command_opens_no_connection(tmp_path: Path) -> None:
    done, found = trace([sys.executable, "-m", "hicmae_cli.cli", "doctor", "--json"], tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert found == []
    assert set(CHECKS) >= {"trial", "extras"}
