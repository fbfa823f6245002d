"""Windows, tracks, missing streams and bad files, with a scripted face finder and an engine worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.calibration import apply_temperature
from hicmae_cli.faces import Face
from hicmae_cli.media import Frame, MediaInfo, probe, write_video
from hicmae_cli.runtime import sources
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sources import Source
from tests.faces.fake import FakeDetector, FakeFace
from tests.runtime.stubs import ToyEngine, write_clip

LEFT = FakeFace(0.0, 100.0, (32.0, 48.0), 50.0)
RIGHT = FakeFace(0.0, 100.0, (96.0, 48.0), 40.0)


def predict(source: Source, *faces: FakeFace, **settings: object) -> FileResult:
    """Give any sound to everybody, unless told otherwise: these clips have a tone and no voice."""
    settings = {"sound": "shared", **settings}
    predictor = Predictor(ToyEngine(), PredictSettings(**settings), lambda _: FakeDetector(faces))  # type: ignore[arg-type]
    return predictor.predict(source)


def starts(result: FileResult, track: int = 1) -> list[float]:
    windows = next(t for t in result.tracks if t.id == track).windows
    return [round(w.start_s, 2) for w in windows]


def test_windows_overlap_and_reach_the_end(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 6.0), LEFT, hop_s=1.28)
    assert result.status == "ok"
    assert starts(result) == [0.0, 1.28, 2.56, 3.52]  # 38 moments of 0.16 s: the last window ends with the file
    *others, last = result.tracks[0].windows
    assert all(w.end_s - w.start_s == pytest.approx(2.56) for w in others)
    assert last.end_s == pytest.approx(6.0)  # and not 6.08, where the grid ends


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_the_frame_rate_does_not_matter(tmp_path: Path, fps: int) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 5.0, fps), LEFT)
    expected = predict(write_clip(tmp_path / "b.mp4", 5.0, 25), LEFT)
    assert starts(result) == starts(expected)
    for label, p in expected.tracks[0].scores.probabilities.items():
        assert result.tracks[0].scores.probabilities[label] == pytest.approx(p, abs=5e-3)


def test_hop_and_window_are_settings(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 6.0)
    assert starts(predict(path, LEFT, hop_s=0.64))[:3] == [0.0, 0.64, 1.28]
    long = predict(path, LEFT, window_s=5.12, hop_s=5.12)
    assert long.tracks[0].windows[0].end_s == pytest.approx(5.12)


def test_everybody_is_a_track_and_the_most_seen_is_the_main_one(tmp_path: Path) -> None:
    leaves = FakeFace(0.0, 3.0, (96.0, 48.0), 60.0)
    result = predict(write_clip(tmp_path / "a.mp4", 6.0), LEFT, leaves, hop_s=1.28)
    coverage = {t.id: t.face_coverage for t in result.tracks}
    assert sorted(coverage.values()) == pytest.approx([0.5, 1.0], abs=0.02)
    assert result.main_track is not None
    assert result.main_track.face_coverage == 1.0
    small = next(t for t in result.tracks if t.face_coverage < 0.9)
    assert small.windows[-1].face_coverage == pytest.approx(11 / 16)  # moments 8 to 18 of 8 to 23


def test_equally_seen_people_are_ranked_by_size(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 3.0), RIGHT, LEFT)
    assert result.main_track is not None
    assert result.main_track.face_size_px == max(t.face_size_px for t in result.tracks)


def test_only_the_largest_face_of_each_window_is_predicted(tmp_path: Path) -> None:
    """The person on the right comes closer and leaves: no window is judged twice, and each person keeps the track."""
    closer = FakeFace(2.56, 5.12, (96.0, 48.0), 60.0)
    result = predict(write_clip(tmp_path / "a.mp4", 7.68), LEFT, closer, faces="largest", hop_s=2.56)
    assert {track.id: starts(result, track.id) for track in result.tracks} == {1: [0.0, 5.12], 2: [2.56]}
    both = predict(write_clip(tmp_path / "b.mp4", 7.68), LEFT, closer, faces="all", hop_s=2.56)
    assert {track.id: starts(both, track.id) for track in both.tracks} == {1: [0.0, 2.56, 5.12], 2: [2.56]}


def test_without_sound_the_face_decides(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 3.0, loud=None, bright=255), LEFT)
    assert (result.status, result.tracks[0].modality) == ("ok", "video")
    assert "no audio track" in result.message
    assert result.tracks[0].scores.label == "happiness"


def test_a_silent_track_counts_as_no_sound(tmp_path: Path) -> None:
    silent = predict(write_clip(tmp_path / "a.mp4", 3.0, loud=0.0), LEFT)
    without = predict(write_clip(tmp_path / "b.mp4", 3.0, loud=None), LEFT)
    assert "silent" in silent.message
    assert silent.tracks[0].scores == without.tracks[0].scores


def test_probabilities_have_the_temperature_of_their_streams(tmp_path: Path) -> None:
    engine = ToyEngine()
    engine.info = engine.info.model_copy(update={"temperature": 9.0, "one_stream_temperatures": {"video": 2.0}})
    path = write_clip(tmp_path / "a.mp4", 2.56, loud=None, bright=255)
    plain = predict(path, LEFT).tracks[0].scores
    calibrated = Predictor(engine, detectors=lambda _: FakeDetector((LEFT,))).predict(path).tracks[0].scores
    expected = apply_temperature(np.array([list(plain.by_name.values())]), 2.0)[0]
    assert list(calibrated.by_name.values()) == pytest.approx(expected.tolist())


def test_without_a_face_the_voice_decides(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 4.0)
    result = predict(path)
    assert (result.status, result.failed) == ("no-face", False)
    assert [t.id for t in result.tracks] == [0]
    heard = predict(path, LEFT, modality="audio")
    assert heard.tracks[0].scores == result.tracks[0].scores
    assert heard.status == "ok"


def test_sound_files_give_the_same_as_their_video(tmp_path: Path) -> None:
    sound = predict(write_clip(tmp_path / "a.wav", 4.0, bright=None))
    video = predict(write_clip(tmp_path / "a.mkv", 4.0), modality="audio")
    assert sound.status == "ok"
    assert "no video" in sound.message
    assert starts(sound, 0) == starts(video, 0)
    for label, p in video.tracks[0].scores.probabilities.items():
        assert sound.tracks[0].scores.probabilities[label] == pytest.approx(p, abs=1e-3)


def test_no_face_and_no_sound_is_a_failure(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 3.0, loud=None))
    assert (result.status, result.failed) == ("no-face", True)
    assert "no face" in result.message


def test_windows_without_any_face_go_to_the_voice(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 8.0), FakeFace(0.0, 3.0, (32.0, 48.0), 50.0))
    assert {t.id for t in result.tracks} == {0, 1}
    every = sorted(w.start_s for t in result.tracks for w in t.windows)
    assert every == pytest.approx(starts(predict(tmp_path / "a.mp4", LEFT)), abs=0.01)


def test_three_frames_are_enough_for_one_window(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 3 / 25), LEFT)
    assert result.status == "ok"
    assert "shorter than a window" in result.message
    (window,) = result.tracks[0].windows
    assert window.end_s <= 0.2


@pytest.mark.parametrize("modality", ["av", "video", "audio"])
def test_insisting_on_a_stream_that_is_not_there_fails(tmp_path: Path, modality: str) -> None:
    missing_sound = write_clip(tmp_path / "a.mp4", 3.0, loud=None)
    missing_video = write_clip(tmp_path / "a.wav", 3.0, bright=None)
    result = predict(missing_video if modality == "video" else missing_sound, LEFT, modality=modality)
    assert result.status == "error"
    assert f"modality={modality!r} requires one; try modality='auto'" in result.message


def test_broken_files_are_results_not_exceptions(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        result = predict(tmp_path / name, LEFT)
        assert (result.status, result.failed) == ("error", True)
        assert name in result.message
        assert "\n" not in result.message


def test_crops_are_of_the_person(tmp_path: Path) -> None:
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[:, 64:] = 255  # dark on the left, bright on the right
    write_video(tmp_path / "a.mp4", [picture] * 75, 25, None)
    result = predict(tmp_path / "a.mp4", LEFT, RIGHT)
    happy = {round(t.face_size_px): t.scores.probabilities["happiness"] for t in result.tracks}
    assert happy[max(happy)] < happy[min(happy)]  # LEFT is the larger face


def test_sound_that_outlasts_the_picture_is_judged_to_its_end(tmp_path: Path) -> None:
    time_s = np.arange(9 * 16000) / 16000
    sound = (0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    frames = [np.full((96, 128, 3), 128, np.uint8)] * 75  # 3 s
    write_video(tmp_path / "a.mkv", frames, 25, sound)
    result = predict(tmp_path / "a.mkv", LEFT)
    assert {t.id for t in result.tracks} == {0, 1}
    assert max(w.end_s for t in result.tracks for w in t.windows) == pytest.approx(9.0, abs=0.2)
    assert result.tracks[1].face_coverage == pytest.approx(1.0)  # of what there was to see
    write_video(tmp_path / "b.mkv", frames, 25, sound[: round(3.3 * 16000)])
    assert starts(predict(tmp_path / "b.mkv", LEFT)) == starts(predict(write_clip(tmp_path / "c.mkv", 3.0), LEFT))


def test_a_file_cut_short_says_so(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", 12.0).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    result = predict(tmp_path / "cut.mkv", LEFT)
    assert result.status == "ok"
    assert "cut short: its header promises 12.0 s" in result.message


def test_a_silent_sound_is_the_reason_where_both_streams_are_asked_for(tmp_path: Path) -> None:
    result = predict(write_clip(tmp_path / "a.mp4", 3.0, loud=0.0), LEFT, modality="av")
    assert (result.status, result.failed) == ("error", True)
    assert "the sound is silent, but modality='av' requires it; try modality='auto'" in result.message
    assert "no face" not in result.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e25])
def test_samples_that_are_no_sound_do_no_harm(tmp_path: Path, value: float) -> None:
    sound = np.full(48000, 0.1, np.float32) * np.sin(np.arange(48000) / 9).astype(np.float32)
    sound[20000:20100] = value
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    assert predict(tmp_path / "a.wav").status == "ok"


def test_a_weight_of_one_stream_is_never_shown_the_other(tmp_path: Path) -> None:
    engine = ToyEngine()
    engine.info = engine.info.model_copy(update={"modality": "video"})
    path = write_clip(tmp_path / "a.mp4", 3.0)
    result = Predictor(engine, None, lambda _: FakeDetector([LEFT])).predict(path)
    assert {window.modality for window in result.tracks[0].windows} == {"video"}
    with pytest.raises(
        SettingsError, match="modality='av': the weight was trained on video only; use modality='video'"
    ):
        Predictor(engine, PredictSettings(modality="av"))


def test_a_file_is_probed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probed: list[Path] = []

    def count(path: Path, on_packet: Callable[[], None]) -> MediaInfo:
        probed.append(path)
        return probe(path, on_packet)

    monkeypatch.setattr(sources, "probe", count)
    path = write_clip(tmp_path / "a.mp4", 3.0)
    assert predict(path, LEFT).status == "ok"
    assert probed == [path]


def test_a_length_that_is_not_there_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", 3.0)
    claimed = replace(probe(path), duration_s=90.0, video_duration_s=90.0)
    monkeypatch.setattr(sources, "probe", lambda *_: claimed)
    result = predict(path, LEFT)
    assert (result.status, result.duration_s, result.fps) == ("ok", None, None)
    assert "its timestamps claim 90.0 s of pictures, 3.0 s were read" in result.message
    assert max(window.end_s for window in result.tracks[0].windows) < 4


def test_windows_keep_the_boxes_of_their_faces(tmp_path: Path) -> None:
    moving = replace(LEFT, end_s=2.0, velocity_px_s=(8.0, 0.0))
    result = predict(write_clip(tmp_path / "a.mp4", 6.0), moving, hop_s=1.28)
    assert (result.width_px, result.height_px) == (128, 96)
    voice, person = result.tracks
    first, *_ = person.windows
    times_s = [box.time_s for box in first.boxes]
    assert times_s == pytest.approx([0.16 * k for k in range(13)])  # the 13 moments before it leaves
    for box in first.boxes:
        left, top, right, bottom = moving.at(box.time_s).box_px
        assert (box.x_px, box.y_px) == pytest.approx((left, top))
        assert (box.width_px, box.height_px) == pytest.approx((right - left, bottom - top))
    for window in person.windows:
        assert len(window.boxes) / 16 == window.face_coverage
        assert all(window.start_s <= box.time_s < window.end_s for box in window.boxes)
    assert all(window.boxes == () for window in voice.windows)


def test_a_short_file_has_each_box_once(tmp_path: Path) -> None:
    (window,) = predict(write_clip(tmp_path / "a.mp4", 0.6), LEFT).tracks[0].windows
    assert [box.time_s for box in window.boxes] == pytest.approx([0.0, 0.16, 0.32, 0.48])


def test_a_picture_that_stays_is_predicted_once_and_has_boxes_at_every_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [np.full((96, 128, 3), 128, np.uint8)] * 8, 1, None)

    class PatientDetector(FakeDetector):
        """Gives the same list for the same array, as `FaceFinder` does."""

        seen: tuple[object, list[Face]] = (None, [])

        def detect(self, frame: Frame) -> list[Face]:
            if frame.rgb is not self.seen[0]:
                self.seen = frame.rgb, super().detect(frame)
            return self.seen[1]

    engine = ToyEngine()
    result = Predictor(engine, PredictSettings(hop_s=0.16), lambda _: PatientDetector([LEFT])).predict(path)
    assert sum(engine.batches) == 1
    windows = result.tracks[0].windows
    assert len(windows) == 35
    assert [w.boxes[0].time_s for w in windows] == pytest.approx([w.start_s for w in windows])


def test_pictures_that_change_change_the_scores(tmp_path: Path) -> None:
    pictures = [np.full((96, 128, 3), 20 + index, np.uint8) for index in range(200)]
    write_video(tmp_path / "a.mp4", pictures, 25, None)
    windows = predict(tmp_path / "a.mp4", LEFT).tracks[0].windows
    happy = [window.scores.by_name["happiness"] for window in windows]
    assert np.diff(happy).min() > -0.01 and happy[-1] > happy[0] + 0.3


def test_a_regression_gives_values_and_their_mean(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 6.0, bright=255)
    result = Predictor(
        ToyEngine("regression"), PredictSettings(sound="shared"), lambda _: FakeDetector([LEFT])
    ).predict(path)
    assert (result.status, result.tracks[0].scores.label) == ("ok", None)
    values = result.tracks[0].scores.values
    assert values["happiness"] > 2 and values["anger"] < -0.1  # far outside of 0..1, and not clipped
    for name, mean in values.items():
        assert mean == pytest.approx(np.mean([window.scores.values[name] for window in result.tracks[0].windows]))


def test_a_part_of_a_file_is_predicted_as_within_the_whole(tmp_path: Path) -> None:
    pictures = (np.full((96, 128, 3), 10 * second, np.uint8) for second in range(9) for _ in range(25))
    time_s = np.arange(9 * 16000) / 16000
    write_video(tmp_path / "a.mkv", pictures, 25, (0.03 * time_s * np.sin(2000 * time_s)).astype(np.float32))
    whole = {round(w.start_s, 2): w for w in predict(tmp_path / "a.mkv", LEFT).tracks[0].windows}
    part = predict(tmp_path / "a.mkv", LEFT, start_s=1.28, end_s=6.4)
    assert part.duration_s == pytest.approx(9.0)  # of the file
    assert starts(part) == [1.28, 1.92, 2.56, 3.2, 3.84]
    for window in part.tracks[0].windows:
        same = whole[round(window.start_s, 2)]
        assert window.scores.by_name == pytest.approx(same.scores.by_name, abs=1e-6)
        assert [box.to_list() for box in window.boxes] == [box.to_list() for box in same.boxes]
        assert window.end_s == pytest.approx(same.end_s)
    sound = predict(tmp_path / "a.mkv", modality="audio", start_s=1.28, end_s=6.4)
    assert starts(sound, 0) == starts(part)
    short = predict(tmp_path / "a.mkv", LEFT, start_s=2.0, end_s=2.5)
    (window,) = short.tracks[0].windows
    assert (window.start_s, window.end_s) == (2.0, 2.5)
    late = predict(tmp_path / "a.mkv", LEFT, start_s=20.0)
    assert (late.status, late.message) == (
        "error",
        f"{tmp_path / 'a.mkv'}: start_s=20.0 is after its end; it has 9.0 seconds",
    )


@pytest.mark.parametrize(("step_s", "window_s"), [(None, 2.56), (0.08, 1.28), (1 / 3, 16 / 3)])
def test_the_window_is_that_of_the_weights_training(tmp_path: Path, step_s: float | None, window_s: float) -> None:
    """A weight that counted every fourth frame at 50 or 12 frames/s learned from windows of 1.28 or 5.33 s."""
    path = write_clip(tmp_path / "a.mp4", 6.0)
    engine = ToyEngine()
    engine.info = engine.info.model_copy(update={"frame_step_s": step_s})
    predictor = Predictor(engine, None, lambda _: FakeDetector((LEFT,)))
    assert predictor.settings.window_s == pytest.approx(window_s)
    assert predictor.settings.hop_s == pytest.approx(window_s / 4)
    first = predictor.predict(path).tracks[0].windows[0]
    assert first.end_s == pytest.approx(window_s)
    assert len({box.time_s for box in first.boxes}) == 16
    assert np.diff([box.time_s for box in first.boxes]) == pytest.approx(step_s or 0.16)
    given = Predictor(engine, PredictSettings(window_s=2.0, hop_s=1.0), lambda _: FakeDetector((LEFT,)))
    assert (given.settings.window_s, given.settings.hop_s) == (2.0, 1.0)


def test_a_longer_window_of_the_training_gets_the_sound_from_its_start() -> None:
    """Two seconds of a tone, then silence: the middle of a window of 5.33 s has little of it."""
    samples = np.concatenate([0.3 * np.sin(np.arange(32000) / 9), np.zeros(64000)]).astype(np.float32)
    rows = {}
    for step_s, window_s in ((0.16, None), (1 / 3, None), (0.16, 16 / 3)):
        engine = ToyEngine()
        engine.info = engine.info.model_copy(update={"frame_step_s": step_s})
        result = Predictor(engine, PredictSettings(window_s=window_s, sound="shared")).predict(
            {"samples": samples, "sample_rate_hz": 16000}
        )
        rows[step_s, window_s] = result.tracks[0].windows[0].scores.probabilities
    assert rows[1 / 3, None] == pytest.approx(rows[0.16, None])
    assert rows[0.16, 16 / 3]["anger"] < rows[0.16, None]["anger"] - 0.01


class FeatureEngine(ToyEngine):
    """The features are the brightness and the loudness."""

    def features(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([video.mean(axis=(1, 2, 3, 4)), audio.mean(axis=(1, 2, 3))], axis=1).astype(np.float32)


def test_features_are_those_of_each_window_and_survive_the_document(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 4.0)
    settings = PredictSettings(sound="shared", features=True)
    result = Predictor(FeatureEngine(), settings, lambda _: FakeDetector((LEFT,))).predict(path)
    for each in result.tracks[0].windows:
        bright, loud = each.features
        scores = {name: np.log(each.scores.by_name[name]) for name in ("anger", "happiness", "neutral")}
        assert loud == pytest.approx(scores["anger"] - scores["neutral"], abs=1e-5)
        assert bright == pytest.approx(scores["happiness"] - scores["neutral"], abs=1e-5)
    again = FileResult.from_dict(result.to_dict())
    assert [w.features for w in again.tracks[0].windows] == [
        pytest.approx(w.features, abs=1e-4) for w in result.tracks[0].windows
    ]
    plain = predict(path, LEFT)
    assert all("features" not in w.to_dict() for w in plain.tracks[0].windows)


def test_features_need_an_engine_that_has_them() -> None:
    with pytest.raises(SettingsError, match="features: the onnx engine has none; use engine='torch'"):
        Predictor(ToyEngine(), PredictSettings(features=True))
