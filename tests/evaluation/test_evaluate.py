"""From names and paths to scores: the library behind ``hicmae evaluate``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.ravdess import RAVDESS
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation import evaluate as module
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.weights.info import WeightInfo
from tests.cli.catalogues import TOYS, install
from tests.evaluation.toys import ValueEngine, info_of, write_grey
from tests.runtime.stubs import ToyEngine


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of three clips, which a toy engine scores under any weight's name."""
    rows = ["id,video,audio,label,split"]
    for name, label, split in (("a", "anger", "test"), ("b", "happiness", "test"), ("c", "calm", "train")):
        clip = write_grey(tmp_path, name, 200)
        rows.append(f"{clip.id},{clip.id},{clip.id}.wav,{label},{split}")
    path = tmp_path / "clips.csv"
    path.write_text("\n".join(rows))
    stand_in(monkeypatch, ToyEngine())
    return path


def stand_in(patch: pytest.MonkeyPatch, engine: ToyEngine) -> None:
    patch.setattr(module, "read_any_info", lambda _: engine.info)
    patch.setattr(module, "open_engine", lambda *_, **__: engine)


def test_a_manifest_and_a_weight_give_scores(listed: Path) -> None:
    started: list[tuple[WeightInfo, int]] = []
    clips: list[None] = []
    sheet = evaluate(
        weights="toy",
        manifest=str(listed),
        on_start=lambda info, total: started.append((info, total)),
        on_clip=lambda: clips.append(None),
        label_map={"calm": "-"},
    )
    assert sheet.metrics["war"] == 0.5  # both clips are called happiness
    assert started == [(ToyEngine.info, 2)] and len(clips) == 2
    document = sheet.to_dict()
    assert (document["dataset"], document["fold"], document["modality"]) == ("clips", "", "av")
    assert document["warnings"] == [
        "the test clips: no clip of neutral; UAR is over the 2 classes with clips, macro F1 also over predicted ones"
    ]


def test_every_clip_and_every_stream(listed: Path) -> None:
    sheet = evaluate(weights="toy", manifest=listed, split="all", modality="each", label_map="calm=neutral")
    assert list(sheet.results) == ["av", "video", "audio"]
    assert len(sheet.main.pooled.samples) == 3
    assert sheet.to_dict()["label_map"] == {"mapping": {"calm": "neutral"}, "dropped": {}}
    assert any("on the split all" in warning for warning in sheet.warnings)


def test_labels_that_do_not_fit_are_refused_before_the_first_clip(listed: Path) -> None:
    started: list[int] = []
    with pytest.raises(ManifestError, match="only clips has calm"):
        evaluate(weights="toy", manifest=listed, on_start=lambda _, total: started.append(total))
    assert started == []


def test_arguments_are_named_as_parameters(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^modality='smell': expected av, video, audio or each"):
        evaluate(manifest=listed, modality="smell")
    with pytest.raises(SettingsError, match=r"^label_map='calm': expected pairs"):
        evaluate(manifest=listed, label_map="calm")
    with pytest.raises(SettingsError, match=r"^fold='all': the clips have no folds"):
        evaluate(manifest=listed, fold="all", label_map="calm=-")
    engine = ToyEngine()
    engine.info = info_of(modality="audio")
    stand_in(monkeypatch, engine)
    with pytest.raises(SettingsError, match=r"^modality='video': this weight was trained on audio only"):
        evaluate(manifest=listed, modality="video")
    install(monkeypatch, TOYS)
    with pytest.raises(SettingsError, match=r"^fold='3': toys has no such fold"):
        evaluate(dataset="toys", manifest=listed, fold="3")


def test_values_are_matched_by_the_names_of_the_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_grey(tmp_path, "a", 0, 255)
    (tmp_path / "clips.csv").write_text(f"id,video,audio,label\n{clip.id},{clip.id},{clip.id}.wav,0.25 -1\n")
    stand_in(monkeypatch, ValueEngine())
    sheet = evaluate(weights="values", manifest=tmp_path / "clips.csv")
    assert sheet.main.pooled.samples[0].target == (0.25, -1.0)
    assert "confusion" not in sheet.to_dict()
    with pytest.raises(SettingsError, match="cross=True: compares classes"):
        evaluate(weights="values", manifest=tmp_path / "clips.csv", cross=True)


@pytest.mark.parametrize("rate", [0, -4])
def test_a_rate_below_one_is_refused(listed: Path, rate: int) -> None:
    with pytest.raises(SettingsError, match=f"sampling_rate={rate}: expected 1 or more"):
        evaluate(weights="toy", manifest=listed, sampling_rate=rate)


def test_a_temperature_is_fitted_on_other_clips_than_the_tested_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["id,video,audio,label,split,speaker"]
    for number, (label, split) in enumerate(
        [("happiness", "validation"), ("anger", "val"), ("happiness", "test"), ("neutral", "train")]
    ):
        clip = write_grey(tmp_path, f"c{number}", 200)
        rows.append(f"{clip.id},{clip.id},{clip.id}.wav,{label},{split},s{number}")
    path = tmp_path / "clips.csv"
    path.write_text("\n".join(rows))
    stand_in(monkeypatch, ToyEngine())
    started: list[int] = []
    sheet = evaluate(manifest=path, calibrate=True, on_start=lambda _, clips: started.append(clips))
    assert started == [3] and [sample.id for sample in sheet.main.pooled.samples] == ["c2"]
    found = sheet.to_dict()["calibration"]
    assert found["fitted_on"] == "2 validation clips of 2 people"
    # Happiness is right in one of two validation clips, so the temperature makes the model less sure.
    assert found["temperature"] > 1 and found["after"]["nll"] > found["before"]["nll"]
    path.write_text("\n".join(rows).replace(",s1", ",s2"))
    with pytest.raises(SettingsError, match="`calibrate`: people are in the validation and the test clips: s2"):
        evaluate(manifest=path, calibrate=True)
    with pytest.raises(SettingsError, match="the validation clips are tested themselves"):
        evaluate(manifest=path, calibrate=True, split="validation")


def test_actors_are_joined_where_the_list_says_nothing_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAVDESS's actors are male or female by their number."""
    rows = ["id,video,audio,label,fold,speaker,take"]
    for actor in ("01", "02"):
        clip = write_grey(tmp_path, f"c{actor}", 200)
        rows.append(f"{clip.id},{clip.id},{clip.id}.wav,happiness,1,{actor},{actor}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    engine = ToyEngine()
    engine.info = info_of(labels=RAVDESS.labels[:3])
    stand_in(monkeypatch, engine)
    given = {"dataset": "ravdess", "manifest": tmp_path / "clips.csv", "fold": "1", "cross": True}
    sheet = evaluate(**given, by=["sex", "take"])  # type: ignore[arg-type]
    groups = {found["column"]: [group["group"] for group in found["groups"]] for found in sheet.to_dict()["groups"]}
    assert groups == {"sex": ["female", "male"], "take": ["01", "02"]}
    with pytest.raises(SettingsError, match=r"by='mood': .* its columns are speaker, fold, label, take, sex"):
        evaluate(**given, by="mood")  # type: ignore[arg-type]
