"""Losses against hand-worked numbers, and where they could divide by zero."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import ValidationError

from hicmae_cli.augmentation.mixing import soft_targets
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.models.losses import DEFAULT_LOSS, LOSSES, class_weights, cross_entropy, resolve_loss
from hicmae_cli.recipes.settings import FinetuneSettings

REGRESSION = [name for name, loss in LOSSES.items() if loss.task == "regression"]
# Two targets of four clips. First: outputs 1 2 3 4 for 2 2 4 4, so means 2.5 and 3, variances 1.25 and 1, covariance 1.
# Second: outputs are the targets.
OUTPUTS = torch.tensor([[1.0, 0.5], [2.0, -1.0], [3.0, 2.0], [4.0, 0.0]])
TARGETS = torch.tensor([[2.0, 0.5], [2.0, -1.0], [4.0, 2.0], [4.0, 0.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", 2 / 8),  # errors 1 0 1 0 and none
        ("l1", 2 / 8),
        ("smooth_l1", 1 / 8),  # 0.5 for an error of 1
        ("ccc", 1 - (2 * 1 / (1.25 + 1 + 0.25) + 1) / 2),
        ("pcc", 1 - (1 / math.sqrt(1.25) + 1) / 2),
    ],
)
def test_losses_equal_those_worked_by_hand(name: str, expected: float) -> None:
    assert LOSSES[name].terms(OUTPUTS, TARGETS)["loss"].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (torch.zeros(4, 2), TARGETS),
        (OUTPUTS, torch.ones(4, 2)),
        (torch.full((4, 2), 0.3), torch.full((4, 2), 0.3)),
        (torch.full((4, 2), 1e4), torch.full((4, 2), -1e4)),
        (OUTPUTS[:1], TARGETS[:1]),
        (OUTPUTS * 1e-6, TARGETS),
    ],
)
def test_degenerate_batches_have_finite_losses_and_gradients(
    name: str, outputs: torch.Tensor, targets: torch.Tensor
) -> None:
    outputs = outputs.clone().requires_grad_()
    loss = LOSSES[name].terms(outputs, targets)["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert outputs.grad is not None and torch.isfinite(outputs.grad).all()
    if name in ("ccc", "pcc"):
        assert -1e-6 <= loss.item() <= 2


def test_correlation_losses_fall_along_their_gradient() -> None:
    for name in ("ccc", "pcc"):
        outputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
        targets = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
        before = LOSSES[name].terms(outputs, targets)["loss"]
        before.backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert LOSSES[name].terms(outputs - outputs.grad, targets)["loss"] < before
    half = torch.randn(16, 3).bfloat16()
    assert LOSSES["ccc"].terms(half, half)["loss"].dtype == torch.float32


def test_cross_entropy_equals_that_worked_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])  # probabilities 1/2 1/2 and 3/4 1/4
    targets = torch.tensor([0, 1])
    weights = torch.tensor([0.5, 1.5])
    assert cross_entropy(logits, targets).item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    weighted = (0.5 * math.log(2) + 1.5 * math.log(4)) / 2
    assert cross_entropy(logits, targets, weights).item() == pytest.approx(weighted)


def test_indices_and_probabilities_of_classes_give_the_same_cross_entropy() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    for weights in (None, torch.tensor([0.5, 2.0, 1.0, 0.7])):
        hard, soft = (cross_entropy(logits, targets, weights) for targets in (labels, soft_targets(labels, 4, 0.0)))
        assert hard.item() == pytest.approx(soft.item(), rel=1e-5)
        smooth = F.cross_entropy(logits, labels, weights, label_smoothing=0.1, reduction="none").mean()
        assert cross_entropy(logits, soft_targets(labels, 4, 0.1), weights).item() == pytest.approx(
            smooth.item(), rel=1e-5
        )
        halves = [cross_entropy(logits[i : i + 3], labels[i : i + 3], weights) for i in (0, 3)]
        assert torch.stack(halves).mean().item() == pytest.approx(hard.item(), rel=1e-5)


def test_robust_losses_equal_those_worked_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])  # probabilities 1/2 1/2 and 3/4 1/4
    targets = torch.tensor([0, 1])
    forward = (math.log(2) + math.log(4)) / 2
    # A target of 0 counts as 1e-4, and log 1 = 0: the probability of the wrong class times -log 1e-4.
    reverse = (1 / 2 + 3 / 4) / 2 * -math.log(1e-4)
    found = LOSSES["symmetric_cross_entropy"].terms(logits, targets)
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {"loss": 0.1 * forward + reverse, "cross_entropy": forward, "reverse_cross_entropy": reverse}
    )
    # 0.95 of the label and 0.05 of the model: 0.975 0.025, and 0.0375 0.9625.
    first = 0.975 * math.log(2) + 0.025 * math.log(2)
    second = 0.0375 * math.log(4 / 3) + 0.9625 * math.log(4)
    bootstrapped = LOSSES["bootstrapped_cross_entropy"].terms(logits, targets)["loss"]
    assert bootstrapped.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("name", ["symmetric_cross_entropy", "bootstrapped_cross_entropy"])
def test_a_label_that_the_model_is_sure_is_wrong_pulls_less_than_in_cross_entropy(name: str) -> None:
    def pull(function: str, logit: float) -> float:
        logits = torch.tensor([[logit, 0.0]], requires_grad=True)
        LOSSES[function].terms(logits, torch.tensor([1]))["loss"].backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        return abs(logits.grad[0, 0].item())

    assert pull(name, 4.0) < 0.96 * pull("cross_entropy", 4.0)
    soft = soft_targets(torch.tensor([0, 1]), 3, 0.1)
    terms = LOSSES[name].terms(torch.randn(2, 3).bfloat16() * 50, soft)
    assert all(torch.isfinite(term) and term.dtype == torch.float32 for term in terms.values())


def test_balanced_weights_count_draws() -> None:
    weights = class_weights(["a", "a", "b"], ("a", "b"), "balanced", [0.5, 0.5, 3.0])
    assert weights is not None and weights.tolist() == pytest.approx([4 / 2, 4 / 6])


def test_balanced_weights_make_classes_count_alike() -> None:
    clips = ["a"] * 6 + ["b"] * 2 + ["c"] * 4
    weights = class_weights(clips, ("a", "b", "c"), "balanced")
    assert weights is not None
    assert weights.tolist() == pytest.approx([12 / 18, 12 / 6, 12 / 12])
    per_clip = weights[torch.tensor(["abc".index(label) for label in clips])]
    assert per_clip.mean().item() == pytest.approx(1)
    assert class_weights(clips, ("a", "b", "c"), "none") is None
    with pytest.raises(ManifestError, match="no training clips of d, e;"):
        class_weights(clips, ("a", "b", "c", "d", "e"), "balanced")


def test_a_loss_serves_one_task() -> None:
    assert resolve_loss("auto", "regression") == "mse"
    assert resolve_loss("auto", "classification") == "cross_entropy"
    assert resolve_loss("ccc", "regression") == "ccc"
    with pytest.raises(SettingsError, match=r"loss='ccc': the labels are classes.*use auto or cross_entropy"):
        resolve_loss("ccc", "classification")
    with pytest.raises(SettingsError, match=r"loss='cross_entropy': .*use auto or mse, l1"):
        resolve_loss("cross_entropy", "regression")
    assert {task: LOSSES[name].task for task, name in DEFAULT_LOSS.items()} == {
        "classification": "classification",
        "multilabel": "multilabel",
        "regression": "regression",
    }
    assert resolve_loss("auto", "multilabel") == "binary_cross_entropy"
    with pytest.raises(SettingsError, match=r"the labels are sets of labels; use auto or binary_cross_entropy"):
        resolve_loss("cross_entropy", "multilabel")


def test_binary_cross_entropy_asks_one_question_per_label() -> None:
    """By hand: -t log p - (1 - t) log(1 - p), averaged over all clips and labels; half precision is enough."""
    logits = torch.tensor([[0.5, -2.0, 30.0], [0.0, 1.0, -30.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.25, 1.0, 0.0]])
    p = logits.double().sigmoid()
    expected = -(targets * p.log() + (1 - targets) * (-logits.double()).sigmoid().log()).mean().item()
    loss = LOSSES["binary_cross_entropy"]
    assert loss.mixes and loss.terms(logits, targets)["loss"].item() == pytest.approx(expected, rel=1e-6)
    assert loss.terms(logits.half(), targets)["loss"].item() == pytest.approx(expected, rel=1e-3)


def test_a_recipe_takes_any_loss_of_the_table_and_no_other() -> None:
    for name in ("auto", *LOSSES):
        assert FinetuneSettings(loss=name).loss == name
    with pytest.raises(ValidationError) as caught:
        FinetuneSettings(loss="hinge")
    assert all(name in str(caught.value) for name in ("auto", *LOSSES, "'hinge'"))
