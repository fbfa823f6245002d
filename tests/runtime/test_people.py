"""Names of tracks after photographs, through the predictor and on the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hicmae_cli as hicmae
from hicmae_cli.errors import SettingsError
from hicmae_cli.media import read_frames, write_video
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.settings import PredictSettings
from tests.conftest import SAMPLE
from tests.faces.fake import FakeDetector, FakeFace
from tests.faces.test_texture import portrait
from tests.runtime.stubs import ToyEngine

FACE = FakeFace(0, 9, (119.5, 119.5), 160)


def room(seed: int, light: float = 1.0) -> np.ndarray:
    picture = np.full((240, 240, 3), 90, np.uint8)
    picture[40:200, 40:200] = portrait(seed)
    return (picture * light).astype(np.uint8)


@pytest.mark.parametrize(("seed", "name"), [(0, "Anna"), (1, "Ben"), (5, "")])
def test_tracks_of_videos_and_photographs_are_named(tmp_path: Path, seed: int, name: str) -> None:
    (tmp_path / "people").mkdir()
    for known, number in (("Anna", 0), ("Ben", 1)):
        Image.fromarray(room(number)).save(tmp_path / "people" / f"{known}.png")
    settings = PredictSettings(people=str(tmp_path / "people"))
    predictor = Predictor(ToyEngine(), settings, lambda _: FakeDetector([FACE]))
    write_video(tmp_path / "a.mkv", [room(seed, 0.7)] * 16, 25, crf=0)
    Image.fromarray(room(seed, 0.7)).save(tmp_path / "a.png")
    for path in (tmp_path / "a.mkv", tmp_path / "a.png"):
        result = predictor.predict(path)
        assert [track.name for track in result.tracks] == [name]
        assert result.to_dict()["tracks"][0]["name"] == name


def test_without_photographs_nobody_is_named(tmp_path: Path) -> None:
    Image.fromarray(room(0)).save(tmp_path / "a.png")
    result = Predictor(ToyEngine(), detectors=lambda _: FakeDetector([FACE])).predict(tmp_path / "a.png")
    assert [track.name for track in result.tracks] == [""]


def test_photographs_that_are_not_usable_stop_everything_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        Predictor(ToyEngine(), PredictSettings(people=str(tmp_path / "missing")), lambda _: FakeDetector([FACE]))
    sound_only = PredictSettings("audio", people=str(tmp_path / "missing"))
    assert Predictor(ToyEngine(), sound_only).people == {}


def test_the_settings_record_which_photographs_were_read(tmp_path: Path) -> None:
    photographs = tmp_path / "people"
    photographs.mkdir()

    def record() -> str | None:
        settings = PredictSettings(people=str(photographs))
        return Predictor(ToyEngine(), settings, lambda _: FakeDetector([FACE])).settings.people_sha256

    Image.fromarray(room(0)).save(photographs / "ann.png")
    first = record()
    assert first is not None and record() == first
    Image.fromarray(room(1)).save(photographs / "ann.png")
    changed = record()
    (photographs / "ann.png").rename(photographs / "bob.png")
    assert len({first, changed, record()}) == 3


@pytest.mark.slow
def test_one_still_of_each_names_both_people_of_the_sample(tmp_path: Path) -> None:
    rgb = list(read_frames(SAMPLE))[80].rgb
    Image.fromarray(rgb[:, :150]).save(tmp_path / "Left.png")
    Image.fromarray(rgb[:, 140:]).save(tmp_path / "Right.png")
    (file,) = hicmae.predict(SAMPLE, people=tmp_path).files
    sides = {track.name: track.windows[0].boxes[0].x_px < 160 for track in file.tracks}
    assert sides == {"Left": True, "Right": False}
