"""Scores by group: bands, marks, and the gap between best and worst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hicmae_cli.evaluation.groups import band_values, describe_groups
from hicmae_cli.evaluation.results import Evaluation
from tests.evaluation.toys import ValueEngine, decision, info_of
from tests.runtime.stubs import LABELS


def people(shares: dict[str, float], clips: int = 30) -> Evaluation:
    """An evaluation where each speaker is right in this share of the clips, equally in each class."""
    samples = []
    for speaker, share in shares.items():
        for clip in range(clips):
            label = LABELS[clip % 3]
            right = clip // 3 < share * clips / 3
            wrong = LABELS[(clip + 1) % 3]
            samples.append(decision(f"{speaker}_{clip}", label, label if right else wrong, speaker))
    return Evaluation(info_of(), "onnx", "av", 1, tuple(samples))


def values(result: Evaluation, of: dict[str, str]) -> dict[str, str]:
    return {sample.id: of[sample.speaker] for sample in result.samples}


def test_a_planted_gap_between_people_is_found() -> None:
    result = people({"a": 0.9, "b": 0.8, "c": 1.0, "d": 0.3, "e": 0.4, "f": 0.2})
    sexes = dict(zip("abcdef", ["female"] * 3 + ["male"] * 3, strict=True))
    found = describe_groups(result, "sex", values(result, sexes), "uar")
    assert [(group["group"], group["decisions"], group["people"]) for group in found["groups"]] == [
        ("female", 90, 3),
        ("male", 90, 3),
    ]
    gap = found["gap"]
    assert (gap["best"], gap["worst"], gap["resampled"], gap["paired"]) == ("female", "male", "speaker", False)
    assert gap["difference"] == pytest.approx(0.6)
    assert 0.4 < gap["bounds"][0] < 0.6 < gap["bounds"][1] < 0.8
    assert all(not group["notes"] for group in found["groups"])


def test_people_in_both_groups_are_paired() -> None:
    """People differ much, but each is as good in one group as in the other: paired, the gap has no spread."""
    result = people({"a": 0.1, "b": 1.0, "c": 0.5, "d": 0.7})
    half = {sample.id: "loud" if int(sample.id[2:]) // 3 % 2 else "quiet" for sample in result.samples}
    both = replace(
        result,
        samples=tuple(replace(s, prediction=s.target if s.speaker in "bd" else LABELS[0]) for s in result.samples),
    )
    gap = describe_groups(both, "intensity", half, "uar")["gap"]
    assert gap["paired"] and gap["difference"] == pytest.approx(0) and gap["bounds"] == pytest.approx([0, 0], abs=1e-9)


def test_groups_of_one_person_are_drawn_by_clip() -> None:
    result = people({"a": 0.9, "b": 0.4})
    found = describe_groups(result, "speaker", values(result, {"a": "a", "b": "b"}), "uar")
    assert found["gap"]["resampled"] == "clip" and found["gap"]["bounds"][0] < 0.5 < found["gap"]["bounds"][1]
    assert [group["notes"] for group in found["groups"]] == [[], []]


def test_small_groups_are_marked_and_shown() -> None:
    result = people({"a": 0.9, "b": 0.4})
    fields = {sample.id: "rare" if sample.id in ("a_0", "a_3") else "" for sample in result.samples}
    found = describe_groups(result, "accent", fields, "uar")
    assert [group["group"] for group in found["groups"]] == ["rare", "unknown"]
    assert found["groups"][0]["notes"] == ["fewer than 20 clips", "1 person", "only anger"]
    assert found["gap"] is None


@pytest.mark.parametrize(
    ("column", "fields", "names"),
    [
        ("age", ["17", "18", "29", "30", "59.5", "74", ""], "under 18|18-29|18-29|30-44|45-59|60 and over|unknown"),
        ("age", ["young", "51"], "young|51"),
        ("take", ["1", "2", ""], "1|2|unknown"),
        (
            "coverage",
            [str(n / 20) for n in range(21)],
            "|".join(["0 to 0.25"] * 6 + ["0.25 to 0.5"] * 5 + ["0.5 to 0.75"] * 5 + ["0.75 to 1"] * 5),
        ),
    ],
)
def test_numbers_become_bands(column: str, fields: list[str], names: str) -> None:
    assert band_values(column, fields) == names.split("|")


def test_values_have_groups_too() -> None:
    rng = np.random.default_rng(0)
    clips = []
    for number in range(60):
        truth = tuple(rng.uniform(-1, 1, 2).tolist())
        noise = 0.1 if number % 2 else 1.0
        row = tuple((np.array(truth) + rng.normal(0, noise, 2)).tolist())
        sample = decision(f"c{number}", "anger", "anger", f"s{number % 6}")
        clips.append(replace(sample, target=truth, prediction=row, outputs=row, views=(row,)))
    result = Evaluation(ValueEngine.info, "onnx", "av", 1, tuple(clips))
    fields = {sample.id: "quiet" if int(sample.id[1:]) % 2 else "noisy" for sample in clips}
    gap = describe_groups(result, "place", fields, "ccc")["gap"]
    assert (gap["best"], gap["worst"]) == ("quiet", "noisy")
    assert gap["bounds"][0] < gap["difference"] < gap["bounds"][1]
