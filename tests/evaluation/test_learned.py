"""An evaluation warns of test people that the weight, or a weight before it, has learned from."""

from __future__ import annotations

import pytest

from hicmae_cli.evaluation.learned import describe_leak, warn_of_learned
from hicmae_cli.evaluation.results import SampleResult
from hicmae_cli.records.seen import note_seen
from hicmae_cli.weights.info import WeightInfo
from tests.weights.toys import DIMS, info_of

INFO = info_of(DIMS, 2)


def test_every_training_behind_a_weight_counts() -> None:
    before = note_seen("crema-d", "pre-training", [("anna", "1"), ("ben", "2")])
    own = note_seen("crema-d", "fine-tuning", [("ben", "2")], fold="1")
    info: WeightInfo = INFO.model_copy(update={"seen": (before, own), "fold": "1"})

    def warnings(speaker: str, fold: str) -> list[str]:
        return warn_of_learned(info, "crema-d-4", fold, [SampleResult("x", "anger", "anger", (), (), speaker)])

    assert warnings("cleo", "1") == []
    (line,) = warnings("anna", "1")
    assert line == (
        "the weight has learned from people or clips that are tested, without labels: its pre-training on crema-d "
        "included 1 test speaker; the score may be optimistic"
    )
    assert len(warnings("ben", "1")) == 2  # fine-tuned on him, too
    assert len(warnings("ben", "2")) == 1  # the protocol already names another fold
    assert warn_of_learned(INFO, "crema-d", "1", []) == []


@pytest.mark.parametrize(
    ("trained", "fold", "warned"), [("1", "2", True), ("1", "1", False), ("1", "", False), ("", "2", False)]
)
def test_a_weight_of_another_fold_is_warned_of(trained: str, fold: str, warned: bool) -> None:
    assert (describe_leak(INFO.model_copy(update={"fold": trained}), fold) is not None) is warned
