"""Auxiliary targets: read from the columns of a manifest, standardised, weighed into the loss, and never saved."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.losses import LOSSES
from hicmae_cli.training.finetuning.auxiliary import AuxiliaryHead, AuxiliaryLearner, Cues, read_cues
from hicmae_cli.training.finetuning.data import LabelledBatch
from hicmae_cli.training.finetuning.step import StepTerms, finetune_step
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.training.optimiser import parameter_groups
from tests.training.toys import FINETUNE_SETTINGS

NAN = math.nan
SMILE, PITCH = "aux_face_smile", "aux_voice_pitch"


def clip(name: str = "a", **columns: str) -> Sample:
    return Sample(name, None, None, "happiness", extra={"source": "x", **columns})


def cues_of(*rows: tuple[float, float]) -> Cues:
    return Cues((SMILE, PITCH), torch.tensor(rows))


def make_head(cues: Cues, width: int = 3) -> AuxiliaryHead:
    return AuxiliaryHead(cues, width, seed=0)


def test_columns_are_read_faces_first_and_an_empty_one_is_skipped() -> None:
    clips = [clip(aux_voice_pitch="40", aux_face_smile="", aux_face_jaw=" "), clip(aux_face_smile="0.25")]
    found = read_cues(clips, 0.5)
    assert found is not None and found.names == (SMILE, PITCH) and found.of_faces == 1
    np.testing.assert_array_equal(found.values, [[NAN, 40], [0.25, NAN]])
    assert read_cues(clips, 0) is None


def test_an_item_has_the_cues_of_its_faces_and_of_its_voice() -> None:
    cues = cues_of((1, 2), (3, 4))
    for rows, expected in (((0, 1), [1, 4]), ((1, 1), [3, 4]), ((None, 0), [NAN, 2]), ((1, None), [3, NAN])):
        np.testing.assert_array_equal(cues.pick(*rows), expected)


@pytest.mark.parametrize("text", ["much", "nan", "inf"])
def test_a_cue_that_is_no_number_is_named_with_its_clip(text: str) -> None:
    with pytest.raises(ManifestError, match=f"^clip b: expected a number or nothing in .* {SMILE}, got '{text}'$"):
        read_cues([clip(aux_face_smile="1"), clip("b", aux_face_smile=text)], 1)


def test_a_column_of_no_stream_is_named_and_a_weight_without_columns_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"^column aux_smile: expected a name that begins with aux_face_ or"):
        read_cues([clip(aux_smile="1")], 1)
    with pytest.raises(SettingsError, match=r"auxiliary_weight=0\.5: no training clip has columns such as aux_face_"):
        read_cues([clip(aux_face_smile="")], 0.5)


def test_the_loss_is_that_of_known_standardised_targets() -> None:
    # Smiles 0, 2 and 4: mean 2, variance 8/3. Pitch never changes: its deviation is the least one.
    head = make_head(cues_of((0, 5), (2, NAN), (4, 5)))
    assert head.mean.tolist() == [2, 5]
    assert head.deviation.tolist() == pytest.approx([math.sqrt(8 / 3), 1e-3])
    outputs = torch.tensor([[0.5, 0.0], [-3.0, 9.0]], requires_grad=True)
    # The targets are (0, 0) and (unknown, 1): 0.5 x 0.5^2, 0, nothing, and 8 - 0.5.
    found = head.sum_losses(outputs, torch.tensor([[2.0, 5.0], [NAN, 5.001]]))
    assert found.item() == pytest.approx(0.125 + 7.5, abs=0.01)
    (gradient,) = torch.autograd.grad(found, outputs)
    np.testing.assert_allclose(gradient, [[0.5, 0.0], [0.0, 1.0]])
    nothing = head.sum_losses(outputs, torch.full((2, 2), NAN))
    (gradient,) = torch.autograd.grad(nothing, outputs)
    assert nothing.item() == 0 and torch.equal(gradient, torch.zeros(2, 2))


SETTINGS = FINETUNE_SETTINGS.model_copy(
    update={"auxiliary_weight": 0.5, "label_smoothing": 0.0, "drop_audio_tokens": 0.0, "drop_path": 0.0}
)


def step(rounds: int, weight: float = 0.5) -> tuple[StepTerms, AuxiliaryLearner, torch.Tensor]:
    """Make a step over four clips in some rounds -> its terms, the model before it, and the features of the clips."""
    settings = SETTINGS.model_copy(update={"auxiliary_weight": weight, "modality": "audio"})
    torch.manual_seed(0)
    model = Classifier(settings.dims, 2, one_token=True)
    model.withhold("audio")
    cues = cues_of((0, NAN), (2, 3), (NAN, NAN), (4, 7))
    learner = AuxiliaryLearner(model, make_head(cues, 4 * settings.dims.width))
    audio = torch.randn(4, 1, 256, 128)
    targets = torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        features = model.features(None, audio)
    batches = [
        LabelledBatch(torch.zeros(len(a), 1, dtype=torch.uint8), torch.zeros(len(a), dtype=torch.bool), a, t, c)
        for a, t, c in zip(audio.chunk(rounds), targets.chunk(rounds), cues.values.chunk(rounds), strict=True)
    ]
    made = finetune_step(
        new_accelerator("no", "cpu"),
        learner,
        torch.optim.SGD([each for each in learner.parameters() if each.requires_grad], 0.1),
        batches,
        settings.model_copy(update={"drop_video_tokens": 0.0}),
        TaskLoss(LOSSES["cross_entropy"]),
        auxiliary=learner.head,
        rng=np.random.default_rng(0),
        generator=torch.Generator(),
    )
    assert made is not None
    return made, learner, features


def test_a_step_adds_the_weighted_mean_over_known_targets_however_it_is_split() -> None:
    made, one, features = step(rounds=1)
    before = make_head(cues_of((0, NAN), (2, 3), (NAN, NAN), (4, 7)), features.shape[1])
    outputs = before(features)
    # Smiles: mean 2, deviation sqrt(8/3). Pitches: mean 5, deviation 2.
    side = 2 / math.sqrt(8 / 3)
    gaps = torch.stack(
        [outputs[0, 0] + side, outputs[1, 0], outputs[3, 0] - side, outputs[1, 1] + 1, outputs[3, 1] - 1]
    )
    expected = torch.where(gaps.abs() < 1, gaps.square() / 2, gaps.abs() - 0.5).mean().item()
    assert made.losses["auxiliary"] == pytest.approx(expected, rel=1e-4)
    plain = step(rounds=1, weight=0.0)[0].losses["loss"]
    assert made.losses["loss"] == pytest.approx(plain + 0.5 * expected, rel=1e-5)
    # The rounds know three and two of the five targets.
    other, two, _ = step(rounds=2)
    assert other.losses == pytest.approx(made.losses, rel=1e-5)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_auxiliary_head_learns_as_the_classifiers_head_and_is_no_part_of_the_classifier() -> None:
    model = Classifier(SETTINGS.dims, 2)
    names = list(model.state_dict())
    learner = AuxiliaryLearner(model, make_head(cues_of((0, 1), (1, 0)), 4 * SETTINGS.dims.width))
    groups = parameter_groups(learner, learner.list_depths(), layer_decay=0.5, weight_decay=0.1)
    places = {name: index for index, group in enumerate(groups) for name in group["names"]}
    assert places["head.layer.weight"] == places["classifier.head.weight"]
    assert places["head.layer.bias"] == places["classifier.head.bias"]
    assert list(model.state_dict()) == names
