"""Facts about a dataset as text, for ``hicmae datasets`` and the docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.metric_names import format_metric
from hicmae_cli.model_input import FRAME_STEP_S


def make_card(dataset: Dataset) -> str:
    """Return a dataset's facts as Markdown."""
    return "\n".join(_make_lines(dataset)) + "\n"


def make_title(dataset: Dataset) -> str:
    """Return a dataset's title for a heading."""
    return dataset.title[:1].upper() + dataset.title[1:]


def list_facts(dataset: Dataset) -> list[tuple[str, str]]:
    """Return (name, value) of each fact that fits one line."""
    facts = [
        ("Task", describe_task(dataset)),
        ("Recordings", dataset.recorded),
        ("Labels, in order", ", ".join(_name_labels(dataset))),
        ("Split", dataset.fold_rule),
        ("Metrics", _describe_metrics(dataset)),
        ("Decisions", _describe_decisions(dataset)),
        ("Shared people", dataset.shares_people),
        _describe_sampling(dataset),
        ("Recipe", f"`{dataset.recipe}`" if dataset.recipe else ""),
        ("Pre-training recipe", f"`{dataset.pretrain_recipe}`" if dataset.pretrain_recipe else ""),
        ("Package", f"`{dataset.package}`" if dataset.package else ""),
        ("Licence", dataset.licence),
        ("Access", dataset.access),
        ("Cite", dataset.citation),
    ]
    return [(name, value) for name, value in facts if value]


def _describe_sampling(dataset: Dataset) -> tuple[str, str]:
    rate = dataset.sampling_rate
    if dataset.sampling == "time":
        return "Sampling", f"by time: one frame every {FRAME_STEP_S} s"
    return "Sampling rate", f"{rate} (every {_ordinal(rate)}frame)"


def describe_task(dataset: Dataset) -> str:
    """Return the task in words, e.g. ``classification, 6 classes``."""
    if not dataset.is_labelled:
        return "pre-training, no labels"
    name = {"multilabel": "multi-label"}.get(dataset.task, dataset.task)
    return (
        f"{name}, {len(dataset.labels)} {name_outputs(dataset)}"
        if dataset.labels
        else f"{name}, {name_outputs(dataset)} as found"
    )


def name_outputs(dataset: Dataset) -> str:
    """Return the word for what a model of the dataset predicts: ``classes``, ``labels`` or ``targets``."""
    return {"classification": "classes", "multilabel": "labels"}.get(dataset.task, "targets")


def list_excluded(dataset: Dataset) -> list[str]:
    """Return a line for each reason to exclude clips, with their ids."""
    return group_reasons(dataset.excluded)


def group_reasons(reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, with the ids that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for id_, reason in reasons.items():
        by_reason.setdefault(reason, []).append(id_)
    return [f"{', '.join(ids)}: {reason}" for reason, ids in by_reason.items()]


def title_choices(dataset: Dataset) -> str:
    """Return the heading of ``Dataset.choices``."""
    return "Our choices where the paper does not say:" if dataset.citation else "Good to know:"


def title_published(dataset: Dataset) -> str:
    """Return the heading of `list_published`."""
    scored = dataset.scores or any(facts.scores for facts in dataset.published.values())
    return "Published (HiCMAE base, audio and video):" if scored else "Published counts:"


def list_published(dataset: Dataset) -> list[list[str]]:
    """Return the published counts and scores as rows of a table, the header first; no rows if there are none."""
    if not dataset.published and not dataset.scores:
        return []
    metrics = list(dict.fromkeys([*(m for f in dataset.published.values() for m in f.scores), *dataset.scores]))
    rows = [["fold", "train", "test", *(format_metric(metric) for metric in metrics)]]
    for fold, facts in dataset.published.items():
        rows.append([fold or "fixed", str(facts.train), str(facts.test), *_format_scores(facts.scores, metrics)])
    if dataset.scores:
        rows.append(["paper", "", "", *_format_scores(dataset.scores, metrics)])
    return rows


def _make_lines(dataset: Dataset) -> Iterator[str]:
    yield f"### {make_title(dataset)} (`{dataset.name}`)"
    yield ""
    yield from (f"- {name}: {value}" for name, value in list_facts(dataset))
    yield from ["", "Files, relative to the root:", "", "```", *dataset.layout.splitlines(), "```"]
    if dataset.excluded:
        yield from ["", "Excluded clips:", "", *(f"- {line}" for line in list_excluded(dataset))]
    if dataset.choices:
        yield from ["", title_choices(dataset), "", *(f"- {choice}" for choice in dataset.choices)]
    if rows := list_published(dataset):
        header, *others = rows
        yield from ["", title_published(dataset), ""]
        yield from (f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *others))
    if any(facts.test_sha256 for facts in dataset.published.values()):
        yield from ["", f"`hicmae prepare {dataset.name} --check` compares the hashes of the published lists."]


def _name_labels(dataset: Dataset) -> Iterator[str]:
    """Yield ``anger (ANG)`` for each label; codes equal to the label are not repeated."""
    for label in dataset.labels:
        codes = [code for code, name in dataset.codes.items() if name == label and code != label]
        yield f"{label} ({', '.join(codes)})" if codes else label


def _describe_metrics(dataset: Dataset) -> str:
    if not dataset.metric:
        return ""
    reported = ", ".join(format_metric(name) for name in dataset.reported)
    who = "the paper reports" if dataset.scores else "reported:"
    return f"{format_metric(dataset.metric)} chooses the epoch; {who} {reported}"


def _describe_decisions(dataset: Dataset) -> str:
    fields = dataset.merge_by
    return f"one for all clips whose ids start with the same {fields} fields, separated by `_`" if fields else ""


def _format_scores(scores: Mapping[str, float], metrics: Iterable[str]) -> list[str]:
    return [f"{100 * scores[metric]:.2f}" if metric in scores else "" for metric in metrics]


def _ordinal(number: int) -> str:
    words = {1: "", 2: "second ", 3: "third ", 4: "fourth "}
    return words.get(number, f"{number}th ")
