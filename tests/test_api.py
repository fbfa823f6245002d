"""`predict` and `load_weight` do what the commands do."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hicmae_cli.api import load_weight, predict
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.runtime.predictor import Predictor
from tests.cli.running import hicmae
from tests.runtime.stubs import voice


def test_it_gives_the_document_of_the_command(tmp_path: Path) -> None:
    path = voice(tmp_path / "a.wav")
    printed = hicmae("predict", path, "--json", "--hop", 1.28, "--end", 2.9, "--faces", 2, "--jobs", 0).document
    made = predict(path, hop_s=1.28, end_s=2.9, faces=2).to_dict()
    for added in ("size_bytes", "sha256"):  # which the command needs to resume
        assert printed["files"][0].pop(added) is not None
        assert made["files"][0].pop(added) is None
    assert json.loads(json.dumps(made)) == printed


def test_several_inputs_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    paths = [voice(tmp_path / "folder" / f"{index}.wav") for index in range(2)]
    arrays = {"samples": soundfile.read(paths[0], dtype="float32")[0], "sample_rate_hz": 16000}
    made = predict(
        [
            str(tmp_path / "folder"),
            str(tmp_path / "folder" / "*1.wav"),
            io.BytesIO(paths[0].read_bytes()),
            arrays,  # type: ignore[list-item]
            tmp_path / "missing.wav",
            str(tmp_path / "nothing*"),
        ]
    )
    names = [str(path) for path in (*paths, paths[1])] + ["stream", "arrays"]
    assert [str(file.path) for file in made.files[:5]] == names
    assert [file.failed for file in made.files] == [False] * 5 + [True] * 2
    first, *others = (file.tracks[0].scores.by_name for file in made.files[:5])
    assert all(each == pytest.approx(first) for each in others)
    assert "missing.wav: no such file" in made.failures[0].message
    assert "no file matches this pattern" in made.failures[1].message


def test_wrong_parameters_are_raised(tmp_path: Path) -> None:
    path = voice(tmp_path / "a.wav")
    with pytest.raises(SettingsError, match=r"hop_s=3\.0: expected more than 0"):
        predict(path, hop_s=3.0)
    with pytest.raises(WeightsError, match="no weight named 'no-such'"):
        predict(path, weights="no-such")
    with pytest.raises(ValueError, match="expected samples and sample_rate_hz together"):
        predict({"samples": np.zeros(100, np.float32)})


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_weight_is_loaded_for_a_predictor(toy: Path, tmp_path: Path, engine: str) -> None:
    opened = load_weight(toy, engine, "cpu")
    assert (opened.name, opened.info.labels) == (engine, ("class 0", "class 1", "class 2"))
    result = Predictor(opened).predict(str(voice(tmp_path / "a.wav")))
    expected = predict(tmp_path / "a.wav", weights=toy, engine=engine, device="cpu").files[0]
    assert result.to_dict() == expected.to_dict()
