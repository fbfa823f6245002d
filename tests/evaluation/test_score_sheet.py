"""The result of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

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
    assert document["by_modality"] == {"av": {**AV.metrics, "decisions": 3}, "audio": {**audio.metrics, "decisions": 1}}
    assert document["warnings"] == sheet.warnings == ["video: no scores, as the list has no clip with it"]
    folds = replace(sheet, protocol=Protocol("clips", fold="all"))
    assert folds.warnings == ["video: no scores, as a fold has no clip with it"]


def test_a_sheet_prints_itself() -> None:
    text = str(replace(SHEET, unscored=("video",)))
    assert "UAR" in text and f"{AV.metrics['uar']:.4f}" in text
    assert text.endswith("warning: video: no scores, as the list has no clip with it\n")


def test_a_sheet_is_saved_whole(tmp_path: Path) -> None:
    SHEET.save(tmp_path / "scores")
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {"result.json", "result.md", "confusion.png"}
    assert json.loads((tmp_path / "scores" / "result.json").read_text()) == json.loads(json.dumps(SHEET.to_dict()))
    values = replace(
        AV,
        info=info_of(task="regression", labels=("arousal",)),
        samples=tuple(replace(s, target=(0.5,), prediction=(1.0,), outputs=(1.0,), views=()) for s in AV.samples),
    )
    replace(SHEET, results={"av": values}).save(str(tmp_path / "values"))
    assert {path.name for path in (tmp_path / "values").iterdir()} == {"result.json", "result.md"}


def test_a_sheet_without_results_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one modality"):
        replace(SHEET, results={})
