"""What a score means, in words and beside the paper's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from hicmae_cli.corpora.dataset import SplitFacts
from hicmae_cli.corpora.fold_protocols import draw_folds, parse_protocol
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import hash_split
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.intervals import warn_of_people
from hicmae_cli.evaluation.label_maps import Matched
from hicmae_cli.evaluation.protocol import SELECTIONS, Protocol
from hicmae_cli.weights.info import Selection
from tests.cli.catalogues import TOYS
from tests.evaluation.toys import evaluation, info_of
from tests.runtime.stubs import LABELS

DATASET = replace(
    TOYS,
    labels=LABELS,
    codes={},
    scores={"uar": 0.5, "war": 0.6},
    published={"1": SplitFacts(3, 2, scores={"uar": 0.4}), "2": SplitFacts(2, 3)},
)
RIGHT = evaluation("anger:anger", "happiness:happiness")
WRONG = evaluation("anger:happiness", "happiness:happiness", "neutral:neutral", speakers=2)

FEW = warn_of_people(["s0", "s1"])
"""The warning of the two people of ``WRONG``."""


def test_a_fold_stands_beside_the_papers_fold() -> None:
    document = Protocol("toys", DATASET, "1").to_dict(RIGHT)
    assert document["published"] == {
        "uar": {"measured": 1.0, "published": 0.4, "difference": pytest.approx(0.6), "of": "fold 1"}
    }
    other = Protocol("toys", DATASET, "2").to_dict(WRONG)["published"]
    assert {name: (both["published"], both["of"]) for name, both in other.items()} == {
        "uar": (0.5, "all folds"),
        "war": (0.6, "all folds"),
    }


def test_folds_stand_beside_the_total_and_each_beside_its_own() -> None:
    document = Protocol("toys", DATASET, "all").to_dict(FoldsEvaluation({"1": RIGHT, "2": WRONG}))
    assert document["published"]["war"]["published"] == 0.6
    assert document["published"]["war"]["measured"] == document["metrics"]["war"]
    assert document["folds"]["1"]["published"]["uar"]["difference"] == pytest.approx(0.6)
    assert document["folds"]["2"]["published"] == {}


def test_drawn_folds_are_explained_and_have_no_published_numbers() -> None:
    people = [Sample(f"c{n}", None, None, "anger", speaker=str(n)) for n in range(2)]
    drawn = draw_folds(people, parse_protocol("loso"), 0)
    own = drawn.describe(DATASET)
    document = Protocol("toys", own, "all", drawn_rule=drawn.rule).to_dict(
        FoldsEvaluation({"loso-0": RIGHT, "loso-1": WRONG})
    )
    assert document["published"] == {} and not any(fold["published"] for fold in document["folds"].values())
    assert "leave one speaker out: every fold tests the clips of one speaker; not the" in document["protocol"][0]
    assert Protocol("toys", own, "loso-0", drawn_rule=drawn.rule).to_dict(RIGHT)["published"] == {}
    assert not any("published" in warning for warning in document["warnings"])


def test_a_weight_with_renamed_labels_is_not_compared_with_the_paper() -> None:
    info = RIGHT.info.model_copy(update={"relabelled": {LABELS[0]: "rage"}})
    renamed = replace(RIGHT, info=info)
    document = Protocol("toys", DATASET, "1").to_dict(renamed)
    assert document["published"] == {}
    assert any(f"{LABELS[0]} (was rage); no published scores" in line for line in document["warnings"])
    folds = Protocol("toys", DATASET, "all").to_dict(FoldsEvaluation({"1": renamed, "2": WRONG}))
    assert folds["published"] == {} and folds["folds"]["1"].get("published", {}) == {}
    assert any("(was rage)" in line for line in folds["warnings"])


def test_other_streams_and_labels_are_not_the_papers() -> None:
    assert Protocol("toys", DATASET, "1").to_dict(replace(RIGHT, modality="audio"))["published"] == {}
    dropped = Matched([], dropped={"fear": 2})
    assert Protocol("toys", DATASET, "1", matched=dropped).to_dict(RIGHT)["published"] == {}
    assert Protocol("toys", DATASET, "1", cross=True, matched=dropped).to_dict(RIGHT)["published"] == {}
    merged, renamed = (Matched([], mapping={"anger": name}) for name in ("neutral", "rage"))
    assert Protocol("toys", DATASET, "1", matched=merged).to_dict(RIGHT)["published"] == {}
    assert Protocol("toys", DATASET, "1", matched=renamed).to_dict(RIGHT)["published"]


def test_clips_that_do_not_test_stand_beside_nothing() -> None:
    fixed = replace(DATASET, folds=(), published={"": SplitFacts(3, 2)})
    for split, published in (("test", True), ("train", False), ("all", False)):
        document = Protocol("toys", fixed, split=split).to_dict(RIGHT)
        assert bool(document["published"]) is published
        assert any(f"on the split {split}," in warning for warning in document["warnings"]) is not published


def test_a_missing_fold_is_named_and_the_rest_is_no_total() -> None:
    document = Protocol("toys", DATASET, "all").to_dict(FoldsEvaluation({"1": RIGHT}))
    assert "the scores lack fold 2: the list has no clips of it" in document["warnings"]
    assert document["published"] == {}
    assert document["folds"]["1"]["published"]["uar"]["published"] == 0.4


def test_a_list_without_folds_of_a_dataset_with_them_is_not_its_protocol() -> None:
    document = Protocol("toys", DATASET).to_dict(RIGHT)
    assert document["published"] == {} and document["official"] is False
    assert "the list names no folds" in document["official_reason"]


def test_ids_and_labels_decide_whether_clips_are_the_published_ones() -> None:
    """Folds with the published names and counts may hold other clips."""
    sha256 = hash_split([("c0", "0"), ("c1", "1")])
    hashed = replace(DATASET, published={"1": SplitFacts(3, 2, test_sha256=sha256, scores={"uar": 0.4})}, folds=("1",))
    same = Protocol("toys", hashed, "1").to_dict(RIGHT)
    assert same["official"] is True and same["published"]["uar"]["published"] == 0.4
    assert "(by box)" in same["protocol"][0] and "yes; ids and labels" in same["protocol"][1]
    others = replace(RIGHT, samples=tuple(replace(sample, id=f"x{sample.id}") for sample in RIGHT.samples))
    relabelled = evaluation("anger:anger", "neutral:happiness")
    for found in (others, relabelled, FoldsEvaluation({"1": others})):
        document = Protocol("toys", hashed, "all" if isinstance(found, FoldsEvaluation) else "1").to_dict(found)
        assert document["official"] is False and document["published"] == {}
        assert document.get("folds", {"1": {"published": {}}})["1"]["published"] == {}
        assert "by box" not in " ".join(document["protocol"])
        assert document["warnings"][-1] == (
            "ids and labels of fold 1 are not those of the published list: the published scores are not shown"
        )


def test_the_list_is_compared_and_not_what_could_be_read() -> None:
    sha256 = hash_split([("c0", "0"), ("c1", "1"), ("c2", "2")])
    hashed = replace(DATASET, published={"1": SplitFacts(3, 3, test_sha256=sha256)}, folds=("1",))
    failed = replace(RIGHT, failures=(("c2", "broken"),))
    listed = {"1": [("c0", "anger"), ("c1", "happiness"), ("c2", "neutral")]}
    assert Protocol("toys", hashed, "1", listed=listed).to_dict(failed)["official"] is True
    assert Protocol("toys", hashed, "1").to_dict(failed)["official"] is None
    # A map changes what is scored, not what is listed.
    renamed = replace(
        RIGHT,
        samples=tuple(replace(s, target=s.target.replace("anger", "rage")) for s in WRONG.samples),  # type: ignore[union-attr]
    )
    mapped = Matched([], mapping={"anger": "rage"})
    assert Protocol("toys", hashed, "1", matched=mapped).verify(renamed).value is True


def test_counts_alone_verify_nothing() -> None:
    document = Protocol("toys", DATASET, "1").to_dict(RIGHT)
    assert document["official"] is None and "only the number of clips of fold 1" in document["official_reason"]
    assert "(by box; not verified)" in document["protocol"][0]
    counted = replace(DATASET, published={"1": SplitFacts(3, 2, scores={"uar": 0.4}, test_counts=(2, 0, 0))})
    document = Protocol("toys", counted, "1").to_dict(RIGHT)
    assert document["official"] is False and document["published"] == {}


def test_a_fixed_split_and_targets() -> None:
    fixed = replace(DATASET, folds=(), published={"": SplitFacts(3, 2)}, scores={"pcc_arousal": 0.3, "pcc_power": 1})
    info = info_of(task="regression", labels=("arousal", "valence"))
    found = replace(
        RIGHT,
        info=info,
        samples=tuple(replace(s, target=(float(n), 0.0), outputs=(float(n), 1.0)) for n, s in enumerate(RIGHT.samples)),
    )
    document = Protocol("toys", fixed, split="test").to_dict(found)
    assert document["published"]["pcc_arousal"]["published"] == 0.3
    assert document["published"]["pcc_arousal"]["of"] == "the test split"
    assert "the mean of the values" in " ".join(document["protocol"])


@pytest.mark.parametrize(
    ("selection", "said", "optimistic"),
    [
        ("", "not recorded", False),
        ("val", "the test clips had no influence", False),
        ("last", "last epoch", False),
        ("test-best", "chosen on the test clips: optimistic", True),
    ],
)
def test_how_the_epoch_was_chosen_is_said(selection: str, said: str, optimistic: bool) -> None:
    found = replace(RIGHT, info=info_of(selection=selection))
    document = Protocol("toys", DATASET, "1").to_dict(found)
    assert said in document["protocol"][-1]
    assert document["selection"]["optimistic"] is optimistic
    assert any(said in warning for warning in document["warnings"]) is optimistic
    assert document["weights"].get("selection", "") == selection


@pytest.mark.parametrize(
    ("trained_on", "tested", "cross", "optimistic"),
    [
        ("toys", "toys", False, True),
        ("unknown", "toys", False, True),
        ("crema-d", "crema-d-4", False, True),
        ("crema-d", "ravdess", False, False),
        ("crema-d", "ravdess", True, False),
        ("elsewhere", "toys", True, False),
    ],
)
def test_an_epoch_that_was_chosen_on_other_clips_is_not_optimistic(
    trained_on: str, tested: str, cross: bool, optimistic: bool
) -> None:
    found = replace(RIGHT, info=info_of(selection="test-best", dataset=trained_on))
    document = Protocol(tested, cross=cross).to_dict(found)
    assert document["selection"]["optimistic"] is optimistic
    assert document["selection"]["rule"] == "test-best"
    assert any("optimistic" in text for text in document["warnings"] + document["protocol"]) is optimistic
    assert ("on the test clips of crema-d, which are not tested here" in document["protocol"][-1]) is (
        trained_on == "crema-d" and not optimistic
    )


def test_every_rule_of_choosing_an_epoch_has_words() -> None:
    assert set(SELECTIONS) == {"", *get_args(Selection)}


def test_folds_of_ones_own_are_not_the_published_ones() -> None:
    found = FoldsEvaluation({"1001": RIGHT, "1002": WRONG})
    document = Protocol("toys", DATASET, "all").to_dict(found)
    assert document["warnings"][0] == (
        "the list has other folds than the published ones (1, 2): no published scores are shown"
    )
    assert document["published"] == {}


def test_one_optimistic_fold_makes_a_total_optimistic() -> None:
    worst = replace(WRONG, info=info_of(selection="test-best"))
    both = FoldsEvaluation({"1": replace(RIGHT, info=info_of(selection="val")), "2": worst})
    assert "optimistic" in Protocol("toys", DATASET, "all").explain(both)[-1]
    chosen = Protocol("toys", DATASET, "all").describe_selection(both)
    assert chosen["optimistic"] and chosen["rule"] == "test-best+val"


def test_absent_classes_other_counts_and_failures_are_warned_of() -> None:
    found = replace(RIGHT, failures=(("c9", "broken"),))
    listed = {"1": [("c0", "anger"), ("c1", "happiness"), ("c9", "anger")]}
    warnings = Protocol("toys", DATASET, "1", listed=listed).to_dict(found)["warnings"]
    assert warnings == [
        "fold 1: no clip of neutral; UAR is over the 2 classes with clips, macro F1 also over predicted ones",
        "fold 1 has 3 clips, the published one 2: the published scores are not shown",
        "1 clips could not be read and are not in the scores",
    ]
    assert Protocol("toys", DATASET, "2").to_dict(WRONG)["warnings"] == FEW


def test_a_split_that_shares_people_is_warned_of() -> None:
    shared = replace(DATASET, shares_people="one cast is in all parts")
    assert Protocol("toys", shared, "2").to_dict(WRONG)["warnings"] == [
        "one cast is in all parts; the scores do not show how the model does on new people",
        *FEW,
    ]
    assert Protocol("toys", shared, "2", drawn_rule="one person each").to_dict(WRONG)["warnings"] == FEW


def test_a_weight_of_another_corpus_is_warned_of() -> None:
    for trained_on, warned in (("elsewhere", True), ("toys", False), ("unknown", False)):
        found = replace(WRONG, info=info_of(dataset=trained_on))
        told = Protocol("toys", DATASET, "2").to_dict(found)["warnings"]
        assert told == [f"the weight says it was trained on {trained_on}, not on toys"] * warned + FEW


def test_the_words_name_people_rule_map_and_merging() -> None:
    merged = replace(DATASET, merge_by=3)
    matched = Matched([], dropped={"fear": 2}, mapping={"calm": "neutral"})
    told = " ".join(Protocol("toys", merged, "2", matched=matched).explain(WRONG))
    for part in (
        "Toys, fold 2 (by box; not verified): 3 clips of 2 speakers",
        "calm as neutral",
        "2 of fear",
        "have one decision",
    ):
        assert part in told


def test_across_corpora_says_so_and_gives_baselines() -> None:
    matched = Matched([], classes=("anger", "happiness"))
    found = replace(RIGHT, classes=("anger", "happiness"))
    document = Protocol("toys", DATASET, matched=matched, cross=True).to_dict(found)
    assert document["cross"] == {"trained_on": "toys", "shared": ["anger", "happiness"]}
    assert document["baselines"]["chance"]["uar"] == 0.5


@pytest.mark.parametrize(
    ("trained_on", "tested", "apart"),
    [
        ("crema-d", "ravdess", True),
        ("elsewhere", "ravdess", False),
        ("manifest", "ravdess", False),
        ("crema-d", "clips", False),
    ],
)
def test_what_the_weight_has_seen_is_claimed_only_where_it_is_known(trained_on: str, tested: str, apart: bool) -> None:
    found = replace(RIGHT, info=info_of(dataset=trained_on))
    told = " ".join(Protocol(tested, cross=True).explain(found))
    assert (f"on no clip of {tested}" in told) is apart
    assert (f"shares people with {tested} is not known" in told) is not apart


def test_a_bare_manifest_has_a_document_too(tmp_path: Path) -> None:
    document = Protocol("clips", split="test").to_dict(RIGHT)
    assert document["published"] == {} and document["dataset"] == "clips"
