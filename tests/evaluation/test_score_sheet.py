"""The result of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from tests.evaluation.toys import evaluation, info_of

AV = evaluation("anger:anger", "neutral:neutral", "happiness:anger")
SHEET = ScoreSheet("toy", Protocol("clips", split="test"), {"av": AV})


def test_a_sheet_has_the_scores_of_its_main_modality() -> None:
    assert SHEET.metrics == AV.metrics
    assert SHEET.to_dict() == Protocol("clips", split="test").to_dict(AV)


def test_further_modalities_stand_in_the_document() -> None:
    audio = replace(AV, modality="audio", samples=AV.samples[:1])
    sheet = replace(SHEET, results={"av": AV, "audio": audio}, unscored=("video",))
    document = sheet.to_dict()
    for name, found in (("av", AV), ("audio", audio)):
        own = document["by_modality"][name]
        assert own.items() >= {**found.metrics, "decisions": len(found.samples)}.items()
        alone = json.loads(json.dumps(found.to_dict()))
        for part in ("samples", "confusion", "intervals", "recalls", "classes", "probability_metrics"):
            assert json.loads(json.dumps(own[part])) == alone[part]
    assert document["warnings"] == sheet.warnings == ["video: no scores, as the list has no clip with it"]
    folds = replace(sheet, protocol=Protocol("clips", fold="all"))
    assert folds.warnings == ["video: no scores, as a fold has no clip with it"]


def test_a_sheet_prints_itself() -> None:
    text = str(replace(SHEET, unscored=("video",)))
    assert "UAR" in text and f"{AV.metrics['uar']:.4f}" in text
    assert text.endswith("warning: video: no scores, as the list has no clip with it\n")


def test_a_temperature_at_the_end_of_its_range_is_not_applied() -> None:
    fitted = replace(SHEET, calibration=(2.0, "8 validation clips"))
    assert fitted.to_dict()["calibration"]["temperature"] == 2.0 and fitted.warnings == []
    perfect = replace(SHEET, calibration=(0.05, "8 validation clips"))
    assert "temperature" not in perfect.to_dict()["calibration"]
    assert perfect.warnings[0].startswith("the 8 validation clips do not determine a temperature")


def test_few_speakers_are_a_warning() -> None:
    def name(*speakers: str) -> ScoreSheet:
        samples = tuple(replace(s, speaker=own) for s, own in zip(AV.samples, speakers, strict=True))
        return replace(SHEET, results={"av": replace(AV, samples=samples)})

    assert name("anna", "ben", "ben").to_dict()["warnings"][0].startswith("only 2 speakers: with fewer than 10")
    assert name("anna", "anna", "anna").warnings[0].startswith("all clips are of one speaker")
    assert name("anna", "ben", "").warnings == []


def test_a_sheet_is_saved_whole(tmp_path: Path) -> None:
    SHEET.save(tmp_path / "scores")
    texts = {"result.json", "result.md", "scores.csv", "scores.tex"}
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {*texts, "confusion.png", "reliability.png"}
    assert json.loads((tmp_path / "scores" / "result.json").read_text()) == json.loads(json.dumps(SHEET.to_dict()))
    values = replace(
        AV,
        info=info_of(task="regression", labels=("arousal",)),
        samples=tuple(replace(s, target=(0.5,), prediction=(1.0,), outputs=(1.0,), views=()) for s in AV.samples),
    )
    replace(SHEET, results={"av": values}).save(str(tmp_path / "values"), "svg")
    assert {path.name for path in (tmp_path / "values").iterdir()} == {*texts, "scatter.svg"}
    with pytest.raises(SettingsError, match="figure_format='gif': expected png, svg, pdf"):
        SHEET.save(tmp_path / "gif", "gif")


def test_a_sheet_without_results_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one modality"):
        replace(SHEET, results={})
