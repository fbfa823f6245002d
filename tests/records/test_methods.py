"""The paragraph for a paper says what the records hold."""

from __future__ import annotations

from typing import Any

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.records.facts import Commit, DataFacts, InitFacts, RunFacts, RunRecord
from hicmae_cli.records.methods import describe_methods


def record(fold: str = "1", seed: int = 0, protocol: str | None = None, **recipe: Any) -> RunRecord:
    settings = FinetuneSettings(seed=seed, **recipe)
    facts = RunFacts(
        phase="fine-tuning",
        parameters={"dataset": "crema-d", "protocol": protocol},
        recipe=settings.model_dump(mode="json"),
        fold=fold,
        seed=seed,
        data=DataFacts(manifest="crema-d.csv", clips=7437, files_sha256="f" * 64),
        init=InitFacts(weight="voxceleb2-base", tensors_sha256="a" * 64),
        versions={"hicmae": "0.1.0", "torch": "2.14.1"},
        commit=Commit(commit="c" * 40, modified=False),
        machine={"system": "Linux", "cpu": "a CPU"},
        duration_s=1800.0,
    )
    return RunRecord(run=facts, finished=True)


def test_a_whole_experiment_is_one_paragraph() -> None:
    runs = [record(f"loso-{fold}", seed, "loso") for seed in (0, 1, 2) for fold in range(10)]
    text = describe_methods(runs)
    assert "\n" not in text
    for part in (
        "We fine-tuned HiCMAE (Sun et al., 2024; size base, faces and voices) with hicmae 0.1.0 (commit cccccccccccc)",
        "starting from the weight voxceleb2-base (SHA-256 aaaaaaaaaaaa…)",
        "7437 clips of crema-d (SHA-256 ffffffffffff…)",
        "16 face crops, one in 4 frames",
        "We left one speaker out at a time (10 folds), and repeated everything with 3 random seeds (0, 1 and 2).",
        "50 epochs with AdamW (batches of 56 clips, learning rate rising to 0.000219 over 5 epochs",
        "label smoothing 0.1, mixup 0.8, CutMix 1",
        "10% of the training clips, whole people at a time",
        "Training ran on a CPU in float32 with PyTorch 2.14.1, 15.0 hours in all.",
    ):
        assert part in text, f"{part!r} not in {text!r}"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (record(selection="test-best"), "so the scores are optimistic"),
        (record(selection="last"), "We kept the last epoch."),
        (record(modality="audio"), "voices only"),
        (record(sampling="time"), "0.16 s apart"),
        (record(warmup_epochs=0), "learning rate falling from"),
        (record(label_share=0.1), "trained on 0.1 of the labelled training clips"),
        (record(protocol="kfold:5", split_seed=3), "(kfold:5, split seed 3)"),
        (record(fold=""), "The split into training and test clips was that of the list"),
        (record(freeze="encoders"), "frozen encoders"),
        (record(epoch_clips=900, source_shares={"a": 0.25, "b": 0.75}), "epochs of 900 drawn clips, sources mixed in"),
        (record(source_shares={"a": 0.25, "b": 0.75}, balance="label"), "shares 0.25 of a, 0.75 of b, the labels of"),
        (record(pair_streams=0.5, pair_disagreeing=0.2, teacher_weight=0.3), "0.2 of them with another label"),
        (record(auxiliary_weight=0.5), "cues of face and voice learned beside the labels with weight 0.5"),
        (record(teacher_weight=0.3, person_cap=5), "at most 5 clips of a person with one label in an epoch, a share"),
    ],
)
def test_what_differs_from_the_paper_is_said(made: RunRecord, said: str) -> None:
    assert said in describe_methods([made])


def test_pretraining_has_no_folds() -> None:
    run = RunFacts(phase="pre-training", recipe=PretrainSettings().model_dump(mode="json"), machine={"gpu": "a GPU"})
    text = describe_methods([RunRecord(run=run)])
    assert text.startswith("We pre-trained HiCMAE") and "from random parameters" in text and "on a GPU" in text
    assert "fold" not in text and "validation" not in text


def test_runs_of_several_experiments_are_refused() -> None:
    with pytest.raises(WeightsError, match="the runs differ in modality: describe one experiment at a time"):
        describe_methods([record(), record(modality="audio")])
    with pytest.raises(WeightsError, match="no records"):
        describe_methods([])
