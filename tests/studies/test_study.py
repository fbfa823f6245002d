from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.studies.analyses import check_analysis, find_analysis
from hicmae_cli.studies.plan import check_study
from hicmae_cli.studies.study import list_studies, load_study
from tests.studies.toys import STUDY, write_study

OWN_FACTORS = "factors = [" + '{ name = "same", levels = [{ name = "a" }, { name = "b" }] },' * 2 + "]"


@pytest.mark.parametrize("name", list_studies())
def test_every_shipped_study_is_whole(name: str) -> None:
    study = load_study(name)
    assert study.limits
    for budget in ("small", "full", "trial"):
        check_analysis(study, budget)
        check_study(study, budget)


def test_all_combinations_or_one_at_a_time(tmp_path: Path) -> None:
    more = """
[[factors]]
name = "size"
levels = [{ name = "a" }, { name = "b", finetune = { epochs = 2 } }]
"""
    crossed = load_study(write_study(tmp_path, STUDY + more)).combine("trial")
    assert [[level.name for level in run.values()] for run in crossed] == [
        ["tube", "a"],
        ["tube", "b"],
        ["random", "a"],
        ["random", "b"],
    ]
    alone = load_study(write_study(tmp_path, "one_at_a_time = true\n" + STUDY + more)).combine("trial")
    assert [[level.name for level in run.values()] for run in alone] == [["tube", "a"], ["random", "a"], ["tube", "b"]]


