"""The data card of a prepared corpus: what is in it, what is not, and where it comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean, median
from typing import Any

from hicmae_cli import __version__
from hicmae_cli.corpora.card import describe_task, group_reasons, make_title
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.values import parse_values
from hicmae_cli.files import write_text_atomically
from hicmae_cli.markdown import escape_markdown, quote_code
from hicmae_cli.preparing.clip import VERSION
from hicmae_cli.preparing.journal import Entry
from hicmae_cli.preparing.listing import Row
from hicmae_cli.preparing.people import LOW_COVERAGE


@dataclass(frozen=True)
class Spread:
    """Least, mean, median and largest of some numbers."""

    least: float
    mean: float
    median: float
    most: float

    @classmethod
    def measure(cls, values: Iterable[float]) -> Spread | None:
        """Measure numbers; None if there are none."""
        numbers = sorted(values)
        if not numbers:
            return None
        return cls(*(round(value, 4) for value in (numbers[0], fmean(numbers), median(numbers), numbers[-1])))

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g}, mean {self.mean:.4g}, median {self.median:.4g}"


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """Facts about a prepared corpus; as text, a Markdown page.

    Attributes:
        dataset: the dataset's name.
        title: its title.
        task: its task, in words.
        licence: its licence.
        citation: the publication to cite; empty for your own recordings.
        access: where it comes from.
        split_rule: which clips each fold tests, in words.
        date: day (UTC) on which the corpus became what the card says.
        hicmae: version of hicmae.
        clip_version: version of prepared clips.
        command: the command that prepares the same.
        items: number of recordings as distributed.
        clips: number of prepared clips.
        labels: clips per label; empty for a regression.
        targets: the values of a regression, by target.
        folds: clips per fold.
        splits: clips per word of the column ``split``.
        speakers: number of people whom the manifest names.
        unnamed: clips without a name of their speaker.
        total_s: length of all clips together.
        length_s: length of a clip; None if unknown.
        fps: clips per frame rate (frames per second).
        without_sound: clips without sound.
        silent: clips whose sound is silence.
        face_coverage: share of frames with the kept person's face; None if unknown.
        low_coverage: clips with a face in less than half of their frames.
        people_seen: recordings per number of people seen in them.
        doubtful: recordings whose clip may show the wrong person.
        identity_switches: how often the largest face changes between people, over all recordings.
        skipped: recordings that could not be prepared, per kind of fault.
        causes: id of each skipped recording -> cause.
        excluded: id of each clip that the dataset excludes -> reason.
    """

    dataset: str
    title: str
    task: str
    licence: str
    citation: str
    access: str
    split_rule: str
    date: str
    hicmae: str
    clip_version: int
    command: str
    items: int
    clips: int
    labels: Mapping[str, int]
    targets: Mapping[str, Spread]
    folds: Mapping[str, int]
    splits: Mapping[str, int]
    speakers: int
    unnamed: int
    total_s: float
    length_s: Spread | None
    fps: Mapping[str, int]
    without_sound: int
    silent: int
    face_coverage: Spread | None
    low_coverage: int
    people_seen: Mapping[str, int]
    doubtful: int
    identity_switches: int
    skipped: Mapping[str, int]
    causes: Mapping[str, str]
    excluded: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(_make_lines(self)) + "\n"


def make_data_card(
    dataset: Dataset, items: Sequence[Item], rows: Sequence[Row], entries: Mapping[str, Entry], command: str
) -> DataCard:
    """Make the data card of a corpus that was prepared.

    Args:
        dataset: the dataset.
        items: the items that were asked for.
        rows: the clips of its manifest.
        entries: the result of each item, by id.
        command: the command that prepares the same.
    """
    facts = {row.item.id: found for row in rows if (found := entries[row.item.id].facts) is not None}
    lengths_s = [facts[row.item.id].video_s if facts[row.item.id].fps else facts[row.item.id].sound_s for row in rows]
    coverages = [float(text) for row in rows if (text := row.extra.get("face_coverage"))]
    known = [each for each in facts.values() if each.people_seen is not None]
    causes = {id_: entries[id_].cause for id_ in sorted(item.id for item in items) if entries[id_].facts is None}
    return DataCard(
        dataset=dataset.name,
        title=make_title(dataset),
        task=describe_task(dataset),
        licence=dataset.licence,
        citation=dataset.citation,
        access=dataset.access,
        split_rule=dataset.fold_rule,
        date=datetime.now(timezone.utc).date().isoformat(),
        hicmae=__version__,
        clip_version=VERSION,
        command=command,
        items=len(items),
        clips=len(rows),
        labels={} if dataset.task == "regression" else _count(row.item.label for row in rows),
        targets=_measure_targets(dataset, rows),
        folds=_count(row.item.fold for row in rows),
        splits=_count(row.item.split for row in rows),
        speakers=len({row.speaker for row in rows} - {""}),
        unnamed=sum(not row.speaker for row in rows),
        total_s=round(sum(lengths_s), 3),
        length_s=Spread.measure(lengths_s),
        fps=_count(f"{fps:g}" for row in rows if (fps := facts[row.item.id].fps)),
        without_sound=sum(not row.audio for row in rows),
        silent=sum(facts[row.item.id].is_silent for row in rows),
        face_coverage=Spread.measure(coverages),
        low_coverage=sum(coverage < LOW_COVERAGE for coverage in coverages),
        people_seen=_count(str(each.people_seen) for each in known),
        doubtful=sum(each.is_doubtful for each in known),
        identity_switches=sum(each.identity_switches or 0 for each in known),
        skipped=_count(entries[id_].fault for id_ in causes),
        causes=causes,
        excluded=dict(dataset.excluded),
    )


def write_data_card(card: DataCard, markdown: Path) -> None:
    """Write a card as Markdown, and the same facts as JSON next to it.

    A card that is there already, and says the same but for the date, stays as it is.

    Raises:
        OSError: a file cannot be written.
    """
    document = markdown.with_suffix(".json")
    facts = json.loads(json.dumps(card.to_dict()))
    try:
        before = json.loads(document.read_text("utf-8"))
        if markdown.is_file() and {**before, "date": card.date} == facts:
            return
    except (OSError, ValueError, TypeError):
        pass
    for path, text in ((document, json.dumps(facts, indent=2, ensure_ascii=False) + "\n"), (markdown, str(card))):
        write_text_atomically(path, text)


def _count(texts: Iterable[str]) -> dict[str, int]:
    """Count texts that are not empty, in natural order."""
    counts = Counter(text for text in texts if text)
    return {
        text: counts[text]
        for text in sorted(counts, key=lambda text: (text.isdecimal(), len(text) * text.isdecimal(), text))
    }


def _measure_targets(dataset: Dataset, rows: Sequence[Row]) -> dict[str, Spread]:
    if dataset.task != "regression":
        return {}
    values = [parse_values(row.item.label) or () for row in rows]
    columns = zip(*(row for row in values if len(row) == len(dataset.labels)), strict=True)
    return {
        name: spread
        for name, column in zip(dataset.labels, columns, strict=False)
        if (spread := Spread.measure(column)) is not None
    }


def _make_lines(card: DataCard) -> Iterator[str]:
    yield f"# Data card: {card.title} (`{card.dataset}`)"
    yield ""
    hours = f"{card.total_s / 3600:.2f} hours" if card.total_s >= 3600 else f"{card.total_s / 60:.1f} minutes"
    named = f"{card.speakers} named" if card.speakers else "not named"
    facts = [
        ("Clips", f"{card.clips} of {card.items} recordings, {hours}"),
        ("Task", card.task),
        ("Length of a clip", f"{card.length_s} s" if card.length_s else ""),
        ("Frame rates", ", ".join(f"{rate} frames/s ({count})" for rate, count in card.fps.items())),
        ("Sound", f"{card.without_sound} clips without it, {card.silent} silent"),
        ("Speakers", named + (f", {card.unnamed} clips without a name" if card.speakers and card.unnamed else "")),
        ("People in view", ", ".join(f"{people} ({count})" for people, count in card.people_seen.items())),
        (
            "May show the wrong person",
            f"recordings: {card.doubtful}, changes of the largest face: {card.identity_switches}"
            if card.people_seen
            else "",
        ),
        ("Frames with the face", f"{card.face_coverage}" if card.face_coverage else ""),
        ("Clips with a face in less than half of the frames", str(card.low_coverage) if card.face_coverage else ""),
        ("Licence", card.licence),
        ("Source", card.access),
        ("Cite", card.citation),
        ("Prepared", f"{card.date}, hicmae {card.hicmae}, clips of version {card.clip_version}"),
    ]
    yield from (f"- {name}: {escape_markdown(text)}" for name, text in facts if text)
    yield f"- Command: {quote_code(card.command)}"
    for title, counts in (("Labels", card.labels), ("Folds", card.folds), ("Splits", card.splits)):
        if counts:
            yield from ["", f"## {title}", ""]
            if title == "Folds":
                yield from [f"{card.split_rule[:1].upper()}{card.split_rule[1:]}.", ""]
            yield from _make_table((title[:-1].lower(), "clips"), counts.items())
    if card.targets:
        yield from ["", "## Targets", "", *_make_table(("target", "values"), card.targets.items())]
    if card.skipped or card.excluded:
        yield from ["", "## Left out", ""]
    if card.skipped:
        yield from _make_table(("fault", "recordings"), card.skipped.items())
        yield from ["", *(f"- {escape_markdown(id_)}: {escape_markdown(cause)}" for id_, cause in card.causes.items())]
    if card.excluded:
        yield from ["", "Excluded by the protocol:", ""]
        yield from (f"- {escape_markdown(line)}" for line in group_reasons(card.excluded))


def _make_table(header: tuple[str, str], rows: Iterable[tuple[str, object]]) -> Iterator[str]:
    yield from (f"| {' | '.join(header)} |", "| --- | --- |")
    yield from (f"| {escape_markdown(name)} | {value} |" for name, value in rows)
