"""What is known of a dataset, as a page to read: for ``hicmae datasets`` and the docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.metric_names import format_metric


def card(dataset: Dataset) -> str:
    """A dataset's facts in Markdown."""
    return "\n".join(_lines(dataset)) + "\n"


def _lines(dataset: Dataset) -> Iterator[str]:
    yield f"### {dataset.title} (`{dataset.name}`)"
    yield ""
    kind = "classes" if dataset.task == "classification" else "targets"
    number = f"{len(dataset.labels)} {kind}" if dataset.labels else f"{kind}: those found"
    yield f"- Task: {dataset.task}, {number}"
    if dataset.labels:
        yield f"- Labels, in order: {', '.join(_with_codes(dataset))}"
    yield f"- Split: {dataset.fold_rule}"
    beside = ", beside the paper's" if dataset.scores else ""
    yield f"- The epoch is chosen by {format_metric(dataset.metric)}; reported{beside}: {_list(dataset.reported)}"
    if dataset.merge_by:
        yield f"- One decision per first {dataset.merge_by} fields of the id, between `_`"
    rate = dataset.sampling_rate
    yield f"- Sampling rate {rate}: every {_ordinal(rate)} frame; recipe `{dataset.recipe}`"
    yield f"- Licence: {dataset.licence}"
    yield f"- Access: {dataset.access}"
    if dataset.citation:
        yield f"- Cite: {dataset.citation}"
    yield from ["", "Files, relative to the root:", "", "```", *dataset.layout.splitlines(), "```"]
    if dataset.broken:
        yield from ["", "Left out:", ""]
        yield from _broken(dataset.broken)
    if dataset.choices:
        yield from ["", "Chosen where the paper is open:" if dataset.citation else "Good to know:", ""]
        yield from (f"- {choice}" for choice in dataset.choices)
    if dataset.published or dataset.scores:
        yield from ["", "Published (HiCMAE base, sound and pictures):", ""]
        yield from _published(dataset)


def _with_codes(dataset: Dataset) -> list[str]:
    """``anger (ANG)``; codes that are the label itself are not repeated."""
    shown = []
    for label in dataset.labels:
        codes = [code for code, name in dataset.codes.items() if name == label and code != label]
        shown.append(f"{label} ({', '.join(codes)})" if codes else label)
    return shown


def _broken(broken: Mapping[str, str]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for id_, reason in broken.items():
        by_reason.setdefault(reason, []).append(id_)
    return [f"- {', '.join(ids)}: {reason}" for reason, ids in by_reason.items()]


def _published(dataset: Dataset) -> Iterator[str]:
    metrics = list(dict.fromkeys([*(m for f in dataset.published.values() for m in f.scores), *dataset.scores]))
    header = ["fold", "train", "test", *(format_metric(metric) for metric in metrics)]
    yield _row(header)
    yield _row(["---"] * len(header))
    for fold, facts in dataset.published.items():
        yield _row([fold or "fixed", str(facts.train), str(facts.test), *_scores(facts.scores, metrics)])
    if dataset.scores:
        yield _row(["paper", "", "", *_scores(dataset.scores, metrics)])
    hashed = [fold for fold, facts in dataset.published.items() if facts.test_sha256]
    if hashed:
        yield ""
        yield f"Hashes of the lists are known and compared by `hicmae prepare {dataset.name} --check`."


def _scores(scores: Mapping[str, float], metrics: Iterable[str]) -> list[str]:
    return [f"{100 * scores[metric]:.2f}" if metric in scores else "" for metric in metrics]


def _list(names: Iterable[str]) -> str:
    return ", ".join(format_metric(name) for name in names)


def _ordinal(number: int) -> str:
    return {1: "single", 2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
