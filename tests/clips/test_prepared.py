from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.clips import PreparedClip, prepared, read_prepared_clip, select_evaluation_views, write_prepared_clip
from hicmae_cli.clips.prepared import read_face
from hicmae_cli.errors import MediaError
from hicmae_cli.media import Frame, Stills, read_frames, write_video


def smooth_faces(count: int) -> np.ndarray:
    """Pictures that survive JPEG: (count, 160, 160, 3) uint8 ramps, each of another brightness."""
    ramp = np.linspace(0, 120, 160)
    face = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 60.0), axis=2)
    return np.stack([face + 5 * i for i in range(count)]).astype(np.uint8)


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 16000)) / 16000)).astype(np.float32)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    faces, samples = smooth_faces(20), tone(2)
    write_prepared_clip(tmp_path / "clip.mkv", faces, 10, samples)
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv").decode_all()
    assert isinstance(clip.frames, np.ndarray)
    assert np.abs(clip.frames.astype(int) - faces).mean() < 2
    assert clip.samples is not None
    np.testing.assert_allclose(clip.samples, samples, atol=1e-3)


@pytest.mark.parametrize("kind", ["mkv", "film", "folder"])
def test_frames_asked_for_are_those_of_the_whole_clip(tmp_path: Path, kind: str) -> None:
    faces, path = smooth_faces(40), tmp_path / "clip.mkv"
    if kind == "folder":
        path = tmp_path / "clip"
        path.mkdir()
        for index, face in enumerate(faces):
            Image.fromarray(face).save(path / f"{index:05d}.png")
    else:
        write_video(path, faces, 10, tone(4), video_codec="mjpeg" if kind == "mkv" else "libx264")
    clip = read_prepared_clip(path, None if kind == "folder" else path)
    whole = clip.decode_all()
    assert isinstance(whole.frames, np.ndarray)
    assert whole.num_frames == clip.num_frames == 40
    assert whole.num_samples == clip.num_samples
    assert whole.decode_all() is whole
    if kind != "folder":
        assert np.array_equal(whole.frames, [frame.rgb for frame in read_frames(path)])
    assert isinstance(clip.frames, {"mkv": Stills, "film": np.ndarray, "folder": tuple}[kind])
    for view in select_evaluation_views(40, clip.num_samples, 2):
        seen = clip.decode_faces(view)
        assert seen is not None and np.array_equal(seen, whole.frames[list(view.frames)])


def test_pictures_of_several_sizes_are_refused(tmp_path: Path) -> None:
    for index in range(20):
        side = 40 if index == 7 else 64
        Image.fromarray(np.zeros((side, 64, 3), np.uint8)).save(tmp_path / f"{index:05d}.png")
    clip = read_prepared_clip(tmp_path, None)
    message = r"00007\.png: is 64 x 40 but 00000\.png is 64 x 64; .* one size"
    with pytest.raises(MediaError, match=message):
        clip.read_evaluation_clips(1)
    with pytest.raises(MediaError, match=message):
        clip.decode_all()


def test_a_clip_without_sound_counts_as_silent(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "clip.mkv", smooth_faces(20), 10, None)
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv")
    assert clip.samples is None
    assert all(view.audio is None and view.video is not None for view in clip.read_evaluation_clips(1))


def test_sound_alone_is_a_clip(tmp_path: Path) -> None:
    clip = PreparedClip(None, tone(4))
    assert clip.num_frames == 100  # at the 25 frames/s that stand for time
    views = clip.read_evaluation_clips(4)
    assert all(view.video is None and view.audio is not None for view in views)
    with pytest.raises(ValueError, match="neither"):
        PreparedClip(None, None)


def test_a_folder_of_faces_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for index, name in enumerate(["00003.jpg", "00001.png", "00002.jpeg"]):
        Image.fromarray(np.full((40, 30, 3), 50 * (index + 1), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a face")
    clip = read_prepared_clip(tmp_path, None)
    assert clip.num_frames == 3
    view = clip.read_evaluation_clips(1)[0]
    assert view.video is not None and view.video.shape == (16, 160, 160, 3)
    shades = {round(float(face.mean()), -1) for face in view.video}
    assert shades == {50, 100, 150}
    assert view.video[0].mean() == pytest.approx(100, abs=1)


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_stream_that_is_not_used_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str) -> None:
    write_prepared_clip(tmp_path / "clip.mkv", smooth_faces(20), 10, tone(2))
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv")
    whole = clip.read_evaluation_clips(1)
    unused = "_decode" if modality == "audio" else "compute_log_mel"
    monkeypatch.setattr(prepared, unused, lambda *_, **__: pytest.fail("it was read"))
    for alone, both in zip(clip.read_evaluation_clips(1, modality), whole, strict=True):
        assert (alone.video is None, alone.audio is None) == (modality == "audio", modality == "video")
        np.testing.assert_array_equal(getattr(alone, modality), getattr(both, modality))


def test_the_other_stream_is_read_where_the_used_one_is_missing() -> None:
    deaf, blind = PreparedClip(smooth_faces(20), None), PreparedClip(None, tone(2))
    assert deaf.read_evaluation_clips(1, "audio")[0].modality == "video"
    assert blind.read_evaluation_clips(1, "video")[0].modality == "audio"


def test_views_that_fall_together_are_decoded_once() -> None:
    views = PreparedClip(smooth_faces(16), tone(2.56)).read_evaluation_clips(1)
    assert len({id(view) for view in views}) < len(views)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"0\.png"):
        read_face(tmp_path / "0.png")


