from __future__ import annotations

import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import Face
from hicmae_cli.faces.align import warp_face
from hicmae_cli.media import Frame, probe, write_video
from hicmae_cli.media import source as media_source
from hicmae_cli.preparing import clip as prepare
from hicmae_cli.preparing.clip import examine_clip, prepare_clip
from hicmae_cli.preparing.frame_folder import examine_frames
from hicmae_cli.preparing.measuring import ClipFacts, Source, UnusableError
from tests.faces.fake import FakeDetector, FakeFace
from tests.media.make import make_video


def scene(path: Path, samples: np.ndarray | None) -> Path:
    """Two seconds at 10 frames/s: a bright square of 80 pixels on grey, on the left."""
    picture = np.full((160, 240, 3), 60, np.uint8)
    picture[40:120, 30:110] = 220
    write_video(path, [picture] * 20, 10, samples)
    return path


def test_frame_i_keeps_its_time_and_the_person_seen_most_is_cut(tmp_path: Path) -> None:
    samples = np.linspace(-0.5, 0.5, 32000).astype(np.float32)
    source = scene(tmp_path / "scene.mkv", samples)
    detector = FakeDetector([FakeFace(0.5, 9, (70, 80), 80), FakeFace(0, 1.2, (190, 80), 30)])
    # The small face on the grey wall comes first, but is seen less.
    assert prepare_clip(source, tmp_path / "clip.mkv", detector).face_coverage == 0.75
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv").decode_all()
    assert isinstance(clip.frames, np.ndarray) and clip.num_frames == 20
    brightness = clip.frames.mean(axis=(1, 2, 3))
    assert brightness[:5].max() < 8
    assert brightness[5:].min() > 180
    assert clip.samples is not None and len(clip.samples) == pytest.approx(32000, abs=200)


def test_a_frame_without_a_face_is_black_and_counted(tmp_path: Path) -> None:
    source = scene(tmp_path / "scene.mkv", None)
    facts = prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([FakeFace(0, 1, (70, 80), 80)]))
    assert facts == ClipFacts(0.5, 2.0, 0.0, is_silent=False, people_seen=1, identity_switches=0, fps=10.0)
    clip = read_prepared_clip(tmp_path / "clip.mkv", None).decode_all()
    assert isinstance(clip.frames, np.ndarray)
    assert clip.frames[10:].max() < 8 and clip.frames[:10].mean() > 180


def test_nobody_there_writes_nothing(tmp_path: Path) -> None:
    source = scene(tmp_path / "scene.mkv", None)
    with pytest.raises(MediaError, match="no face was found in any of its 20 frames"):
        prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([]))
    assert [path.name for path in tmp_path.iterdir()] == ["scene.mkv"]


