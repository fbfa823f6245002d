"""An evaluation's document as tables."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from hicmae_cli.report.scores import format_scores, picture_title, score_grids, scores_markdown


def document(**changes: Any) -> dict[str, Any]:
    metrics = {"uar": 0.5, "war": 0.75, "weighted_f1": 0.7, "macro_f1": 0.4, "micro_f1": 0.75}
    made: dict[str, Any] = {
        "task": "classification",
        "dataset": "toys",
        "fold": "1",
        "modality": "av",
        "engine": "onnx",
        "metrics": metrics,
        "labels": ["anger", "[red]|x"],
        "confusion": [[3, 0], [1, 0]],
        "recalls": {"anger": 1.0, "[red]|x": 0.0},
        "samples": [{}] * 4,
        "failures": [],
        "intervals": {
            "level": 0.95,
            "draws": 1000,
            "seed": 0,
            "resampled": "speaker",
            "bounds": {name: [value - 0.1, value + 0.1] for name, value in metrics.items()},
        },
        "published": {"uar": {"measured": 0.5, "published": 0.8666, "difference": -0.3666, "of": "fold 1"}},
        "protocol": ["Toys, fold 1."],
        "warnings": ["the weight's epoch was chosen on the test clips: optimistic"],
        "weights": {"variant": "nano", "dataset": "toys", "licence": "MIT", "created_with": "hicmae 0"},
    }
    return {**made, **changes}


def shown(made: dict[str, Any]) -> str:
    console = Console(width=120, file=io.StringIO())
    for grid in score_grids(made, screen=True):
        console.print(grid)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return " ".join(text.replace("│", " ").replace("┃", " ").split())


def test_measured_interval_and_published_stand_under_each_other() -> None:
    text = shown(document())
    assert "av 4 0.5000 0.7500 0.7000 0.4000" in text
    assert "av, 95 % interval 0.400 to 0.600 0.650 to 0.850" in text
    assert "published, fold 1 0.8666" in text
    assert "[red]|x 1 0 0.00" in text  # a label is no markup


def test_many_folds_are_shown_by_three_on_a_terminal_and_all_on_the_page() -> None:
    folds = {
        f"loso-{n}": {"metrics": {**document()["metrics"], "uar": n / 100}, "decisions": 2} for n in range(20, 0, -1)
    }
    many = document(fold="all", folds=folds, mean=document()["metrics"], sd=document()["metrics"])
    text = shown(many)
    assert "lowest UAR, fold loso-1 2 0.0100" in text and "highest UAR, fold loso-20 2 0.2000" in text
    assert "mean over 20 folds" in text and "fold loso-7" not in text
    page = scores_markdown(many, "run")
    assert all(f"| fold {name} |" in page for name in folds)


def test_folds_mean_sd_and_pooled_are_rows() -> None:
    metrics = document()["metrics"]
    fold = {"metrics": metrics, "decisions": 2, "published": document()["published"]}
    text = shown(document(fold="all", folds={"1": fold, "2": {**fold, "published": {}}}, mean=metrics, sd=metrics))
    for row in (
        "fold 1 2 0.5",
        "fold 1, published 0.8666",
        "fold 2 2",
        "mean over folds 0.5",
        "sd over folds 0.5",
        "pooled, av 4",
    ):
        assert row in text, row


def test_streams_and_baselines_are_rows() -> None:
    metrics = document()["metrics"]
    made = document(
        by_modality={name: {**metrics, "decisions": 4} for name in ("av", "audio")},
        baselines={"chance": {"uar": 0.25, "war": 0.25}},
    )
    text = shown(made)
    assert "audio 4 0.5000" in text and "chance 0.2500 0.2500" in text


def test_targets_have_a_table() -> None:
    metrics = {f"{name}{of}": 0.25 for of in ("", "_arousal") for name in ("ccc", "pcc", "mae", "rmse")}
    made = document(
        task="regression",
        labels=["arousal"],
        metrics=metrics,
        published={"pcc_arousal": {"published": 0.3374, "of": "all folds"}},
        intervals={**document()["intervals"], "bounds": dict.fromkeys(metrics, (0.0, 1.0))},
    )
    assert "arousal 0.2500 0.2500 0.2500 0.2500" in shown(made)
    assert "arousal, published 0.3374" in shown(made)
    assert "| arousal, published |  | 0.3374 |" in scores_markdown(made, "w")


def test_many_classes_are_listed_and_not_crossed_on_a_screen() -> None:
    labels = [f"l{n}" for n in range(43)]
    made = document(labels=labels, confusion=[[1] * 43] * 43, recalls=dict.fromkeys(labels, 1 / 43))
    assert "l42 43 0.02" in shown(made)
    assert scores_markdown(made, "w").count("| l42 |") == 2  # the page has the whole matrix


def test_a_page_has_the_warning_the_words_and_the_tables() -> None:
    page = scores_markdown(document(failures=[{"id": f"c{n}", "message": "broken"} for n in range(30)]), "w|x")
    assert page.startswith("# toys, fold 1\n")
    assert "> **Warning:** the weight's epoch was chosen on the test clips: optimistic." in page
    assert "- Toys, fold 1." in page
    assert "| published, fold 1 |  | 0.8666 |" in page
    assert "| [red]\\|x | 1 | 0 | 0.00 |" in page
    lines = page.splitlines()
    assert lines[lines.index("## Scores") + 3] == "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert "micro F1" in page and "1000 resamples of the speakers" in page
    assert "- c19: broken\n- and 10 more" in page
    assert "Weight `w|x`" in page


def test_a_pictures_title_is_its_scores_and_says_if_they_are_optimistic() -> None:
    warned = document(warnings=["fold 1: no clip of fear", "3 clips could not be read", "a third"])
    assert picture_title(warned) == "toys, fold 1, av: UAR 0.5000, WAR 0.7500"
    chosen = document(selection={"optimistic": True})
    assert picture_title(chosen).splitlines()[1:] == ["optimistic: the epoch was chosen on the test clips"]


def test_plain_text_has_the_tables_and_every_warning() -> None:
    text = format_scores(document(warnings=["first", "second \x1b[31m", "third"]))
    assert "0.8666" in text and "[red]|x" in text
    assert text.splitlines()[-3:] == ["warning: first", "warning: second \\x1b[31m", "warning: third"]
    assert "\x1b" not in text