def test_a_folder_without_faces_and_a_missing_clip_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="without face frames"):
        read_prepared_clip(tmp_path, None)
    with pytest.raises(MediaError, match="gone"):
        read_prepared_clip(tmp_path / "gone.mkv", None)


def test_a_raw_video_is_not_taken_for_a_prepared_clip(sample: Path) -> None:
    with pytest.raises(MediaError, match="not a prepared clip of 160 x 160 aligned faces"):
        read_prepared_clip(sample, sample)


def test_time_comes_from_the_timestamps_of_the_file(tmp_path: Path) -> None:
    """Every fourth frame of this clip would be 0.08 s after the one before, and later 0.4 s."""
    times_s = [*(0.02 * np.arange(100)), *(2 + 0.1 * np.arange(20))]
    faces = [
        Frame(float(time_s), face) for time_s, face in zip(times_s, np.repeat(smooth_faces(24), 5, 0), strict=True)
    ]
    write_video(tmp_path / "clip.mkv", faces, 10, tone(4), video_codec="mjpeg")
    write_prepared_clip(tmp_path / "even.mkv", smooth_faces(20), Fraction(30000, 1001), None)
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv")
    assert isinstance(clip.frames, Stills)
    np.testing.assert_allclose(clip.times_s, times_s, atol=1e-3)
    np.testing.assert_allclose(clip.decode_all().times_s, clip.times_s)
    assert clip.length_s == 4.0  # of the sound; the pictures end within a step of it
    first, last = clip.select_evaluation_views(None)
    assert first.frames[:13] == tuple(range(0, 97, 8))
    np.testing.assert_allclose(np.array(times_s)[list(last.frames)], 1.44 + 0.16 * np.arange(16), atol=0.051)
    even = read_prepared_clip(tmp_path / "even.mkv", None)
    assert even.frame_s == pytest.approx(1001 / 30000, abs=1e-4)
    assert even.length_s == pytest.approx(20 * 1001 / 30000, abs=1e-3)


def test_pictures_without_timestamps_last_as_long_as_their_sound() -> None:
    assert PreparedClip(smooth_faces(20), tone(2)).frame_s == pytest.approx(0.1)
    assert PreparedClip(smooth_faces(20), None).frame_s == pytest.approx(1 / 25)
    assert PreparedClip(smooth_faces(2), tone(5)).frame_s == pytest.approx(1 / 25)  # no camera is that slow
    assert PreparedClip(None, tone(4)).length_s == pytest.approx(4.0)


def test_a_training_view_by_time_is_drawn_from_the_whole_clip() -> None:
    clip = PreparedClip(smooth_faces(40), tone(4))
    views = [clip.draw_training_view(None, np.random.default_rng(seed)) for seed in range(20)]
    assert len({view.audio_start for view in views}) == 20
    assert all(view.audio_end - view.audio_start == 40960 for view in views)


def put_still(path: Path, size: int = 160) -> Path:
    Image.fromarray(smooth_faces(1)[0]).resize((size, size)).save(path)
    return path


def test_a_picture_is_a_still_that_moves(tmp_path: Path) -> None:
    clip = read_prepared_clip(put_still(tmp_path / "a.png"), None)
    assert (clip.is_still, clip.num_frames, clip.num_samples) == (True, 1, 0)
    for stride in (4, None):
        first, second = clip.read_evaluation_clips(stride)
        assert first is second and first.audio is None and first.video is not None
        assert all(not np.array_equal(one, other) for one, other in pairwise(first.video))
        again = read_prepared_clip(tmp_path / "a.png", None).read_evaluation_clips(stride)[0].video
        assert again is not None and np.array_equal(first.video, again)
        rng = np.random.default_rng(0)
        view = clip.draw_training_view(stride, rng)
        drawn = [clip.decode_faces(view, rng=rng) for _ in range(2)]
        assert drawn[0] is not None and not np.array_equal(drawn[0], drawn[1])  # type: ignore[arg-type]
        cached = clip.decode_all().decode_faces(view, rng=np.random.default_rng(5))
        assert np.array_equal(cached, clip.decode_faces(view, rng=np.random.default_rng(5)))  # type: ignore[arg-type]


def test_a_still_is_shown_as_long_as_its_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(4), 16000)
    still = read_prepared_clip(put_still(tmp_path / "a.jpg"), tmp_path / "a.wav")
    alone = read_prepared_clip(None, tmp_path / "a.wav")
    for stride in (4, None):
        assert still.select_evaluation_views(stride) == alone.select_evaluation_views(stride)
        for clip in still.read_evaluation_clips(stride):
            assert clip.modality == "av"


def test_a_clip_that_is_no_still_draws_no_motion(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "clip.mkv", smooth_faces(20), 10, None)
    clip = read_prepared_clip(tmp_path / "clip.mkv", None)
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    view = clip.select_evaluation_views(1)[0]
    assert np.array_equal(clip.decode_faces(view, rng=rng), clip.decode_faces(view))  # type: ignore[arg-type]
    assert rng.bit_generator.state == before


def test_a_photograph_is_no_prepared_still(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"big\.png: is 200 x 200, not a prepared clip .*prepare the picture first"):
        read_prepared_clip(put_still(tmp_path / "big.png", 200), None)
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"no\.png: cannot be read as an image"):
        read_prepared_clip(tmp_path / "no.png", None)
    with pytest.raises(ValueError, match="expected one picture as a still"):
        PreparedClip(smooth_faces(2), None, is_still=True)
