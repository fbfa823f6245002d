"""Photographs as inputs: one moment, faces only, shown to the model as every still is."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.clips.stills import animate_still
from hicmae_cli.faces import Face, align_face
from hicmae_cli.media import Frame
from hicmae_cli.report.console import prediction_text, render_file
from hicmae_cli.report.csv_writer import csv_lines
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sources import Photograph, Source
from tests.faces.fake import FakeDetector, FakeFace
from tests.runtime.stubs import LABELS, TOY_MODEL, ToyEngine

LEFT = FakeFace(0.0, 100.0, (40.0, 60.0), 60.0)
RIGHT = FakeFace(0.0, 100.0, (140.0, 60.0), 50.0)


def write_photograph(path: Path, level: int = 0) -> NDArray[np.uint8]:
    rgb = np.random.default_rng(0).integers(level, 256, (120, 200, 3), np.uint8)
    Image.fromarray(rgb).save(path)
    return rgb


def predict(source: Source, *faces: FakeFace, **settings: object) -> FileResult:
    predictor = Predictor(ToyEngine(), PredictSettings(**settings), lambda _: FakeDetector(faces))  # type: ignore[arg-type]
    return predictor.predict(source)


def test_each_face_is_a_track_of_one_moment(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png", 200)
    result = predict(tmp_path / "a.png", LEFT, RIGHT)
    assert (result.status, result.message) == ("ok", "")
    assert (result.is_photograph, result.duration_s, result.fps) == (True, None, None)
    assert (result.width_px, result.height_px) == (200, 120)
    assert [track.id for track in result.tracks] == [1, 2]
    for track in result.tracks:
        (window,) = track.windows
        assert window.start_s == 0.0 and window.end_s == pytest.approx(0.16)
        assert (window.modality, window.face_coverage, track.face_coverage) == ("video", 1.0, 1.0)
        assert [box.time_s for box in window.boxes] == [0.0]
    assert result.main_track is not None and result.main_track.id == 1


def test_the_model_gets_a_still_that_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips: list[Clip] = []

    def keep(some: Sequence[Clip]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        clips.extend(some)
        return stack_clips(some)

    monkeypatch.setattr("hicmae_cli.runtime.engine.stack_clips", keep)
    rgb = write_photograph(tmp_path / "a.png")
    predict(tmp_path / "a.png", LEFT)
    (clip,) = clips
    assert clip.audio is None and clip.video is not None
    assert np.array_equal(clip.video, animate_still(align_face(rgb, LEFT.at(0).landmarks_px)))


def test_the_part_of_a_recording_does_not_matter(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png")
    assert predict(tmp_path / "a.png", LEFT, start_s=60.0, end_s=90.0) == predict(tmp_path / "a.png", LEFT)


def test_a_stream_can_hold_a_photograph(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png")
    read = predict(io.BytesIO((tmp_path / "a.png").read_bytes()), LEFT)
    assert read.is_photograph and read.tracks == predict(tmp_path / "a.png", LEFT).tracks


def test_without_a_face_or_with_a_missing_stream_there_is_one_line(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png")
    nobody = predict(tmp_path / "a.png")
    assert (nobody.status, nobody.message, nobody.failed) == ("no-face", "no face was found", True)
    needs = predict(tmp_path / "a.png", LEFT, modality="av")
    assert needs.status == "error" and "no audio track" in needs.message
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    damaged = predict(tmp_path / "b.jpg", LEFT)
    assert damaged.status == "error" and "b.jpg: cannot be read as an image" in damaged.message


def test_a_face_that_fills_its_photograph_is_found(tmp_path: Path) -> None:
    class Shy(FakeDetector):
        def detect(self, frame: Frame) -> list[Face]:
            return super().detect(frame) if frame.width_px > 200 else []

    write_photograph(tmp_path / "a.png")
    script = FakeFace(0.0, 100.0, (150.0 + 40, 60.0 + 60), 60.0)  # with half of the picture as a border
    result = Predictor(ToyEngine(), detectors=lambda _: Shy((script,))).predict(tmp_path / "a.png")
    box = result.tracks[0].windows[0].boxes[0]
    assert box.x_px + box.width_px / 2 == pytest.approx(90, abs=5)


def test_documents_and_screens_show_a_photograph(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png")
    prediction = Prediction(TOY_MODEL, PredictSettings(), (predict(tmp_path / "a.png", LEFT, RIGHT),))
    document = json.loads(json.dumps(prediction.to_dict()))
    assert document["files"][0]["photograph"] is True
    assert [(t["start_s"], t["end_s"]) for t in document["files"][0]["tracks"]] == [(0.0, 0.16)] * 2
    assert Prediction.from_dict(document).to_dict() == prediction.to_dict()
    assert len("".join(csv_lines(prediction)).splitlines()) == 3
    text = prediction_text(prediction.files, "toy", TOY_MODEL.info)
    assert "a.png  photograph · video" in text
    from rich.console import Console

    console = Console(width=90, record=True, file=io.StringIO())
    console.print(render_file(prediction.files[0], TOY_MODEL.info, 90))
    shown = console.export_text()
    assert "person 2" in shown and "paler" not in shown
    assert any(label in shown for label in LABELS)


def test_a_photograph_can_be_read_without_being_probed(tmp_path: Path) -> None:
    rgb = write_photograph(tmp_path / "a.png")
    source = Photograph(tmp_path / "a.png")
    (frame,) = source.frames(0.16, 0.0)
    assert np.array_equal(frame.rgb, rgb) and list(source.sound()) == []
