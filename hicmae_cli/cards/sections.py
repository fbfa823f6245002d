"""The sections of a model card, in plain English; what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from hicmae_cli.cards.results import list_calibration, list_groups, list_results
from hicmae_cli.cards.subject import Subject
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.evaluation.protocol import SELECTIONS
from hicmae_cli.labels import KNOWN_LABELS
from hicmae_cli.markdown import escape_markdown, quote_code
from hicmae_cli.report.console import describe_limits
from hicmae_cli.report.grid import Grid
from hicmae_cli.weights.facts import FORBIDDEN_USE
from hicmae_cli.weights.info import UNKNOWN, WeightInfo

_STREAMS: Final = {"av": "faces and voice; one of them may be missing", "video": "faces alone", "audio": "voice alone"}
_OUTPUTS: Final = {
    "classification": "as probabilities",
    "multilabel": "a probability for each",
    "regression": "as values",
    "pretraining": "",
}


def make_sections(subject: Subject, picture: str) -> Iterator[str]:
    """Make the lines of a card below its front matter.

    Args:
        subject: what it is about.
        picture: name of the reliability diagram beside the card; empty without one.

    Raises:
        KeyError, TypeError, ValueError: the document of the scores has another form.
    """
    yield f"# {escape_markdown(subject.name)}"
    yield ""
    _, limits = describe_limits(subject.info)
    limits = escape_markdown(limits)
    yield f"**It is no judge of an individual.** {f'It cannot judge {limits}.' if limits else ''}".rstrip()
    document = subject.document or {}
    for warning in document.get("warnings", ()):
        yield from ("", f"> **Warning:** {escape_markdown(warning)}.")
    sections = {
        "": _list_facts(subject),
        "Data": _list_data(subject),
        "Protocol": _list_protocol(subject),
        "Selection": _list_selection(subject),
        "Results": list_results(subject),
        "Calibration": list_calibration(subject, picture),
        "Results by group": list_groups(subject),
        "Limits": _list_limits(subject),
        "Intended use": [_write_use(subject.info.intended_use)],
        "Forbidden use": [FORBIDDEN_USE],
        "Licence": _list_licences(subject),
    }
    for title, lines in sections.items():
        yield from ("", *([f"## {title}", ""] if title else ()), *lines)
    yield ""


def _write_use(use: str) -> str:
    text = escape_markdown(use)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else "Unknown: nobody has written it down."


def _list_facts(subject: Subject) -> Iterator[str]:
    info = subject.info
    count = f"{len(subject.infos)} weights, one per fold: " if len(subject.infos) > 1 else ""
    labels = f"{', '.join(info.labels)}, {_OUTPUTS[info.task]}" if info.labels else "none: it is pre-trained only"
    renamed = f" (renamed: {', '.join(info.list_renamed())})" if info.relabelled else ""
    step = "every frame" if info.sampling_rate == 1 else f"one frame in {info.sampling_rate}"
    sampling = f"16 faces, {step if info.sampling == 'frames' else f'one every {info.step_s:g} s'}"
    facts = {
        "Model": f"{count}HiCMAE, variant {info.variant}, {info.task}",
        "Outputs": labels + renamed,
        "Input": _STREAMS[info.modality] + (f" ({sampling})" if info.modality != "audio" else ""),
        "Made with": f"{info.created_with}, from {info.source}",
    }
    if info.run is not None:
        facts["Run"] = f"seed {info.run.seed}, begun {info.run.date or UNKNOWN}"
        if info.run.commit is not None:
            facts["Run"] += f", commit {info.run.commit}"
    if (origin := subject.origin) is not None:
        facts["Fetched"] = f"{origin.fetched_at}, {origin.size_bytes} bytes, SHA-256 {origin.sha256}"
        facts |= {"Cite": origin.citation} if origin.citation else {}
    yield from _list_items(facts.items())


def _list_items(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"- **{name}**: {escape_markdown(text)}" for name, text in facts)


def _list_data(subject: Subject) -> Iterator[str]:
    info, dataset = subject.info, subject.dataset
    trained_on, _ = describe_limits(info)
    known = f"It was trained on {escape_markdown(trained_on)}." if trained_on else ""
    yield known or f"Nobody has described its data in words. Its dataset is named {quote_code(info.dataset)}."
    yield ""
    rows = [
        (
            *([fold] if len(subject.infos) > 1 else ()),
            entry.phase,
            entry.dataset,
            str(entry.clips or UNKNOWN),
            str(len(entry.people)) if entry.people else UNKNOWN,
            f"fold {entry.fold}" if entry.fold else "-",
        )
        for fold, each in subject.infos.items()
        for entry in each.history
    ]
    fold = ("tested fold",) if len(subject.infos) > 1 else ()
    yield from Grid("", (*fold, "training", "dataset", "clips", "named people", "left out"), tuple(rows)).to_markdown()
    yield ""
    if info.run is not None:
        start = f"the weight {quote_code(info.run.init.weight)}" if info.run.init else "random values"
        yield f"The last training started from {start}."
    else:
        yield "What its training started from is unknown: it has no record of it."
    if info.label_share != 1:
        yield f"It learned from {info.label_share:.3g} of the training clips of each class."
    if info.run is not None and info.run.data is not None and info.run.data.manifest_sha256:
        yield f"The list of clips has the SHA-256 `{escape_markdown(info.run.data.manifest_sha256)}`."
    if dataset is not None and not dataset.own:
        yield from ("", *_list_dataset(dataset))


def _list_dataset(dataset: Dataset) -> Iterator[str]:
    yield f"What hicmae knows of the dataset {dataset.title}, by its name:"
    yield ""
    facts = {
        "Recordings": dataset.recorded or UNKNOWN,
        "Language": ", ".join(dataset.languages) or "unknown, or nobody speaks words",
        "Licence of the data": dataset.licence,
        "Cite": dataset.citation,
    }
    yield from _list_items((name, text) for name, text in facts.items() if text)


def _list_protocol(subject: Subject) -> Iterator[str]:
    info, document = subject.info, subject.document
    if info.protocol:
        yield f"The run drew its own folds: {escape_markdown(info.protocol)}, with split seed {info.split_seed}."
        yield ""
    if document is None:
        fold = f" Clips of fold {escape_markdown(info.fold)} were left out for a test." if info.fold else ""
        yield f"Not evaluated.{fold}"
        return
    yield from (f"- {escape_markdown(sentence)}" for sentence in document.get("protocol", ()))
    if not document.get("protocol"):
        yield "The scores do not say how they were measured."


def _list_selection(subject: Subject) -> Iterator[str]:
    info = subject.info
    words = (subject.document or {}).get("selection", {}).get("words") or SELECTIONS[info.selection]
    yield f"{escape_markdown(words[:1].upper() + words[1:])}."
    if info.metrics:
        rows = [
            (*([fold] if len(subject.infos) > 1 else ()), where, name, f"{value:.4g}")
            for fold, each in subject.infos.items()
            for where, scores in each.metrics.items()
            for name, value in scores.items()
        ]
        fold = ("tested fold",) if len(subject.infos) > 1 else ()
        header = (*fold, "clips", "score", "value")
        yield from (
            "",
            "Scores that the file of the weight records; those of clips that chose the epoch are optimistic:",
        )
        yield from ("", *Grid("", header, tuple(rows)).to_markdown())


def _list_limits(subject: Subject) -> Iterator[str]:
    info, dataset = subject.info, subject.dataset
    _, limits = describe_limits(info)
    yield "- **An individual.** Scores are means over clips of many people; any single answer may be wrong."
    yield (
        f"- **Stated limits.** It cannot judge {escape_markdown(limits)}."
        if limits
        else "- **Stated limits.** Unknown: nobody has written down what it cannot judge."
    )
    recorded = dataset.recorded if dataset is not None else ""
    yield (
        f"- **Other recordings.** Its dataset is {recorded}. How it does on other recordings is unknown."
        if recorded
        else "- **Other recordings.** Whether its data were acted or in the wild is unknown, and so is how it does on "
        "other recordings."
    )
    if info.modality != "video":
        languages = ", ".join(dataset.languages) if dataset is not None else ""
        yield (
            f"- **Other languages.** The language of its dataset is {languages}; nothing is known of others."
            if languages
            else "- **Language.** Which languages it has heard, if any, is unknown."
        )
    yield from _list_missing_labels(info)
    columns = {group["column"] for group in (subject.document or {}).get("groups", ())}
    unmeasured = [name for name in ("sex", "age", "skin tone") if name not in columns]
    yield (
        f"- **Groups of people.** Differences by {_join(unmeasured)} were not measured, so no claim about them can be "
        "made."
    )


def _list_missing_labels(info: WeightInfo) -> Iterator[str]:
    if info.task not in ("classification", "multilabel") or not set(info.labels) & KNOWN_LABELS:
        return
    if missing := sorted(KNOWN_LABELS - set(info.labels)):
        yield (
            f"- **Other emotions.** {_join(missing)[:1].upper()}{_join(missing)[1:]} are not among its outputs, so it "
            "gives such clips another label."
        )


def _join(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _list_licences(subject: Subject) -> Iterator[str]:
    licence = escape_markdown(subject.info.licence)
    yield "The licence of the weight is unknown." if licence == UNKNOWN else f"The weight: {licence}."
    if subject.dataset is not None and not subject.dataset.own:
        yield f"Its data: {escape_markdown(subject.dataset.licence)}."
