"""The overlay, read back with PyAV: what browsers play, with the times and the sound of the file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hicmae_cli.errors import MediaError
from hicmae_cli.media import read_audio, read_frames
from hicmae_cli.report.formats import explain_missing, find_formats, write_prediction
from hicmae_cli.report.html.markup import Scale
from hicmae_cli.report.html.pictures import read_pictures
from hicmae_cli.report.overlay_drawing import Overlay
from hicmae_cli.report.overlay_writer import write_overlay
from hicmae_cli.report.palette import COLOURS, to_rgb
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.media.make import click_times_s, clicks, make_video
from tests.report.toys import HOSTILE_NAMES, prediction, regression
from tests.runtime.stubs import LABELS, TOY_MODEL, track, voice, write_clip

SIZE_PX = 320, 240


def person(number: int, x_px: float, y_px: float, *, speaker: str | None = None, name: str = "") -> Track:
    """Somebody who stands still for 3 s, seen every 0.16 s."""
    boxes = tuple(FaceBox(round(at * 0.16, 2), x_px, y_px, 40.0, 50.0) for at in range(18))
    scores = Scores.of(LABELS, np.array([0.1, 0.7, 0.2]))
    return Track(number, (Window(0.0, 3.0, scores, 1.0, "av", boxes, None, speaker),), 1.0, 50.0, name)


def made_of(path: Path, *tracks: Track, settings: PredictSettings | None = None) -> Prediction:
    file = FileResult(path, "ok", "", 3.0, 25.0, tracks, path.stat().st_size, None, *SIZE_PX)
    return Prediction(TOY_MODEL, settings or PredictSettings(), (file,))


def test_it_plays_everywhere_and_keeps_times_and_sound(tmp_path: Path) -> None:
    """A video of variable rate that is stored turned, with stereo sound."""
    times_s = [0.0, 0.04, 0.2, 0.24, 1.0, 1.1, 2.5]
    rate_hz = 48_000
    source = make_video(
        tmp_path / "a.mkv",
        [np.full((SIZE_PX[0], SIZE_PX[1], 3), 100, np.uint8)] * len(times_s),
        times_s,
        rotation_deg=90,
        audio=clicks([0.5, 2.0], 2.9, rate_hz, 2),
        audio_rate_hz=rate_hz,
        audio_layout="stereo",
        audio_codec="pcm_s16le",
    )
    path = tmp_path / "a.overlay.mp4"
    write_overlay(made_of(source, person(1, 100.0, 80.0)), path)
    with av.open(path) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (audio.codec_context.name, audio.codec_context.sample_rate, audio.channels) == ("aac", rate_hz, 2)
        assert (video.width, video.height) == (640, 480)
    assert [frame.time_s for frame in read_frames(path)] == pytest.approx(times_s, abs=1e-3)
    assert click_times_s(read_audio(path)) == pytest.approx([0.5, 2.0], abs=0.003)
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat"), "a browser needs the index first"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mkv", "a.overlay.mp4"]


def test_the_box_is_around_the_face_and_has_the_colour_of_the_label(tmp_path: Path) -> None:
    whole = made_of(write_clip(tmp_path / "a.mkv", 0.2), person(1, 100.0, 80.0))
    picture = np.full((480, 640, 3), 100, np.uint8)
    Overlay(whole.files[0], whole.settings, "", 640, 480).draw(picture, 1.0)
    assert tuple(picture[200, 200]) == to_rgb(COLOURS["happiness"].dark)
    assert (picture[165:255, 210:270] == 100).all(), "the face itself stays free"
    (columns,) = np.nonzero((picture[200] != 100).any(axis=1))
    assert columns.min() >= 195


def test_panels_leave_all_faces_free(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 0.2)
    whole = made_of(path, person(1, 80.0, 80.0), person(2, 140.0, 80.0), person(3, 110.0, 10.0))
    picture = np.full((480, 640, 3), 100, np.uint8)
    Overlay(whole.files[0], whole.settings, "", 640, 480).draw(picture, 1.0)
    for x_px, y_px in ((80, 80), (140, 80), (110, 10)):
        inside = picture[2 * y_px + 6 : 2 * y_px + 94, 2 * x_px + 6 : 2 * x_px + 74]
        assert (inside == 100).all(), (x_px, y_px)


def test_a_speaker_is_marked(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 0.2)
    pictures = {}
    for answer in (None, "no", "unsure", "yes"):
        whole = made_of(path, person(1, 100.0, 80.0, speaker=answer))
        pictures[answer] = np.full((480, 640, 3), 100, np.uint8)
        Overlay(whole.files[0], whole.settings, "", 640, 480).draw(pictures[answer], 1.0)
    assert (pictures[None] == pictures["no"]).all()
    assert (pictures["yes"] != pictures["no"]).any() and (pictures["yes"] != pictures["unsure"]).any()


def test_nothing_is_drawn_where_nobody_is(tmp_path: Path) -> None:
    whole = made_of(write_clip(tmp_path / "a.mkv", 0.2), person(1, 100.0, 80.0))
    overlay = Overlay(whole.files[0], whole.settings, "", 640, 480)
    for time_s in (3.5, 2.99):  # after the last window; 0.27 s after the last picture with the face
        picture = np.full((480, 640, 3), 100, np.uint8)
        overlay.draw(picture, time_s)
        assert (picture[:440] == 100).all()


def test_a_part_of_a_file_and_pictures_of_any_size(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 3.0)
    settings = PredictSettings(start_s=1.0, end_s=2.0)
    out = tmp_path / "b.mp4"
    write_overlay(made_of(path, person(1, 100.0, 80.0), settings=settings), out)
    with av.open(out) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
    assert len(read_audio(out)) == pytest.approx(16_000, abs=1100)  # AAC pads its last frame


def test_a_sound_gets_a_plain_picture(tmp_path: Path) -> None:
    path = voice(tmp_path / "a.wav")
    whole = Prediction(
        TOY_MODEL, PredictSettings(), (FileResult(path, "ok", "", 3.0, None, (track(0, modality="audio"),)),)
    )
    write_overlay(whole, tmp_path / "a.mp4")
    frames = list(read_frames(tmp_path / "a.mp4"))
    assert len(frames) == 26 and frames[-1].time_s == pytest.approx(2.5)
    assert np.ptp(frames[0].rgb[:60, :60].astype(int)) > 100


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_any_name_is_drawn(tmp_path: Path, name: str) -> None:
    whole = made_of(write_clip(tmp_path / "a.mkv", 0.2), person(1, 100.0, 80.0, name=name))
    bad = FaceBox(1.0, float("nan"), float("inf"), 1e300, -5.0)
    window = whole.files[0].tracks[0].windows[0]
    broken = replace(whole.files[0].tracks[0], windows=(replace(window, boxes=(bad, *window.boxes)),))
    picture = np.full((480, 640, 3), 100, np.uint8)
    Overlay(replace(whole.files[0], tracks=(broken,)), whole.settings, name, 640, 480).draw(picture, 1.0)
    assert (picture != 100).any()


def test_values_are_drawn(tmp_path: Path) -> None:
    (file,) = regression().files
    window = replace(file.tracks[0].windows[0], boxes=(FaceBox(0.0, 100.0, 80.0, 40.0, 50.0),))
    shown = replace(file, tracks=(replace(file.tracks[0], windows=(window,)),), width_px=320, height_px=240)
    picture = np.full((480, 640, 3), 100, np.uint8)
    Overlay(shown, PredictSettings(), "", 640, 480).draw(picture, 0.1)
    assert (picture[:440] != 100).any()


def test_an_input_that_is_gone_gets_no_file(tmp_path: Path) -> None:
    whole = prediction(track(1), path=str(tmp_path / "gone.mp4"))
    formats = find_formats(["overlay"])
    assert write_prediction(whole, tmp_path / "out", formats) == ()
    assert explain_missing(whole, formats) == ("no overlay file for 1 input: the file is not where it was",)


def test_a_changed_input_gets_no_file_and_no_faces(tmp_path: Path) -> None:
    """Old boxes on other pictures would be wrong; the report makes the same check."""
    path = write_clip(tmp_path / "a.mkv", 0.2)
    whole, formats = made_of(path, person(1, 100.0, 80.0)), find_formats(["overlay"])
    assert read_pictures(whole.files[0], Scale(0.0, 3.0)).missing == "" and explain_missing(whole, formats) == ()
    path.write_bytes(path.read_bytes() + b"more")
    assert write_prediction(whole, tmp_path / "out", formats) == ()
    why = "the file has changed since the prediction"
    assert explain_missing(whole, formats) == (f"no overlay file for 1 input: {why}",)
    assert read_pictures(whole.files[0], Scale(0.0, 3.0)).missing.startswith(f"{why}, so there are no faces")


def test_an_unreadable_input_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"not a video")
    with pytest.raises(MediaError):
        write_overlay(made_of(path, person(1, 1.0, 1.0)), tmp_path / "b.mp4")
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


def test_rate_of_the_last_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 0.2, fps=10, loud=None)
    whole = made_of(path, person(1, 10.0, 10.0))
    write_overlay(replace(whole, files=(replace(whole.files[0], fps=10.0),)), tmp_path / "b.mp4")
    with av.open(tmp_path / "b.mp4") as container:
        (video,) = container.streams.video
        assert video.duration is not None and video.time_base is not None
        assert video.duration * video.time_base == Fraction(1, 5)
        assert not container.streams.audio
