"""Windows of raw recordings to embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import hicmae_cli as hicmae
from hicmae_cli.embedding import recordings
from hicmae_cli.errors import HicmaeError
from hicmae_cli.runtime.engine import softmax
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.weights.checkpoint import load_classifier
from tests.faces.fake import FakeDetector, FakeFace
from tests.runtime.stubs import write_clip
from tests.weights.toys import save_toy

LEFT = FakeFace(0.0, 100.0, (32.0, 48.0), 50.0)
RIGHT = FakeFace(0.0, 100.0, (96.0, 48.0), 40.0)


def test_rows_are_the_windows_of_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "open_detector", lambda _: FakeDetector([LEFT, RIGHT]))
    weight = save_toy(tmp_path / "toy.safetensors")
    clip = write_clip(tmp_path / "clip.mp4", 3.5)
    (tmp_path / "text.mp4").write_text("no video")
    counts: list[int] = []
    table = hicmae.embed(
        [clip, tmp_path / "text.mp4"],
        weights=weight,
        device="cpu",
        layers=("fused", "audio"),
        on_start=counts.append,
        on_file=lambda: counts.append(1),
    )
    assert counts == [2, 1, 1]
    assert list(table.failures) == [str(tmp_path / "text.mp4")]
    predictor = hicmae.Predictor(
        hicmae.load_weight(weight, "torch", "cpu"),
        PredictSettings(sound="shared"),
        detectors=lambda _: FakeDetector([LEFT, RIGHT]),
    )
    expected = {
        (str(track.id), window.start_s, window.end_s): list(window.scores.probabilities.values())
        for track in predictor.predict(clip).tracks
        for window in track.windows
    }
    rows = zip(*(table.columns[name].tolist() for name in ("person", "start_s", "end_s")), strict=True)
    model, _ = load_classifier(weight)
    with torch.inference_mode():
        found = softmax(model.head(torch.from_numpy(table["fused"])).numpy())
    assert expected.keys() == set(rows) and len(table) == len(expected)
    for row, probabilities in zip(
        zip(*(table.columns[name].tolist() for name in ("person", "start_s", "end_s")), strict=True),
        found.tolist(),
        strict=True,
    ):
        np.testing.assert_allclose(probabilities, expected[row], atol=1e-5)
    assert set(table.columns["modality"].tolist()) == {"av"}


def test_a_recording_without_windows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    weight = save_toy(tmp_path / "toy.safetensors")
    with pytest.raises(HicmaeError, match=r"no input has a window to embed, e\.g\. .*text\.mp4") as raised:
        hicmae.embed(tmp_path / "text.mp4", weights=weight, device="cpu")
    assert str(raised.value).count("text.mp4") == 1
