"""Write what a study found: a Markdown page, a page with interactive charts, JSON, a CSV of all runs, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from hicmae_cli import __version__
from hicmae_cli.errors import one_line
from hicmae_cli.markdown import escape_markdown, quote_code
from hicmae_cli.records.surroundings import read_own_commit
from hicmae_cli.report.files import make_folder, to_csv, to_json, write_text
from hicmae_cli.studies.figures import draw_chart
from hicmae_cli.studies.page import name_machines, render_page
from hicmae_cli.studies.pictures import draw_embeddings
from hicmae_cli.studies.plan import FINETUNE, PRETRAIN, Plan, merge_changes
from hicmae_cli.studies.result import SCHEMA, Chart, Claim, Findings, Picture, number_equal
from hicmae_cli.studies.study import Factor, Level, list_studies
from hicmae_cli.studies.wording import FEW_SEEDS, define_measure, is_comparison, name_measure, start_sentence
from hicmae_cli.toml import format_toml

REPORT: Final = "report.md"
RESULT: Final = "result.json"
PAGE: Final = "report.html"
TABLE: Final = "runs.csv"
FIGURES: Final = "figures"


def write_report(plan: Plan, findings: Findings, folder: Path, command: str) -> None:
    """Write all files of a report.

    Args:
        plan: what was computed; its jobs are done.
        findings: of the analysis.
        folder: of the study; made if it is missing.
        command: that does the same.

    Raises:
        HicmaeError: a file cannot be written.
    """
    make_folder(folder / FIGURES)
    findings = replace(findings, charts=_tell_apart(findings.charts))
    pictures = draw_embeddings(plan, folder / FIGURES)
    document = make_document(plan, findings, command, pictures)
    for chart in findings.charts:
        draw_chart(chart, folder / FIGURES / f"{chart.name}.png")
    write_text(folder / RESULT, to_json(document))
    write_text(folder / TABLE, to_csv(list_runs(plan)))
    write_text(folder / REPORT, render_markdown(plan, findings, document))
    write_text(folder / PAGE, render_page(document, folder / FIGURES))
    _remove_other_figures(folder / FIGURES, document)


def _tell_apart(charts: Sequence[Chart]) -> tuple[Chart, ...]:
    names = number_equal([chart.name for chart in charts])
    return tuple(replace(chart, name=name) for chart, name in zip(charts, names, strict=True))


def _remove_other_figures(folder: Path, document: Mapping[str, Any]) -> None:
    """Remove the figures of an earlier report that this one lacks."""
    named = {f"{figure['name']}.png" for figure in (*document["charts"], *document["pictures"])}
    for path in folder.glob("*.png"):
        if path.name not in named:
            path.unlink(missing_ok=True)


def make_document(plan: Plan, findings: Findings, command: str, pictures: Sequence[Picture] = ()) -> dict[str, Any]:
    """Make the JSON record: every number of the report, and what it was computed from."""
    study = plan.study
    return {
        "schema": SCHEMA,
        "study": study.model_dump(mode="json", exclude={"budgets"}),
        "budget": {"name": plan.budget, **study.budgets[plan.budget].model_dump(mode="json")},
        "command": command,
        "device": plan.device,
        "data": {
            "name": plan.data.name,
            "fold": plan.data.fold,
            "clips": dict(plan.data.counts),
            "people": dict(plan.data.people),
            "hash": plan.data.hash,
            "other": plan.data.other_name,
            "other_hash": plan.data.other_hash,
        },
        "version": __version__,
        "commit": str(read_own_commit() or ""),
        "machines": list_machines(plan),
        "compute_s": round(sum(_read_done(plan, key).get("duration_s", 0.0) for key in plan.jobs), 1),
        "jobs": len(plan.jobs),
        "answer": findings.answer and _to_values(findings.answer),
        "check": findings.check and _to_values(findings.check),
        "claims": [_to_values(claim) for claim in findings.claims],
        "tables": [
            {"title": grid.title, "header": list(grid.header), "rows": [list(row) for row in grid.rows]}
            for grid in findings.tables
        ],
        "charts": [chart.to_dict() for chart in findings.charts],
        "pictures": [{"name": picture.name, "title": picture.title} for picture in pictures],
        "limits": list_limits(plan),
        "runs": [
            {
                "levels": dict(run.levels),
                "seed": run.seed,
                "jobs": list(run.jobs),
                "measures": _measures(plan, run.jobs),
            }
            for run in plan.runs
        ],
    }


def _to_values(claim: Claim) -> dict[str, Any]:
    return {"text": claim.text, "numbers": dict(claim.numbers)}


def list_machines(plan: Plan) -> list[dict[str, str]]:
    """List the machines that computed the jobs, each once: operating system and processor."""
    found = (_read_done(plan, key).get("machine", {}) for key in plan.jobs)
    return [dict(machine) for machine in dict.fromkeys(tuple(each.items()) for each in found if each)]


def list_limits(plan: Plan) -> list[str]:
    """List what may not be concluded, one sentence each."""
    tested = plan.data.counts.get("test", 0)
    people = plan.data.people.get("test", 0)
    of_people = f" of {people} {'person' if people == 1 else 'people'}" if people else ""
    limits = [
        f"All runs are tested on the same {tested} clips{of_people}. The intervals do not cover the choice of people "
        "or clips.",
        *plan.study.limits,
    ]
    if plan.data.name == "puppets":
        limits.append("The clips are drawn puppets with synthetic voices. Nothing here is evidence about people.")
    if plan.budget == "trial":
        limits.append("This is a trial: it shows that the study runs. No number in it means anything.")
    elif plan.budget == "small":
        limits.append(
            "The budget is small: models smaller than the paper's, few clips, few epochs. With more, effects may "
            "appear or disappear."
        )
    if (seeds := len(set(plan.seeds))) < FEW_SEEDS:
        limits.append(
            f"With {seeds} seeds, standard deviations are unreliable, and only large differences can be significant."
        )
    limits += [
        "Intervals and p-values are Student's over seeds: they take the differences of different seeds as independent "
        "and roughly normal.",
        "Intervals are not corrected for several comparisons, and p (Holm) is, among the differences in one measure. "
        "So an interval may exclude 0 where the difference is not significant.",
    ]
    return limits


def list_runs(plan: Plan) -> list[list[object]]:
    """List the rows of ``runs.csv``: levels, seed, every measure, and the folders of the jobs."""
    names = list(dict.fromkeys(name for run in plan.runs for name in _measures(plan, run.jobs)))
    factors = list(plan.runs[0].levels)
    rows: list[list[object]] = [[*factors, "seed", *names, "jobs"]]
    for run in plan.runs:
        found = _measures(plan, run.jobs)
        folders = " ".join(plan.jobs[key].folder.name for key in run.jobs)
        rows.append([*run.levels.values(), run.seed, *(found.get(name) for name in names), folders])
    return rows


def render_markdown(plan: Plan, findings: Findings, document: Mapping[str, Any]) -> str:
    """Make the page for a reader: the answer, the tables, what may not be concluded, and how it was made."""
    study = plan.study
    lines = [f"# {escape_markdown(study.title)}", "", f"**Question.** {escape_markdown(study.question)}", ""]
    for name in ("answer", "check"):
        if document[name]:
            lines += [f"**{name.capitalize()}.** {escape_markdown(document[name]['text'])}", ""]
    for grid in findings.tables:
        lines += grid.to_section()
    lines += ["## Measures", "", *list_definitions(study.metrics), ""]
    if more := [claim for claim in findings.claims if not is_comparison(claim.numbers)]:
        lines += ["## Findings", "", *(f"- {escape_markdown(claim.text)}" for claim in more), ""]
    lines += ["## Figures", ""]
    for figure in (*document["charts"], *document["pictures"]):
        lines += [f"![{escape_markdown(figure['title'])}]({FIGURES}/{figure['name']}.png)", ""]
    lines += ["## What may not be concluded", "", *(f"- {escape_markdown(limit)}" for limit in document["limits"]), ""]
    return "\n".join([*lines, *_describe_making(plan, document), ""])


def list_definitions(metrics: Sequence[str]) -> list[str]:
    """List what the compared measures are, a line each."""
    found = [(name_measure(metric), define_measure(metric)) for metric in metrics]
    return [f"- {escape_markdown(f'{start_sentence(name)}: {words}.')}" for name, words in found if words]


def _describe_making(plan: Plan, document: Mapping[str, Any]) -> list[str]:
    """Describe what was compared, on what, with which command."""
    study, data = plan.study, plan.data
    lines = ["## How it was run", ""]
    for factor in study.list_factors(plan.budget):
        lines.append(f"- {escape_markdown(factor.name)}:")
        lines += [f"    - {_describe_level(level, factor)}" for level in factor.levels]
    for phase, words in ((PRETRAIN, "Pre-training"), (FINETUNE, "Fine-tuning")):
        if (stage := getattr(study, phase)) is not None:
            changes = merge_changes(study, plan.budget, phase, {})
            listed = ", ".join(quote_code(f"{key} = {format_toml(value)}") for key, value in changes.items())
            lines.append(f"- {words}: recipe {quote_code(stage.recipe)}, with {listed or 'no changes'}")
    lines += [
        f"- Budget `{plan.budget}`, seeds {', '.join(map(str, plan.seeds))}. Runs of one seed draw alike: the same "
        "clips in the same order, where both have them.",
        f"- Clips: {escape_markdown(str(data))} (hash `{data.hash[:16]}`).",
        f"- {document['jobs']} trainings and measurements, {document['compute_s'] / 60:.0f} minutes of work, on "
        f"{name_machines(document)} (device {document['device']}), with hicmae {document['version']}.",
    ]
    if document["command"]:
        lines += ["", "```sh", one_line(document["command"]), "```"]
    if study.name in list_studies():
        lines += ["", f"The study's file: `hicmae study show {study.name}`."]
    return lines


def _describe_level(level: Level, factor: Factor) -> str:
    """Name a level and what it changes."""
    phases = ((PRETRAIN, level.pretrain), (FINETUNE, level.finetune))
    changes = [
        f"{quote_code(f'{key} = {format_toml(value)}')} in {phase}" for phase, of in phases for key, value in of.items()
    ]
    changes += [f"start from {level.start}"] if level.start else []
    base = " (baseline)" if level.name == factor.base else ""
    return f"{escape_markdown(level.name)}{base}" + (f": {', '.join(changes)}" if changes else "")


def _measures(plan: Plan, keys: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in keys:
        found |= _read_done(plan, key).get("measures", {})
    return found


def _read_done(plan: Plan, key: str) -> dict[str, Any]:
    return plan.jobs[key].read_done() or {}