def test_what_was_there_survives_a_video_without_faces(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv").write_bytes(b"old")
    with pytest.raises(MediaError, match="no face"):
        prepare_clip(scene(tmp_path / "scene.mkv", None), tmp_path / "clip.mkv", FakeDetector([]))
    assert (tmp_path / "clip.mkv").read_bytes() == b"old"


def test_frames_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of faces would not fit in memory: no face is held until the next one is asked for."""
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watched(*arguments: Any) -> np.ndarray:
        nonlocal most
        face = warp_face(*arguments)
        alive.append(weakref.ref(face))
        most = max(most, sum(ref() is not None for ref in alive))
        return face

    monkeypatch.setattr(prepare, "warp_face", watched)
    source = scene(tmp_path / "scene.mkv", np.zeros(32000, np.float32))
    prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([FakeFace(0, 9, (70, 80), 80)]))
    assert len(alive) == 20
    assert most <= 4


def test_sound_alone_cannot_be_prepared(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", np.zeros(16000), 16000)
    with pytest.raises(MediaError, match="no video"):
        prepare_clip(tmp_path / "voice.wav", tmp_path / "clip.mkv", FakeDetector([]))


def face() -> FakeDetector:
    return FakeDetector([FakeFace(0, 9, (70, 80), 80)])


def tone(length_s: float, level: float = 0.2) -> np.ndarray:
    return (level * np.sin(np.arange(round(16_000 * length_s)) / 9)).astype(np.float32)


def test_sound_of_its_own_takes_the_place_of_the_video_s(tmp_path: Path) -> None:
    video = scene(tmp_path / "scene.mkv", np.zeros(32_000, np.float32))
    soundfile.write(tmp_path / "voice.wav", tone(2), 16_000)
    source = Source(video, tmp_path / "voice.wav", needs_sound=True)
    facts = prepare_clip(source, tmp_path / "clip.mkv", face())
    assert facts == ClipFacts(1.0, 2.0, 2.0, is_silent=False, people_seen=1, identity_switches=0, fps=10.0)
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv")
    assert clip.samples is not None
    np.testing.assert_allclose(clip.samples, tone(2), atol=1e-4)


@pytest.mark.parametrize(("seconds", "fits"), [(2.0, True), (1.55, True), (1.3, False), (2.45, True), (2.7, False)])
def test_lengths_that_differ_much_do_not_belong_together(tmp_path: Path, seconds: float, fits: bool) -> None:
    video = scene(tmp_path / "scene.mkv", None)
    soundfile.write(tmp_path / "voice.wav", tone(seconds), 16_000)
    source = Source(video, tmp_path / "voice.wav", needs_sound=True)
    attempts: list[Callable[[], ClipFacts]] = [
        lambda: prepare_clip(source, tmp_path / "clip.mkv", face()),
        lambda: examine_clip(source, face()),
    ]
    for attempt in attempts:
        if fits:
            assert attempt().gap_s == pytest.approx(seconds - 2, abs=0.01)
        else:
            with pytest.raises(UnusableError, match=f"{seconds:.2f} s of audio but 2.00 s of video") as caught:
                attempt()
            assert caught.value.fault == "lengths"
    assert (tmp_path / "clip.mkv").exists() == fits
    assert prepare_clip(Source(video, tmp_path / "voice.wav"), tmp_path / "clip.mkv", face()).video_s == 2


@pytest.mark.parametrize(("level", "is_silent"), [(0.0, True), (1e-4, True), (1e-3, False)])
def test_silence_is_told_and_kept(tmp_path: Path, level: float, is_silent: bool) -> None:
    source = Source(scene(tmp_path / "scene.mkv", tone(2, level)), needs_sound=True)
    assert prepare_clip(source, tmp_path / "clip.mkv", face()).is_silent == is_silent
    assert examine_clip(source, face()).is_silent == is_silent


def test_a_file_cut_short_is_refused_where_sound_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "scene.mkv"
    noise = np.random.default_rng(0).integers(0, 255, (30, 160, 240, 3), dtype=np.uint8)
    write_video(path, noise, 10, tone(3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(UnusableError, match=r"is cut short: its header promises 3\.00 s") as caught:
        prepare_clip(Source(path, needs_sound=True), tmp_path / "clip.mkv", face())
    assert caught.value.fault == "lengths"
    assert 1 < prepare_clip(path, tmp_path / "clip.mkv", face()).video_s < 2.5


def test_a_clip_is_examined_up_to_its_first_face(tmp_path: Path) -> None:
    source = Source(scene(tmp_path / "scene.mkv", tone(2)), needs_sound=True)
    detector = CountingDetector([FakeFace(0.5, 9, (70, 80), 80)])
    assert examine_clip(source, detector) == ClipFacts(None, 2.0, 2.0, is_silent=False, fps=10.0)
    assert detector.frames == 6
    with pytest.raises(UnusableError, match="no face was found in any of its 20 frames"):
        examine_clip(source, FakeDetector([]))


@pytest.mark.parametrize("examine", [False, True])
def test_probing_and_sound_report_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examine: bool) -> None:
    """A worker that reads a large file from a slow disk must not look like one that hangs."""
    source = Source(scene(tmp_path / "scene.mkv", tone(2)), needs_sound=True)
    reported: list[int] = []
    after: dict[str, int] = {}

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            after[name] = len(reported)
            return result

        return run

    monkeypatch.setattr(media_source, "_CALL_EVERY_S", 0.0)
    monkeypatch.setattr(prepare, "probe", noted("probe", probe))
    monkeypatch.setattr(prepare, "_iter_frames", noted("frames", prepare._iter_frames))
    if examine:
        examine_clip(source, face(), reported.append)
        assert reported == sorted(reported) and reported[-1] == 20
    else:
        prepare_clip(source, tmp_path / "clip.mkv", face(), reported.append)
        assert [count for count in range(21) if count in reported] == list(range(21))
    # 20 pictures and at least 2 packets of sound; again for the sound, and 2 blocks of it.
    assert after["probe"] >= 22
    assert set(reported[: after["probe"]]) == {0}
    assert len(reported) >= after["probe"] + 1 + 22 + 2
    # Unchanged, the file is not probed again.
    reported.clear()
    after.clear()
    examine_clip(source, face(), reported.append)
    assert "probe" not in after and 0 not in reported


def test_the_way_to_a_part_without_an_index_reports_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((160, 240, 3), 60, np.uint8)
    picture[40:120, 30:110] = 220
    make_video(
        tmp_path / "long.ts", [picture] * 100, [Fraction(index, 25) for index in range(100)], options={"g": "25"}
    )
    soundfile.write(tmp_path / "voice.wav", tone(1), 16_000)
    source = Source(tmp_path / "long.ts", tmp_path / "voice.wav", start_s=3.0, end_s=4.0)
    examine_clip(source, face())  # probed
    monkeypatch.setattr(media_source, "_CALL_EVERY_S", 0.0)
    reported: list[int] = []
    examine_clip(source, face(), reported.append)
    assert reported.count(0) > 70


def test_a_changed_file_is_probed_again(tmp_path: Path) -> None:
    path = scene(tmp_path / "scene.mkv", tone(2))
    assert examine_clip(Source(path), face()).video_s == 2.0
    write_video(path, [np.full((160, 240, 3), 220, np.uint8)] * 30, 10, tone(3))
    assert examine_clip(Source(path), face()).video_s == 3.0
    for index in range(10):
        scene(tmp_path / f"{index}.mkv", None)
        examine_clip(Source(tmp_path / f"{index}.mkv"), face())
    assert len(prepare._probes) <= prepare._MOST_PROBES


def test_pictures_of_a_folder_report_progress(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for index in range(12):
        Image.new("RGB", (160, 160), (index, 90, 90)).save(folder / f"{index:04}.png")
    soundfile.write(tmp_path / "voice.wav", tone(2), 16_000)
    reported: list[int] = []
    facts = examine_frames(folder, tmp_path / "voice.wav", reported.append)
    assert reported[:12] == list(range(1, 13))
    assert set(reported[12:]) == {12} and len(reported) >= 14  # of the sound
    assert facts.sound_s == 2.0


class CountingDetector(FakeDetector):
    frames = 0

    def detect(self, frame: Frame) -> list[Face]:
        self.frames += 1
        return super().detect(frame)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": (0.5, 0.5)},
        {"columns": (-0.1, 1.0)},
        {"start_s": 1.0},
        {"start_s": 2.0, "end_s": 1.0},
        {"places": ((0.0, 0.0, 0.0, 1.0, 1.0),)},
        {"end_s": 1.0, "columns": (0.0, 0.5), "places": ((0.0, 0.0, 0.0, 1.0, 1.0),)},
    ],
)
def test_parts_that_cannot_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected columns|a part needs|places need a part"):
        Source(tmp_path / "a.mkv", **wrong)


def test_a_video_of_an_impossible_rate_is_named(tmp_path: Path) -> None:
    pictures = [np.full((64, 96, 3), 9 * index, np.uint8) for index in range(12)]
    write_video(tmp_path / "a.mp4", [Frame(index / 90_000, rgb) for index, rgb in enumerate(pictures)], 25)
    for use in (prepare_clip, lambda source, _, detector: examine_clip(Source(source), detector)):
        with pytest.raises(MediaError, match=r"a\.mp4: its timestamps claim an impossible frame rate"):
            use(tmp_path / "a.mp4", tmp_path / "clip.mkv", FakeDetector([]))
