"""Analyses on planted numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.studies import analyses
from hicmae_cli.studies.analyses import ANALYSES, analyse_conditions, analyse_factors, analyse_seeds, find_analysis
from hicmae_cli.studies.layer_analyses import analyse_alignment, analyse_layers
from hicmae_cli.studies.result import Claim, Findings, Record, Runs
from hicmae_cli.studies.scaling import analyse_scaling, list_rarest
from hicmae_cli.studies.statistics import compare_paired
from hicmae_cli.studies.wording import (
    answer,
    claim_difference,
    complete,
    count_decimals,
    find_reference,
    tabulate_differences,
)

SEEDS = 5


def plant(
    factors: Mapping[str, list[str]],
    value: Callable[[Mapping[str, str]], Mapping[str, float]],
    x: Mapping[str, list[float]] | None = None,
    noise: float = 0.005,
    alone: bool = False,
) -> Runs:
    """Runs of all combinations whose measures are those of ``value``, and luck of the seed and of the run."""
    rng = np.random.default_rng(0)
    names = list(factors)
    cells = [dict(zip(names, levels, strict=True)) for levels in _combine([factors[name] for name in names])]
    if alone:
        cells = [cell for cell in cells if sum(cell[name] != factors[name][0] for name in names) <= 1]
    luck = rng.normal(0, 0.05, SEEDS)
    records = [
        Record(cell, seed, {key: number + luck[seed] + rng.normal(0, noise) for key, number in value(cell).items()})
        for cell in cells
        for seed in range(SEEDS)
    ]
    return Runs(records, factors, {name: levels[0] for name, levels in factors.items()}, ["uar"], x or {})


def _combine(levels: list[list[str]]) -> list[list[str]]:
    return [[]] if not levels else [[one, *rest] for one in levels[0] for rest in _combine(levels[1:])]


def test_a_factor_that_counts_is_told_from_one_that_does_not() -> None:
    runs = plant({"mask": ["a", "b"], "size": ["s", "m", "l"]}, lambda cell: {"uar": 0.5 + 0.1 * (cell["mask"] == "b")})
    assert len(analyse_factors(runs).claims) == 3
    runs = replace(runs, within=True)
    found = {claim.numbers["first"]: claim.numbers for claim in analyse_factors(runs).claims}
    assert found["mask b"]["significant"]
    assert found["mask b"]["mean"] == pytest.approx(0.1, abs=0.01)
    assert found["mask b at m"]["significant"]
    assert not found["size m"]["significant"]
    assert not found["size l"]["significant"]


def test_one_at_a_time_compares_with_the_baseline() -> None:
    runs = plant(
        {"a": ["on", "off"], "b": ["on", "off"]}, lambda cell: {"uar": 0.5 - 0.1 * (cell["a"] == "off")}, alone=True
    )
    claims = analyse_factors(runs).claims
    assert [(claim.numbers["first"], claim.numbers["significant"]) for claim in claims] == [
        ("a off", True),
        ("b off", False),
    ]


def test_every_number_of_a_claim_is_in_the_record() -> None:
    runs = plant({"mask": ["a", "b"]}, lambda cell: {"uar": 0.5 + 0.1 * (cell["mask"] == "b")})
    (claim,) = analyse_factors(runs).claims
    json.dumps(claim.numbers, allow_nan=False)
    numbers = claim.numbers
    written = re.findall(r"[+-]\d+\.(?P<decimals>\d+)", claim.text)
    expected = [numbers["mean"], *numbers["interval"]]
    assert re.findall(r"[+-]\d+\.\d+", claim.text) == [
        f"{number:+.{len(decimals)}f}" for number, decimals in zip(expected, written, strict=True)
    ]


def test_the_answer_counts_what_is_significant() -> None:
    def find(effect: float) -> Claim | None:
        levels = {"mask": ["a", "b", "c"]}
        return answer(analyse_factors(plant(levels, lambda cell: {"uar": 0.5 + effect * (cell["mask"] == "b")})).claims)

    found, none = find(-0.1), find(0.0)
    assert found is not None and none is not None
    assert re.fullmatch(r"UAR: 1 of 2 differences is significant: b minus a -0\.1\d+ \(-\S+ to -\S+\)\.", found.text)
    assert found.numbers == {"by_measure": {"uar": {"significant": 1, "differences": 2}}}
    said = re.fullmatch(
        r"UAR: none of 2 differences is significant \(estimates (\S+) to (\S+), 95 % intervals from (\S+) to (\S+)\), "
        "so effects of that size are not excluded.",
        none.text,
    )
    assert said is not None
    low, high, least, most = map(float, said.groups())
    assert least < low < high < most
    assert answer([Claim("It varies.", {"sd": 0.1})]) is None


def test_the_check_names_what_a_model_without_knowledge_gets() -> None:
    recalls = {f"recall {label}": 0.5 for label in ("anger", "fear", "joy", "calm")}
    runs = plant({"mask": ["a", "b"]}, lambda _: {"uar": 0.5, "video_error": 0.9, **recalls})
    found = complete(analyse_factors(replace(runs, metrics=["uar", "video_error"])), runs)
    assert found.check is not None
    assert found.check.numbers["uar"]["reference"] == 0.25
    assert "(chance 0.25)" in found.check.text
    assert found.charts[0].reference == (0.25, "chance")
    assert find_reference(runs, "video_error") == (1.0, "guessing the mean")
    assert find_reference(runs, "uar lost") is None
    assert find_reference(runs, "war") is None
    moved = plant({"mask": ["a", "b"]}, lambda _: {"uar other corpus": 0.6}, noise=0.0)
    records = [
        replace(record, measures={**record.measures, "uar other corpus chance": 0.5, **recalls})
        for record in moved.records
    ]
    moved = replace(moved, records=records)
    assert find_reference(moved, "uar other corpus") == find_reference(moved, "uar own corpus") == (0.5, "chance")


def test_a_level_is_not_compared_with_its_own_jobs() -> None:
    runs = plant({"part": ["whole", "contrast", "fusion"]}, lambda _: {"uar": 0.5, "video_error": 0.9})
    shared = {"whole": "same", "contrast": "own", "fusion": "same"}
    records = []
    for record in runs.records:
        part = record.levels["part"]
        jobs = {"uar": f"{part}-{record.seed}", "video_error": f"{shared[part]}-{record.seed}"}
        records.append(replace(record, jobs=jobs))
    claims = analyse_factors(replace(runs, records=records, metrics=["uar", "video_error"])).claims
    assert [(claim.numbers["first"], claim.numbers["metric"], claim.numbers["together"]) for claim in claims] == [
        ("contrast", "uar", 2),
        ("fusion", "uar", 2),
        ("contrast", "video_error", 1),
    ]


def test_equal_values_have_no_interval() -> None:
    same = compare_paired("a", "b", "uar", {0: 0.5, 1: 0.25}, {0: 0.5, 1: 0.25})
    assert claim_difference(same, 1).text == "a minus b: the same UAR in all 2 seeds; no interval can be given."
    assert tabulate_differences([same]).rows[0][4] == "the same in all seeds"


@pytest.mark.parametrize(("size", "decimals"), [(0.0, 3), (0.2, 3), (0.012, 3), (0.0034, 4), (0.00056, 5), (1e-9, 6)])
def test_a_small_spread_gets_more_decimals(size: float, decimals: int) -> None:
    assert count_decimals(size) == decimals


def test_conditions_find_the_stream_that_counts() -> None:
    values = {"uar both": 0.7, "uar video alone": 0.7, "uar audio alone": 0.4, "uar noise 0 dB": 0.6}
    claims = analyse_conditions(plant({}, lambda _: values)).claims
    assert {claim.numbers["first"]: claim.numbers["significant"] for claim in claims} == {
        "video alone": False,
        "audio alone": True,
        "noise 0 dB": True,
    }


def test_the_variation_over_seeds_is_that_of_the_seeds() -> None:
    runs = plant({}, lambda _: {"uar": 0.5})
    claim = analyse_seeds(runs).answer
    assert claim is not None
    each = [record.measures["uar"] for record in runs.records]
    assert claim.numbers["sd"] == pytest.approx(np.std(each, ddof=1))
    needed = claim.numbers["needed"]
    assert needed["0.1"][0] < needed["0.02"][0]
    middle, least, most = needed["0.05"]
    assert least < middle < most and f"{middle} ({least} to {most}) seeds each" in claim.text


def test_the_layer_with_the_emotion_is_found() -> None:
    levels = {f"probe {stream}_{layer}": 0.3 for stream in ("video", "audio") for layer in (1, 2, 3)}
    runs = plant(
        {},
        lambda _: {
            **levels,
            "probe video_2": 0.6,
            "probe video_fusion": 0.3,
            "weight video_1": 0.5,
            "weight video_2": 0.5,
        },
    )
    found = analyse_layers(runs)
    assert {claim.numbers["first"] for claim in found.claims if claim.numbers["significant"]} == {"video layer 2"}
    assert found.charts[0].x == (1.0, 2.0, 3.0)
    assert [row[0] for row in found.tables[0].rows][-1] == "video fusion"


def test_alignment_compares_layers_between_levels() -> None:
    def value(cell: Mapping[str, str]) -> dict[str, float]:
        trained = cell["training"] == "after"
        return {
            "modality_gap layer 1": 1.0,
            "modality_gap layer 2": 1.0,
            "modality_gap": 1.0,
            "recall_at_1 layer 1": 0.1,
            "recall_at_1 layer 2": 0.1 + 0.4 * trained,
            "recall_at_1": 0.1 + 0.2 * trained,
            "recall_at_1 chance": 0.1,
        }

    runs = replace(plant({"training": ["before", "after"]}, value), metrics=["modality_gap", "recall_at_1"])
    found = analyse_alignment(runs)
    significant = {claim.numbers["metric"]: claim.numbers["significant"] for claim in found.claims}
    assert significant == {"modality_gap": False, "recall_at_1": True}
    assert [row[0] for row in found.tables[0].rows][-2:] == ["recall@1, layer 1", "recall@1, layer 2"]
    assert found.charts[1].x == (1.0, 2.0)
    assert found.charts[1].reference is not None and found.charts[1].reference[1] == "chance"


def test_scaling_finds_exponent_end_and_rare_classes() -> None:
    factors = {"width": ["1", "4", "16"], "clips": ["10", "20"]}
    runs = plant(
        factors,
        lambda cell: {
            "uar": 1 - 0.5 * float(cell["width"]) ** -0.3,
            "recall fear": 0.2,
            "recall joy": 0.9,
            "train clips fear": 5,
            "train clips joy": 100,
        },
        {"width": [1, 4, 16], "clips": [10, 20]},
    )
    claims = {
        str(claim.numbers.get("factor", "rare")) + str(list(claim.numbers)[1]): claim.numbers
        for claim in analyse_scaling(runs).claims
    }
    assert claims["widthexponent"]["exponent"] == pytest.approx(-0.3, abs=0.1)
    assert claims["widthdiminishing"]["diminishing"] is None
    assert claims["clipsdiminishing"]["diminishing"]["significant"] is False
    assert list_rarest(runs) == ["fear", "joy"]
    untested = [
        replace(each, measures={key: value for key, value in each.measures.items() if key != "recall fear"})
        for each in runs.records
    ]
    assert list_rarest(replace(runs, records=untested)) == []
    with pytest.raises(SettingsError, match="needs a number `x`"):
        analyse_scaling(plant(factors, lambda _: {"uar": 0.5}))


def test_an_installed_package_can_offer_an_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name, value = "mine", "package:analyse"

        def load(self) -> object:
            return analyse_seeds

    monkeypatch.setattr(analyses, "entry_points", lambda *, group: [Point()] if group == "hicmae.analyses" else [])
    assert find_analysis("mine") is analyse_seeds
    assert "mine" not in ANALYSES
    monkeypatch.setattr(Point, "load", lambda self: 1 / 0)
    with pytest.raises(SettingsError, match=r"analysis 'mine': package:analyse cannot be used \(division by zero\)"):
        find_analysis("mine")


NULLS: dict[str, tuple[Callable[[Runs], Findings], dict[str, list[str]], list[str], list[str]]] = {
    "factors": (analyse_factors, {"mask": ["a", "b", "c"]}, ["uar"], ["uar"]),
    "conditions": (analyse_conditions, {}, ["uar"], ["uar both", "uar video alone", "uar noise 0 dB"]),
    "layers": (analyse_layers, {}, ["uar"], [f"probe {s}_{n}" for s in ("video", "audio") for n in (1, 2, 3)]),
    "alignment": (
        analyse_alignment,
        {"training": ["a", "b"]},
        ["recall_at_1"],
        ["recall_at_1", "recall_at_1 layer 1", "recall_at_1 layer 2"],
    ),
}


@pytest.mark.parametrize("name", NULLS)
def test_an_analysis_of_nothing_finds_nothing_at_the_stated_rate(name: str) -> None:
    analyse, factors, metrics, measures = NULLS[name]
    levels = next(iter(factors.values()), [""])
    factor = next(iter(factors), "")
    alarms, trials = 0, 300
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        records = [
            Record({factor: level} if factor else {}, seed, {each: float(rng.normal(0.5, 0.05)) for each in measures})
            for level in levels
            for seed in range(4)
        ]
        runs = Runs(records, factors, {factor: levels[0]} if factor else {}, metrics)
        alarms += any(claim.numbers["significant"] for claim in analyse(runs).claims)
    # Binomial with 0.05: 28 or more of 300 happen once in a thousand such tests.
    assert alarms < 28
