"""Datasets without pictures: their sound becomes 16 kHz WAV files, with the journal and checks of all others."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hicmae_cli.clips.prepared import read_prepared_clip
from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.media import read_audio
from hicmae_cli.preparing.check import check
from hicmae_cli.preparing.dataset import prepare
from hicmae_cli.preparing.jobs import Event
from tests.corpora.toys import files_of, tone

EMODB = DATASETS["emodb"]


def make_corpus(root: Path, count: int = 3) -> Dataset:
    """One sound for each of the first speakers, 0.5 s."""
    (root / "wav").mkdir(parents=True)
    for speaker in EMODB.folds[:count]:
        soundfile.write(root / "wav" / f"{speaker}a01Wa.wav", tone(0.5), 16_000, subtype="PCM_16")
    return replace(EMODB, folds=EMODB.folds[:count])


def test_sound_is_kept_and_nothing_is_done_twice(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    events: list[Event] = []
    done = prepare(corpus, tmp_path, workers=0, on_item=events.append)
    store = tmp_path / "prepared"
    assert (done.prepared, done.skipped, done.sheet, done.to_dict()["sheet"]) == (3, (), None, None)
    assert "faces" not in str(done)
    with done.manifest.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["audio"], row["face_coverage"]) for row in rows] == [
        ("", f"clips/{speaker}a01Wa.wav", "") for speaker in corpus.folds
    ]
    clip = read_prepared_clip(None, store / rows[0]["audio"])
    assert clip.frames is None
    assert clip.samples is not None
    assert float(np.abs(clip.samples - read_audio(tmp_path / "wav" / "03a01Wa.wav")).max()) < 1.5 / 32768

    before = files_of(store)
    prepare(corpus, tmp_path, workers=0, on_item=events.append)
    assert files_of(store) == before
    assert events == ["done"] * 3 + ["kept"] * 3
    report = check(corpus, tmp_path, workers=0)
    assert (report.is_good, report.examined, report.gaps, report.low_coverage) == (True, 0, (), ())


def test_other_rates_are_resampled(tmp_path: Path) -> None:
    make_corpus(tmp_path, 1)
    beat = np.sin(np.arange(22_050) * 2 * np.pi * 200 / 44_100)
    soundfile.write(tmp_path / "wav" / "03a01Wa.wav", np.stack([beat, beat], axis=1), 44_100)
    prepare(EMODB, tmp_path, workers=0)
    info = soundfile.info(tmp_path / "prepared" / "clips" / "03a01Wa.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    assert info.duration == pytest.approx(0.5, abs=0.01)


def test_broken_sounds_are_skipped_and_named(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, 4)
    sounds = [tmp_path / "wav" / f"{speaker}a01Wa.wav" for speaker in corpus.folds]
    sounds[1].write_bytes(b"no sound")
    soundfile.write(sounds[2], tone(0.1), 16_000)
    soundfile.write(sounds[3], np.zeros(8000), 16_000)
    examined = check(corpus, tmp_path, workers=0)
    assert [remark.id for remark in examined.broken] == ["08a01Wa", "09a01Wa"]
    assert [remark.id for remark in examined.silent] == ["10a01Wa"]
    done = prepare(corpus, tmp_path, workers=0)
    assert [(item.id, item.fault) for item in done.skipped] == [("08a01Wa", "unreadable"), ("09a01Wa", "short")]
    assert "0.10 s of sound; a clip needs at least 0.16 s" in done.skipped[1].cause
    assert sorted(path.stem for path in (tmp_path / "prepared" / "clips").iterdir()) == ["03a01Wa", "10a01Wa"]
    assert replace(done.report, examined=examined.examined) == examined


def test_pictures_are_refused(tmp_path: Path) -> None:
    make_corpus(tmp_path, 1)
    with pytest.raises(SettingsError, match="emodb has no pictures, only sound"):
        prepare(EMODB, tmp_path, frames=tmp_path, workers=0)
    with pytest.raises(SettingsError, match="keep_people='all': emodb has no pictures"):
        prepare(EMODB, tmp_path, keep_people="all", workers=0)
    for path in (tmp_path / "wav").iterdir():
        path.unlink()
    with pytest.raises(ManifestError, match="no items"):
        prepare(EMODB, tmp_path, workers=0)


def test_annotated_parts_of_a_sound(tmp_path: Path) -> None:
    """Each interval of a TextGrid becomes the sound of its time; one that ends after the file is shorter."""
    sound = np.concatenate([tone(1.0) * level for level in (0.2, 0.4, 0.8)])
    soundfile.write(tmp_path / "talk.wav", sound, 16_000, subtype="PCM_16")
    rows = ['"ooTextFile" "TextGrid" 0 9 <exists> 1 "IntervalTier" "anna" 0 9 3', '0 1 "fear"', '1 2 "anger"']
    (tmp_path / "talk.TextGrid").write_text("\n".join([*rows, '2.5 9 "calm"']))
    done = prepare("annotations", tmp_path, workers=0)
    assert done.prepared == 3
    assert prepare("annotations", tmp_path, workers=0).prepared == 3
    levels = {}
    for row in csv.DictReader(done.manifest.open(encoding="utf-8")):
        samples = read_audio(done.manifest.parent / row["audio"])
        levels[row["label"]] = (len(samples) / 16_000, float(np.abs(samples).mean() / np.abs(tone(1.0)).mean()))
    assert levels["fear"] == pytest.approx((1.0, 0.2), rel=0.02)
    assert levels["anger"] == pytest.approx((1.0, 0.4), rel=0.02)
    assert levels["calm"] == pytest.approx((0.5, 0.8), rel=0.02)
