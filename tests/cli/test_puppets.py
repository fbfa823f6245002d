from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.media import probe
from hicmae_cli.puppets import corpus, readback
from tests.cli.running import Run, hicmae


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.mkv")}


def make(folder: Path, train: int, seed: int = 5) -> Run:
    sizes = ("--train", train, "--validation", 2, "--test", 2)
    return hicmae("puppets", "make", folder, *sizes, "--seed", seed, "--workers", 1)


def test_a_made_corpus_holds_what_was_asked_for(puppets: Path) -> None:
    samples = read_manifest(puppets / "manifest.csv")
    assert Counter(sample.split for sample in samples) == {"train": 4, "validation": 2, "test": 2}
    people = [{s.speaker for s in samples if s.split == split} for split in ("train", "validation", "test")]
    assert len(set.union(*people)) == sum(map(len, people)) == 3  # nobody is in two splits
    clip = read_prepared_clip(samples[0].video, samples[0].audio)
    assert clip.num_frames == 16
    assert clip.num_samples == pytest.approx(2.56 * 16000, abs=160)


def test_the_same_call_again_draws_nothing(puppets: Path) -> None:
    before = stamps(puppets)
    assert make(puppets, train=4).code == 0
    assert stamps(puppets) == before


@pytest.mark.parametrize(("home", "expected"), [("elsewhere", "elsewhere/puppets"), ("", "data/puppets")])
def test_by_default_puppets_go_where_datasets_lie(monkeypatch: pytest.MonkeyPatch, home: str, expected: str) -> None:
    monkeypatch.setenv("HICMAE_DATA", home)
    monkeypatch.setattr(corpus, "make_corpus", lambda folder, *_, **__: folder / "manifest.csv")
    assert hicmae("puppets", "make").out == f"wrote {expected}/manifest.csv\n"


@pytest.mark.parametrize(("train", "seed"), [(5, 5), (4, 6)])
def test_another_corpus_does_not_go_into_the_same_folder(puppets: Path, train: int, seed: int) -> None:
    before = stamps(puppets)
    run = make(puppets, train, seed)
    assert run.code == 1
    assert str(puppets) in run.last_line and "choose another folder" in run.last_line
    assert stamps(puppets) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["make", "new", "--train", 0, "--validation", 0, "--test", 0], "expected at least one clip"),
        (["make", "new", "--train", -1], "--train"),
        (["make", "new", "--workers", 0], "--workers"),
        (["make", "new", "--seed", -1], "--seed"),
        (["make", "new", "--world", "moon"], "--world moon: expected film or comic"),
        (["preview", "new", "--people", 25], "--people"),
        (["check", "--clips", 0], "--clips"),
        (["juggle"], "juggle"),
    ],
)
def test_wrong_usage_exits_with_two_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = hicmae("puppets", *arguments)
    assert run.code == 2
    assert said in run.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_preview_is_a_picture_and_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "[look]"
    run = hicmae("puppets", "preview", folder, "--people", 1)
    assert run.code == 0, run.err
    assert run.out == f"wrote {folder / 'sheet.png'}\nwrote {folder / 'puppets.mp4'}\n"
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width == 6 * 224
    info = probe(folder / "puppets.mp4")
    assert info.has_video and info.has_audio


@pytest.mark.parametrize(("wanted", "verdict", "code"), [(-1.0, "passed", 0), (1.1, "FAILED", 1)])
def test_the_check_reports_and_its_exit_code_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, wanted: float, verdict: str, code: int
) -> None:
    monkeypatch.setattr(readback, "CORRELATION_WANTED", wanted)
    run = hicmae("puppets", "check", "--clips", 1)
    assert run.code == code
    lines = run.out.splitlines()
    assert lines[0] == "1 puppets, 16 frames, read by MediaPipe"
    assert "faces found     100.00%" in lines[1]
    assert [line.split("  ")[0] for line in lines[2:-1]] == list(readback.CHECKED_ACTIONS)
    assert lines[-1] == verdict
