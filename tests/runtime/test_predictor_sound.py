"""Who gets the sound of a window: who speaks, everybody, or nobody."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.runtime import reading
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.sources import Arrays
from hicmae_cli.runtime.speech import NOBODY, UNSURE
from tests.runtime.stubs import talk
from tests.runtime.test_predictor import LEFT, RIGHT, predict, starts


def scene(seconds: float, samples: np.ndarray) -> Arrays:
    """Grey pictures, in which no mouth can be read, with some sound."""
    return Arrays(
        frames=np.full((round(seconds * 25), 96, 128, 3), 128, np.uint8),
        times_s=np.arange(round(seconds * 25)) / 25,
        samples=samples,
        sample_rate_hz=16000,
    )


def test_a_sound_without_a_voice_is_not_judged_as_one() -> None:
    hum = (0.1 * np.sin(np.arange(80000) / 9)).astype(np.float32)
    result = predict(scene(5.0, hum), LEFT, sound="speaker")
    assert (result.status, result.message) == ("ok", "no voice was heard: only the face was used")
    windows = result.tracks[0].windows
    assert {(w.modality, w.voice, w.speaker) for w in windows} == {("video", 0.0, "no")}
    alone = predict({"samples": hum, "sample_rate_hz": 16000}, sound="speaker")
    assert alone.status == "error" and alone.message.startswith("nothing to predict from; no voice was heard; ")
    assert "try sound='shared'" in alone.message
    shared = predict(scene(5.0, hum), LEFT)
    assert {(w.modality, w.voice, w.speaker) for w in shared.tracks[0].windows} == {("av", None, None)}


def test_who_may_speak_gets_the_voice_only_if_nobody_else_may() -> None:
    heard = scene(5.0, talk(5.0))
    alone = predict(heard, LEFT, sound="speaker")
    assert {(w.modality, w.speaker) for w in alone.tracks[0].windows} == {("av", "unsure")}
    assert all(0.4 < (w.voice or 0) <= 1 for w in alone.tracks[0].windows)
    both = predict(heard, LEFT, RIGHT, sound="speaker")
    assert [{(w.modality, w.speaker) for w in t.windows} for t in both.tracks] == [{("video", "unsure")}] * 2
    assert starts(both) == starts(predict(heard, LEFT))  # windows wait for what follows them, and none is lost
    strict = predict(heard, LEFT, RIGHT, sound="speaker", modality="av")
    assert strict.status == "error"


def test_a_voice_without_a_face_has_its_share_and_nobody_to_test() -> None:
    silence = np.zeros(64000, np.float32)
    result = predict(scene(8.0, np.concatenate([talk(4.0), silence])), sound="speaker")
    windows = result.tracks[0].windows
    assert {(w.modality, w.speaker) for w in windows} == {("audio", None)}
    assert windows[0].voice is not None and windows[0].voice > 0.4
    assert windows[-1].start_s < 4.0  # later ones have no voice


def test_a_shared_sound_costs_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SpeakerFinder", None)
    assert predict(scene(3.0, talk(3.0)), LEFT).tracks[0].windows[0].modality == "av"
    assert predict(scene(3.0, talk(3.0)), LEFT, sound="speaker", modality="video").tracks[0].windows[0].voice is None


def test_speech_is_the_voice_with_who_speaks() -> None:
    silence = np.zeros(32000, np.float32)
    heard = scene(9.0, np.concatenate([silence, talk(4.0), silence, silence[:16000]]))
    alone = predict(heard, LEFT, sound="speaker")
    assert alone.speech and {each.speaker for each in alone.speech} == {UNSURE}
    assert alone.speech[0].start_s >= 2.0 and alone.speech[-1].end_s <= 6.5
    spoken_s = sum(each.end_s - each.start_s for each in alone.speech)
    assert 3.0 < spoken_s <= 4.5
    # Nobody is in view, but pictures were looked at: the voice is off-screen.
    empty = predict(heard, sound="speaker")
    assert empty.speech and {each.speaker for each in empty.speech} == {NOBODY}
    assert sum(each.end_s - each.start_s for each in empty.speech) == pytest.approx(spoken_s)
    part = predict(heard, LEFT, sound="speaker", start_s=3.1, end_s=5.0)
    assert part.speech and part.speech[0].start_s >= 3.1 and part.speech[-1].end_s <= 5.0
    assert FileResult.from_dict(part.to_dict()).speech == part.speech


def test_speech_is_not_known_where_nobody_looked() -> None:
    samples = talk(4.0)
    for result in (
        predict(scene(4.0, samples), LEFT),
        predict(scene(4.0, samples), LEFT, sound="speaker", modality="audio"),
        predict(scene(4.0, samples), LEFT, sound="speaker", modality="video"),
        predict({"samples": samples, "sample_rate_hz": 16000}, sound="speaker"),
    ):
        assert result.speech is None and "speech" not in result.to_dict()
    quiet = predict(scene(4.0, np.zeros(64000, np.float32)), LEFT, sound="speaker")
    assert quiet.speech == () and quiet.to_dict()["speech"] == []
