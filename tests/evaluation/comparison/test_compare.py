"""Comparisons as a whole: numbers, tables, warnings, and words that claim no more than was found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

import hicmae_cli as hicmae
from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.comparison.compare import compare, shorten_names
from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.comparison.result import Comparison, PairDifference
from hicmae_cli.evaluation.comparison.significance import correct_holm
from hicmae_cli.evaluation.comparison.words import describe_pair
from hicmae_cli.evaluation.results import SampleResult
from tests.docs.pages import PAGES
from tests.docs.test_facts import documented, fields
from tests.evaluation.comparison.decisions import TRUTH, document, guess, system, write

DRAWS = 1000
GOOD, FAIR, POOR = (system(name, share, 1, 2, 3, folds=5) for name, share in (("g", 0.9), ("f", 0.6), ("p", 0.55)))


@pytest.fixture(scope="module")
def three() -> Comparison:
    return compare(GOOD, FAIR, POOR, draws=DRAWS)


def test_it_is_public() -> None:
    assert hicmae.compare is compare


def test_the_difference_is_that_of_the_scores(three: Comparison) -> None:
    scores = {found.name: found.score for found in three.systems}
    assert [(pair.first, pair.second) for pair in three.pairs] == [("g", "f"), ("g", "p"), ("f", "p")]
    for pair in three.pairs:
        assert pair.difference == pytest.approx(scores[pair.first] - scores[pair.second])
        assert pair.interval[0] < pair.difference < pair.interval[1]
    for found in three.systems:
        assert found.score == pytest.approx(sum(found.runs.values()) / 3)
        assert found.sd == pytest.approx(stats.tstd(list(found.runs.values())))
        assert found.interval[0] < found.score < found.interval[1]
    assert (three.people, three.resampled, three.clips) == (12, "speaker", 180)


def test_the_order_only_changes_the_sign() -> None:
    one, other = (compare(*pair, draws=DRAWS).pairs[0] for pair in ((GOOD, FAIR), (FAIR, GOOD)))
    assert other.difference == pytest.approx(-one.difference)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.p == one.p


def test_each_kind_of_test_is_corrected_over_the_pairs(three: Comparison) -> None:
    assert [pair.p_holm for pair in three.pairs] == correct_holm([pair.p for pair in three.pairs])
    for index in range(3):
        tests = [pair.mcnemar[index] for pair in three.pairs]
        assert [test.run for test in tests] == [f"seed {index + 1}"] * 3
        assert [test.p_holm for test in tests] == correct_holm([test.p for test in tests])
    for index, (over, count) in enumerate((("folds", 5), ("runs", 3))):
        ranks = [pair.wilcoxon[index] for pair in three.pairs]
        assert [(rank.over, len(rank.differences)) for rank in ranks] == [(over, count)] * 3
        assert [rank.p_holm for rank in ranks] == correct_holm([rank.p for rank in ranks])
    alone = compare(GOOD, FAIR, draws=DRAWS).pairs[0]
    assert alone.p_holm is alone.mcnemar[0].p_holm is alone.wilcoxon[0].p_holm is None


def test_differences_over_folds_are_means_over_seeds(three: Comparison) -> None:
    def score(systems: System, fold: str) -> float:
        parts = [
            compare(
                *(
                    System(name, {"": replace(run, samples=tuple(s for s in run.samples if s.fold == fold))})
                    for name, run in (("x", run), ("y", run))
                ),
                draws=DRAWS,
            )
            for run in systems.runs.values()
        ]
        return sum(part.systems[0].score for part in parts) / len(parts)

    expected = [score(GOOD, fold) - score(FAIR, fold) for fold in "12345"]
    assert three.pairs[0].wilcoxon[0].differences == pytest.approx(expected)


def test_a_large_difference_is_shown_and_a_small_one_is_not(three: Comparison) -> None:
    large, _, small = three.sentences
    assert large.startswith("g scored 0.")
    assert "UAR higher than f, on average over 3 runs (95 % interval 0." in large
    assert "after Holm's correction for 3 pairs (p = 0.0" in large
    assert "these clips show a difference; it may be as small as 0.1" in large
    assert "these clips do not show a difference, and do not exclude one of 0." in small
    for sentence in three.sentences:
        assert not {"proves", "significant", "significantly"} & set(sentence.split())


@pytest.mark.parametrize(
    ("metric", "difference", "interval", "p", "p_holm", "said"),
    [
        ("uar", -0.02, (-0.05, 0.01), 0.2, None, "b scored 0.020 UAR higher than a (95 % interval -0.010 to 0.050"),
        ("mae", -0.02, (-0.05, 0.01), 0.2, None, "a scored 0.020 MAE lower than b (95 % interval -0.010 to 0.050"),
        ("rmse_x", 0.02, (-0.01, 0.05), 0.2, None, "b scored 0.020 RMSE x lower than a (95 % interval -0.010 to 0.050"),
        ("uar", 0.05, (0.01, 0.09), 0.02, None, ": these clips show a difference; it may be as small as 0.010."),
        ("uar", 0.05, (0.01, 0.09), 0.02, 0.06, "(p = 0.060), these clips do not show a difference."),
        ("uar", 0.05, (-0.02, 0.09), 0.2, None, "do not show a difference, and do not exclude one of 0.090."),
        ("uar", 0.05, (0.01, 0.09), 0.0001, None, "; p < 0.001): these"),
    ],
)  # fmt: skip
def test_words(
    metric: str, difference: float, interval: tuple[float, float], p: float, p_holm: float | None, said: str
) -> None:
    pair = PairDifference("a", "b", difference, interval, p, p_holm)
    assert said in describe_pair(pair, metric, runs=(1, 1), pairs=3)


def test_the_same_decisions() -> None:
    found = compare(GOOD, System("copy", GOOD.runs), draws=DRAWS)
    (pair,) = found.pairs
    assert (pair.difference, pair.interval, pair.p, pair.identical) == (0, (0, 0), 1, True)
    assert pair.words.startswith("g and copy scored the same UAR, on average over 3 runs (95 %")
    assert pair.words.endswith("both decided every clip alike.")


def warnings(*systems: System) -> str:
    return "; ".join(compare(*systems, draws=DRAWS).warnings)


def test_p_decides_where_two_people_give_an_interval_without_zero() -> None:
    pair = compare(system("g", 0.95, 1, speakers=2), system("f", 0.4, 1, speakers=2), draws=DRAWS).pairs[0]
    assert pair.interval[0] > 0 and pair.p > 0.05
    assert pair.words.endswith("p is above 0.05 although the interval excludes 0.")


def test_warnings_of_people() -> None:
    few = [system(name, 0.6, 1, 2, speakers=9) for name in "ab"]
    assert "only 9 speakers: with fewer than 10" in warnings(*few)
    assert "speakers" not in warnings(*(system(name, 0.6, 1, 2, speakers=10) for name in "ab"))
    assert "the speakers of 180 of 180 clips are unknown, so clips are drawn" in warnings(
        *(system(name, 0.6, 1, 2, speakers=0) for name in "ab")
    )
    assert "all clips are of one speaker" in warnings(*(system(name, 0.6, 1, 2, speakers=1) for name in "ab"))


def test_warnings_of_runs() -> None:
    ranks = "with 5 folds, the p of Wilcoxon's test cannot be below 0.0625, so it cannot show a difference; with 3 runs"
    assert warnings(GOOD, FAIR).startswith(ranks)
    assert warnings(*(system(name, 0.6, *range(6), folds=6) for name in "ab")) == ""
    single = system("one", 0.6, 1, folds=5)
    found = warnings(GOOD, single)
    assert "a single training run of one: intervals and p-values do not cover" in found
    assert "different runs (g: seed 1, seed 2, seed 3; one: seed 1)" in found
    (pair,) = compare(GOOD, single, draws=DRAWS).pairs
    assert (pair.mcnemar, [test.over for test in pair.wilcoxon]) == ((), ["folds"])
    optimistic = System("o", {seed: replace(run, optimistic=True) for seed, run in GOOD.runs.items()})
    assert warnings(FAIR, optimistic).endswith("o: its epoch was chosen on the test clips: its score is optimistic")
    assert "the clips are in different folds" in warnings(GOOD, system("f", 0.6, 1, 2, 3, folds=4))


def test_single_runs_are_a_pair_whatever_their_seeds() -> None:
    (pair,) = compare(system("a", 0.9, 1), system("b", 0.5, 2), draws=DRAWS).pairs
    assert [test.run for test in pair.mcnemar] == [""]


def test_a_regression() -> None:
    def values(name: str, error: float) -> System:
        samples = [
            SampleResult(f"c{i}", (float(i % 7),), (i % 7 + error * (-1) ** i,), (), (), f"s{i % 11}")
            for i in range(66)
        ]
        return System(name, {"": SystemRun(("arousal",), tuple(samples), regression=True)})

    found = compare(values("close", 0.1), values("far", 1.0), metric="mae", draws=DRAWS)
    assert [system.score for system in found.systems] == pytest.approx([0.1, 1.0])
    assert "close scored 0.900 MAE lower than far" in found.sentences[0]
    assert found.pairs[0].mcnemar == ()
    assert compare(values("close", 0.1), values("far", 1.0), draws=DRAWS).metric == "ccc"
    with pytest.raises(SettingsError, match=r"metric='uar': expected one of ccc, pcc, mae, rmse, ccc_arousal"):
        compare(values("a", 0.1), values("b", 1.0), metric="uar", draws=DRAWS)


def test_the_document_and_the_texts(three: Comparison, tmp_path: Path) -> None:
    three.save(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert document == json.loads(json.dumps(three.to_dict()))
    assert document["schema"] == "hicmae.compare/1"
    # The names of runs are not fields; one row documents each kind of test as a whole.
    tests = frozenset({"mcnemar", "wilcoxon"})
    assert set(fields(document, skip=tests | {"runs"})) == documented("hicmae.compare/1")
    for kind in tests:
        (row,) = (line for line in PAGES["docs/reference/json.md"].splitlines() if line.startswith(f"| `{kind}` |"))
        assert set(document["pairs"][0][kind][0]) <= set(re.findall(r"`(\w+)`", row))
    assert document["pairs"][0]["words"] == three.sentences[0]
    markdown = (tmp_path / "out" / "comparison.md").read_text("utf-8")
    for text in (str(three), markdown):
        assert all(sentence in text for sentence in three.sentences)
        assert f"{three.systems[0].score:.4f}" in text
        (test, *_) = three.pairs[0].mcnemar
        assert f"only g right: {test.only_first}, only f: {test.only_second}" in text
        assert "Wilcoxon, 5 folds" in text


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="two or more systems to compare, got 1"):
        compare(GOOD)
    with pytest.raises(SettingsError, match="streams=True compares the streams of one file"):
        compare(GOOD, FAIR, streams=True)
    with pytest.raises(SettingsError, match="g is given twice"):
        compare(GOOD, GOOD)
    with pytest.raises(SettingsError, match="draws=10: expected at least 1000"):
        compare(GOOD, FAIR, draws=10)
    path = write(tmp_path / "a.json", document(guess(0.5, TRUTH, 0), TRUTH))
    with pytest.raises(SettingsError, match="is given twice"):
        compare(path, path)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/base", "runs/tiny"], ["base", "tiny"]),
        (["runs/base/result.json", "runs/tiny/result.json"], ["base", "tiny"]),
        (["a.json", "b.json"], ["a", "b"]),
        (["x/a/fold-1", "x/b/fold-1"], ["a", "b"]),
        (["runs/a", "result.json"], ["runs/a", "result"]),
        (["runs/a", "runs/a"], ["runs/a", "runs/a"]),
        (["runs/v1.5", "runs/v1.6"], ["v1.5", "v1.6"]),
        (["a/x", "b/x", "a/y"], ["a/x", "b/x", "a/y"]),
        (["one"], ["one"]),
        ([], []),
    ],
)
def test_names_are_what_tells_paths_apart(paths: list[str], names: list[str]) -> None:
    assert shorten_names(paths) == names