def test_a_file_cannot_ask_for_endless_runs(tmp_path: Path) -> None:
    many = "".join(f'[[factors]]\nname = "{n}"\nlevels = [{{ name = "a" }}, {{ name = "b" }}]\n' for n in range(60))
    with pytest.raises(SettingsError, match=r"budgets\.small: has \d+ runs; expected at most 10000"):
        load_study(write_study(tmp_path, STUDY + many))
    assert len(load_study(write_study(tmp_path, "one_at_a_time = true\n" + STUDY + many)).combine("trial")) == 62


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds = [0, 1]", "seeds = [0, 0]", "budgets.trial.seeds: expected at least two different ones, got 1"),
        ("seeds = [0, 1]", "seeds = [0, 1, 1]", "budgets.trial.seeds: expected different ones"),
        ("seeds = [0, 1]", "seeds = [0, -1]", "budgets.trial.seeds: got -1; expected 0 or more"),
        ("seeds = [0, 1]", "seeds = [0, 1]\nclips = { tran = 3 }", "clips: 'tran': expected train, validation or test"),
        (
            "seeds = [0, 1]",
            "seeds = [0, 1]\nclips = { train = -3 }",
            "budgets.trial.clips.train: input should be greater",
        ),
        ("seeds = [0, 1]", f"seeds = [0, 1]\n{OWN_FACTORS}", "factors: two of the budget trial have the same name"),
        ('title = "Toy"', 'title = "Toy"\nname = "other"', "the name of its file is its name"),
        ('title = "Toy"', 'title = "Toy"\nwithin = true', "within: needs two factors"),
        ('name = "mask"', 'name = "mask"\nbaseline = "tbe"', "no run named 'tbe'; expected tube, random"),
        ('metrics = ["uar"]', 'metric = ["uar"]', "metric is not a key of a study"),
        ('name = "random"', 'name = "random", clips = { train = 9 }', "clips is not a key of a study"),
        ('name = "random"', 'name = "tube"', "two levels have the same name"),
        ("[budgets.trial]", "[budgets.tiny]", "no budget named 'tiny'"),
        ('question = "', "question = ", "not valid TOML"),
        ('metrics = ["uar"]', r'metrics = ["recall \u001b[31m"]', "expected a line of printable text"),
        ('title = "Toy"', 'title = "Toy\\nbox"', "expected a line of printable text"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_study(write_study(tmp_path, STUDY.replace(old, new, 1)))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_named_as_a_study(tmp_path: Path) -> None:
    path = tmp_path / "My study.toml"
    path.write_text(STUDY)
    with pytest.raises(SettingsError, match="the name of the file is that of the study: expected up to 41 small"):
        load_study(str(path))


def test_an_unknown_study_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match="no study named maskin-ratio; did you mean masking-ratio"):
        load_study("maskin-ratio")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('video_mask = "random"', 'video_mask = "wobbly"', "video_mask: expected .* got .wobbly"),
        ('metrics = ["uar"]', 'metrics = ["uarr"]', "nothing measures 'uarr'; expected ccc, "),
        ('metrics = ["uar"]', 'metrics = ["recall_at_1"]', "nothing measures 'recall_at_1'"),
        ('metrics = ["uar"]', 'metrics = ["recall "]', "nothing measures 'recall '"),
        (
            'metrics = ["uar"]',
            'metrics = ["uar othr corpus"]\nmeasures = { transfer = {} }',
            "'uar othr corpus'; expected .*, uar own corpus, uar other corpus, uar lost",
        ),
        (
            'metrics = ["uar"]',
            'metrics = ["uar noise 5 dB"]\nmeasures = { streams = { degrade = "noise=10" } }',
            "'uar noise 5 dB'; expected .*, uar noise 10 dB",
        ),
        (
            'metrics = ["uar"]',
            'metrics = ["modality_gap layer 0"]\nmeasures = { alignment = {} }',
            "nothing measures 'modality_gap layer 0'; expected .*, modality_gap layer N",
        ),
        ("[[factors]]", "[measures.smell]\n[[factors]]", "no measure named 'smell'"),
        ("[[factors]]", "[measures.alignment]\nclips = 'all'\n[[factors]]", r"measures.alignment.clips='all'"),
    ],
)
def test_recipes_and_measures_are_checked_before_clips_are_looked_for(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        check_study(load_study(write_study(tmp_path, STUDY.replace(old, new, 1))), "trial")


def test_numbers_of_measures_are_named_exactly(tmp_path: Path) -> None:
    metrics = ["uar", "recall happiness", "uar noise 10 dB", "modality_gap layer 2", "probe fused", "probe video_11"]
    measures = 'measures = { streams = { degrade = "noise" }, alignment = {}, probe = {} }'
    check_study(load_study(write_study(tmp_path, f"{measures}\n" + STUDY.replace('["uar"]', str(metrics)))), "trial")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"analysis": "conditions"}, "reads the measure streams; add the table `measures.streams`"),
        ({"analysis": "seeds"}, "compares no levels; remove the factors"),
        ({"factors": []}, "the analysis factors needs a factor"),
        ({"analysis": "scaling"}, "needs a number `x` above 0 for every level of the factor 'mask', in rising order"),
        (
            {"analysis": "alignment", "factors": [], "measures": {"alignment": {}}, "metrics": ["recall_at_1"]},
            "needs one factor, got 0",
        ),
        (
            {"analysis": "conditions", "factors": [], "measures": {"streams": {}}, "metrics": ["uar", "war"]},
            "the analysis conditions cannot compare war; expected metrics of uar",
        ),
    ],
)
def test_an_analysis_is_checked_before_anything_is_computed(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    study = load_study(write_study(tmp_path)).model_copy(update=changes)
    with pytest.raises(SettingsError, match=words):
        check_analysis(study, "trial")


def test_a_run_from_scratch_has_no_pretrained_weight_to_measure(tmp_path: Path) -> None:
    text = STUDY.replace('metrics = ["uar"]', 'metrics = ["video_error"]').replace(
        "[[factors]]", "[measures.reconstruction]\n[[factors]]"
    )
    check_study(load_study(write_study(tmp_path, text)), "trial")
    scratch = text.replace('name = "random", ', 'name = "random", start = "scratch", ')
    with pytest.raises(SettingsError, match="nothing measures 'video_error'"):
        check_study(load_study(write_study(tmp_path, scratch)), "trial")


def test_a_file_cannot_name_code(tmp_path: Path) -> None:
    """Only built-in analyses, and entry points of what is installed."""
    study = load_study(write_study(tmp_path, 'analysis = "os:system"\n' + STUDY))
    with pytest.raises(SettingsError, match="no analysis named 'os:system'"):
        find_analysis(study.analysis)
