"""A whole check of an engine whose answers are known, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.evaluation.real_check.check import check_real_people
from hicmae_cli.evaluation.real_check.files import save_check
from hicmae_cli.evaluation.real_check.judging import PAIRS_PER_LABEL, draw_pairs
from hicmae_cli.evaluation.real_check.result import RealCheck
from hicmae_cli.records.seen import note_seen
from hicmae_cli.report.files import to_json
from tests.cli.running import hicmae
from tests.evaluation.real_check.toys import FACES, LABELS, SURE, install, write_faces, write_rows, write_voices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    write_faces(root / "faces")
    write_voices(root / "voices")
    return root


@pytest.fixture(scope="module")
def result(folder: Path) -> RealCheck:
    """The check of the test people of both folders, with a temperature and a peer."""
    rows = [[f"{number}.png", 0, 1, 0, 0] for number in range(12)]
    peer = write_rows(folder / "peer.csv", ["file", "angry", "happy", "neutral", "sad"], [list(row) for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        seen = note_seen("mix", "fine-tuning", [("photos/p5", "1")])
        install(patch, temperature=2.0, one_stream_temperatures={"video": 1.0}, seen=(seen,))
        return check_real_people(
            weights="six", faces=folder / "faces", voices=folder / "voices", speakers=["11", "19"], peers=[f"p={peer}"]
        )


def test_photos_are_scored_by_group(result: RealCheck) -> None:
    groups = {scores.photos: scores for scores in result.judges[0].faces}
    assert groups.keys() == {"all", "clear", "film", "press", "grey"}
    everything = groups["all"]
    assert everything.counts == {"anger": 2, "happiness": 4, "neutral": 4, "sadness": 1}
    assert everything.two is not None and everything.four is not None
    # Neutral that is taken for anger is a tie between the two, which the first of them wins.
    assert (everything.two.value, everything.two.n, everything.two.people) == (5 / 8, 8, 3)
    assert everything.four.value == pytest.approx((1 / 2 + 3 / 4 + 2 / 4 + 1) / 4)
    assert everything.two.lower is not None and everything.two.lower < 5 / 8
    # The red face is dark grey: fear.
    assert groups["grey"].four is not None
    assert groups["grey"].four.value == pytest.approx((1 / 2 + 3 / 4 + 2 / 4 + 0) / 4)
    assert groups["clear"].two is not None and groups["clear"].two.value == 1
    assert groups["film"].two is None and groups["film"].counts["neutral"] == 0


def test_choices_and_shares_are_those_among_all_labels(result: RealCheck) -> None:
    assert result.choices is not None and result.shares is not None
    assert result.choices.rows == ("anger", "happiness", "neutral", "sadness")
    assert result.choices.columns == LABELS
    assert result.choices.counts[2] == (1, 0, 0, 1, 2, 0)
    share = 1 / (np.exp(SURE) + 5)
    assert {name: measure.value for name, measure in result.shares.items()} == {
        "disgust": pytest.approx(share),
        "fear": pytest.approx(share),
    }


def test_voices_are_scored_by_speaker_and_change(result: RealCheck) -> None:
    voices = result.voices
    assert voices is not None and voices.labels == ("anger", "fear", "happiness")
    # Speaker 19's anger is taken for sadness; among the three labels that is a tie, which anger wins.
    assert voices.uar.value == 1 and voices.speakers["19"].value == 1
    assert voices.confusion.counts[0] == (1, 0, 0, 0, 0, 1)
    changes = {change.change: change for change in voices.changes}
    assert changes["12 dB louder"].cost.value == 0 == changes["12 dB quieter"].cost.value
    assert changes["telephone band"].uar.value >= 2 / 3
    # Expected arousal is that of the label that the engine names: the ranks of anger, fear, happiness and again.
    chosen, labelled = [6, 4.5, 2.5, 1, 4.5, 2.5], [5.5, 3.5, 1.5, 5.5, 3.5, 1.5]
    assert voices.arousal.value == pytest.approx(np.corrcoef(np.array([chosen, labelled]))[0][1])


def test_pairs_are_scored_with_each_stream(result: RealCheck) -> None:
    pairs = result.pairs
    assert pairs is not None and pairs.labels == ("anger", "happiness") and pairs.draws == 3
    # Two pairs of anger and four of happiness in a draw.
    assert pairs.both.n == 3 * (2 + 4)
    # The happy face that is taken for neutral is a tie among the two labels, which anger wins; the voice decides it.
    assert pairs.voice.value == 1 == pairs.both.value and pairs.face.value == pytest.approx((1 + 3 / 4) / 2)
    assert pairs.better == "voice" and pairs.gain.value == 0


def test_requirements_and_judges(result: RealCheck) -> None:
    met = {each.name: each.is_met for each in result.requirements}
    assert met["happy or neutral, all photos"] is False and met["happy or neutral, clear photos"] is True
    assert met["UAR of voices"] is True and met["UAR lost: 12 dB louder"] is True
    assert [judge.name for judge in result.judges] == ["six", "p"]
    peer = result.judges[1].find("all")
    assert peer is not None and peer.two is not None and peer.two.value == 4 / 8
    assert {row.files: row.before.n for row in result.calibration} == {"faces": 11, "voices": 6, "pairs": 18}
    faces, voices, pairs = result.calibration
    # One changes nothing, and without a temperature of its own, a stream has none.
    assert faces.after == faces.before and voices.after is None and pairs.temperature == 2
    assert any("learned from 1 of the 3 people of the photos" in warning for warning in result.warnings)


def test_photos_of_unknown_people_are_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, dataset="puppets")
    manifest = write_faces(tmp_path / "faces")
    rows = [[f"{number}.png", row[1], "", row[3]] for number, row in enumerate(FACES)]
    write_rows(manifest, ["file", "label", "group", "source"], rows)
    found = check_real_people(weights="six", faces=manifest, split="all")
    assert any(warning.startswith("12 of 12 photos name no person") for warning in found.warnings)


def test_the_files_hold_the_result_and_name_nobody(result: RealCheck, tmp_path: Path) -> None:
    save_check(result, tmp_path)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["judges"][0]["faces"][0]["happy_or_neutral"]["value"] == 5 / 8
    assert document["schema"] == "hicmae.real-check/1"
    page = (tmp_path / "result.md").read_text()
    assert "| happy or neutral, all photos | at least 0.89 | 0.906 | 0.625 [" in page
    for text in (page, to_json(document)):
        assert not any(name in text for name in ("p5", "p8", "p11"))
    # The decisions of one weight are a peer of the next.
    lines = (tmp_path / "decisions.csv").read_text().splitlines()
    assert lines[0] == "file," + ",".join(LABELS) and len(lines) == 1 + 11 + 6


def test_the_command_prints_and_writes_the_check(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    base = ("evaluate", "--dataset", "real-check", "-w", "six")
    run = hicmae(*base, "--faces", folder / "faces", "--json", tmp_path / "r.json", "--output", tmp_path / "out")
    assert run.code == 0, run.err
    assert "must hold" in run.out and "0.625" in run.out
    assert json.loads((tmp_path / "r.json").read_text())["voices"] is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"result.json", "result.md", "decisions.csv"}
    assert hicmae(*base, "--manifest", folder, "--fold", "1").code == 2
    alone = hicmae("evaluate", "--dataset", "puppets", "--faces", folder)
    assert alone.code == 2 and "--faces: needs --dataset real-check" in alone.err
    # The help and the list of datasets do not name it.
    assert "--voices" not in hicmae("evaluate", "--help").out
    assert "real-check" not in hicmae("datasets").out


def test_what_cannot_be_checked_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(SettingsError, match="neither `faces` nor `voices`"):
        check_real_people(weights="six")
    with pytest.raises(SettingsError, match="split='half'"):
        check_real_people(weights="six", root=folder, split="half")
    with pytest.raises(SettingsError, match="speakers='99': the speakers are 11, 19"):
        check_real_people(weights="six", root=folder, speakers=["99"])
    with pytest.raises(ManifestError, match="fewer than two"):
        check_real_people(weights="six", faces=folder / "faces", split="train")
    install(monkeypatch, modality="audio")
    with pytest.raises(SettingsError, match="trained on audio only; leave out `faces`"):
        check_real_people(weights="six", root=folder)
    install(monkeypatch, labels=("anger", "happiness", "neutral"))
    with pytest.raises(WeightsError, match="no output for sadness"):
        check_real_people(weights="six", root=folder)
    install(monkeypatch, task="regression")
    with pytest.raises(WeightsError, match="regression"):
        check_real_people(weights="six", root=folder)


def test_pairs_have_the_same_label_and_repeat_the_rarer_stream() -> None:
    faces = ["happiness"] * 60 + ["anger", "disgust"]
    voices = ["anger", "anger", "anger", "happiness", "disgust"]
    pairs = draw_pairs(faces, voices)
    assert all(faces[pair.face] == voices[pair.voice] for pair in pairs)
    first = [pair for pair in pairs if pair.draw == 0]
    assert sum(faces[pair.face] == "happiness" for pair in first) == PAIRS_PER_LABEL
    assert sorted(pair.voice for pair in first if faces[pair.face] == "anger") == [0, 1, 2]
    assert pairs == draw_pairs(faces, voices)
