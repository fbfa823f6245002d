"""Annotations of one's own recordings, in ELAN, Praat or BORIS files beside their media: a clip for each interval."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotated_people import Person, find_person, read_people
from hicmae_cli.corpora.annotations import quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item, RecordingPart
from hicmae_cli.corpora.dealing import deal_folds
from hicmae_cli.corpora.known.own import STORE
from hicmae_cli.corpora.manifest import RECORDING
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import KNOWN_LABELS, canonical_label, is_label
from hicmae_cli.model_input import WINDOW_S
from hicmae_cli.tiers.interval import AnnotationFile, Interval
from hicmae_cli.tiers.reading import READERS, read_annotations

_FOLDS: Final = ("1", "2", "3", "4", "5")
_LABELS_FILE: Final = "labels.txt"
SHORTEST_S: Final = WINDOW_S / 4
"""A shorter interval is skipped: it is the time between two windows of a prediction."""
_LISTED: Final = 20
_UNNAMED: Final = re.compile(r"(?i)(?:person|track)?[ _-]*\d+")
_SLUG: Final = re.compile(r"[^\w-]+")
_LONGEST_SLUG: Final = 60  # letters, of up to four bytes; a file name has at most 255


@dataclass
class _Skipped:
    """What is not used, by reason."""

    short: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    people: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    untimed: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """Return a line about each reason."""
        labels = [f"{quote(label)} ({count})" for label, count in self.labels.most_common()]
        untimed = [f"{name} ({count})" for name, count in self.untimed.items()]
        known = f"put every label that you use into {_LABELS_FILE} to use others"
        reasons = (
            (self.short, f"intervals shorter than {SHORTEST_S} s or before the start", ""),
            (labels, "intervals with unknown labels", known),
            (self.people, "intervals of a person that is not known", ""),
            (untimed, "annotations without a start or an end", ""),
            (self.files, "annotation files", ""),
            (self.links, "links to annotation files", "copy the files to use them"),
        )
        return [
            one_line(f"skipped {name}{f' ({advice})' if advice else ''}: {_name_some(found)}")
            for found, name, advice in reasons
            if found
        ]


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "; ".join(names[:_LISTED]) + more


def _list_items(root: Path) -> list[Item]:
    """List the labelled intervals of all annotation files below ``root``."""
    items, skipped = _read_folder(root)
    if not items:
        reasons = "".join(f"; {warning}" for warning in skipped.warnings())
        raise ManifestError(
            one_line(f"{root}: no labelled intervals in .eaf, .TextGrid or .tsv files beside their media{reasons}")
        )
    return items


def _find_ignored(root: Path) -> list[str]:
    return _read_folder(root)[1].warnings()


def _read_folder(root: Path) -> tuple[list[Item], _Skipped]:
    # The media package loads NumPy, which the catalogue does without.
    from hicmae_cli.media import list_media

    listing = list_media(root, READERS.keys(), exclude=root.resolve() / STORE)
    skipped = _Skipped(links=[path.relative_to(root).as_posix() for path in listing.links])
    own_labels = _read_labels(root)
    items: list[Item] = []
    taken: Counter[str] = Counter()
    sources: dict[Path, Path] = {}
    for path in listing.files:
        name = path.relative_to(root).as_posix()
        candidates = _find_by_name(path)
        if path.suffix.lower() == ".tsv" and not candidates:
            skipped.files.append(f"{name} (no media file of its name beside it)")
            continue
        content = read_annotations(path)
        media = _find_linked(path, content) or next(iter(candidates), None)
        if media is None:
            skipped.files.append(f"{name} (its media file is not beside it)")
            continue
        if media in sources:
            raise ManifestError(
                one_line(f"{path}: is of {media.name}, as {sources[media].name} is; keep only the corrected one")
            )
        sources[media] = path
        skipped.untimed += Counter({name: content.untimed})
        for item in _read_file(root, path, media, content.intervals, own_labels, skipped):
            taken[item.id] += 1
            number = taken[item.id]
            items.append(item if number == 1 else replace(item, id=f"{item.id}-{number}"))
    return sorted(items, key=lambda item: item.id), skipped


def _read_labels(root: Path) -> frozenset[str]:
    """Return the labels that ``labels.txt`` names; empty without it."""
    path = root / _LABELS_FILE
    return frozenset(canonical_label(line) for _, line in read_lines(path)) if path.is_file() else frozenset()


def _read_file(
    root: Path, path: Path, media: Path, intervals: Sequence[Interval], own_labels: Collection[str], skipped: _Skipped
) -> Iterator[Item]:
    """Yield the items of one annotation file."""
    from hicmae_cli.media import SOUND_SUFFIXES

    name = path.relative_to(root).as_posix()
    recording = media.relative_to(root).as_posix()
    is_sound = media.suffix.lower() in SOUND_SUFFIXES
    predicted = None if is_sound else read_people((path.parent, root), media)
    known = own_labels or KNOWN_LABELS | (predicted.labels if predicted else frozenset())
    labelled: list[tuple[Interval, str]] = []
    for interval in intervals:
        label = canonical_label(interval.text)
        if label not in known or not is_label(label):
            skipped.labels[interval.text] += 1
        elif interval.start_s < 0 or interval.end_s - interval.start_s < SHORTEST_S - 1e-9:
            skipped.short.append(f"{name} {interval.tier} {interval.start_s:.3f}-{interval.end_s:.3f} s {label}")
        else:
            labelled.append((interval, label))
    tiers = {interval.tier for interval, _ in labelled}
    if not is_sound and predicted is None and len(tiers) > 1:
        skipped.people.append(
            f"{name}: has {len(tiers)} tiers, and no predictions.json beside it that says which person is where; run "
            f"`hicmae predict {media.name} --output {path.parent}`"
        )
        return
    seen: set[tuple[str, str, float, float]] = set()
    unmatched: Counter[str] = Counter()
    for interval, label in labelled:
        person = find_person(predicted.people, interval) if predicted else None
        if predicted and person is None:
            unmatched[interval.tier] += 1
            continue
        key = person.title if person else interval.tier, label, interval.start_s, interval.end_s
        if key not in seen:
            seen.add(key)
            yield _make_item(recording, media, interval, label, person)
    for tier, count in unmatched.items():
        people = ", ".join(person.title for person in predicted.people) if predicted else ""
        skipped.people.append(f"{name}: {count} of the tier {quote(tier)}; its predictions have {people or 'no faces'}")


def _make_item(recording: str, media: Path, interval: Interval, label: str, person: Person | None) -> Item:
    who = person.title if person else interval.person or interval.tier
    # A number is a person of one recording; a name is the same person everywhere.
    named = (person.name if person else "") or ("" if _UNNAMED.fullmatch(interval.person) else interval.person)
    start_ms = round(interval.start_s * 1000)
    places = person.cut(interval.start_s, interval.end_s) if person else ()
    return Item(
        id=f"{recording}/{_SLUG.sub('-', who)[:_LONGEST_SLUG].strip('-') or 'tier'}-{start_ms:07d}",
        label=label,
        speaker=named or f"{recording}/{who}",
        video=media,
        part=RecordingPart(interval.start_s, interval.end_s, places=places),
        extra={
            "tier": interval.tier,
            "start_s": f"{interval.start_s:.3f}",
            "end_s": f"{interval.end_s:.3f}",
            RECORDING: recording,
        },
    )


def _find_by_name(path: Path) -> list[Path]:
    """Return the media files beside an annotation file that it is named after: ``a.eaf`` or ``a.mp4.eaf``."""
    from hicmae_cli.media import MEDIA_SUFFIXES

    stems = {path.stem, Path(path.stem).stem}
    found = [
        file
        for file in sorted(path.parent.iterdir())
        if file.suffix.lower() in MEDIA_SUFFIXES
        and (file.name == path.stem or file.stem in stems)
        and file.is_file()
        and not file.is_symlink()
    ]
    # Its whole name first, then a video before its sound.
    return sorted(found, key=lambda file: (file.name != path.stem, file.stem != path.stem, not _is_video(file)))


def _find_linked(path: Path, content: AnnotationFile) -> Path | None:
    """Return the first media file that an annotation file links, if it is in the same folder; no path is followed."""
    from hicmae_cli.media import MEDIA_SUFFIXES

    names = {file.name: file for file in sorted(path.parent.iterdir())}
    found = [names[name] for name in content.media if name in names]
    usable = [f for f in found if f.suffix.lower() in MEDIA_SUFFIXES and f.is_file() and not f.is_symlink()]
    return min(usable, key=lambda file: not _is_video(file), default=None)


def _is_video(file: Path) -> bool:
    from hicmae_cli.media import VIDEO_SUFFIXES

    return file.suffix.lower() in VIDEO_SUFFIXES


def _deal(items: Sequence[Item]) -> list[Item]:
    """Deal the items to folds, with all clips of a person and all of a recording, which share its sound, in one."""
    links: dict[str, str] = {}

    def find(name: str) -> str:
        while links.setdefault(name, name) != name:
            name = links[name]
        return name

    for item in items:
        links[find(f"person {item.speaker}")] = find(f"recording {item.extra[RECORDING]}")
    grouped = [replace(item, speaker=find(f"person {item.speaker}")) for item in items]
    folds = {item.id: item.fold for item in deal_folds(grouped, _FOLDS)}
    return sorted((replace(item, fold=folds[item.id]) for item in items), key=lambda item: item.id)


ANNOTATIONS: Final = Dataset(
    name="annotations",
    title="your own annotations",
    folder="annotations",
    task="classification",
    fold_rule="five folds of about equal size, each person and each recording in one of them",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    sampling="time",
    recipe="own-data",
    items=_list_items,
    deal=_deal,
    ignored=_find_ignored,
    layout=(
        "…/<name>.eaf, .TextGrid or .tsv (ELAN, Praat, BORIS)\n"
        "…/<name>.<video or sound suffix>, beside it\n"
        "…/predictions.json (optional; says where each person's face is)\n"
        "labels.txt (optional; one label per line, other labels are skipped)"
    ),
    citation="",
    licence="set by you",
    access="your own recordings with annotations, such as a corrected timeline of `hicmae predict`",
    choices=(
        f"Each interval with a label becomes a clip. Intervals shorter than {SHORTEST_S} s are skipped and listed.",
        "A tier, its participant, the tier above it or a subject of BORIS means the person of this name, or of this "
        "number (`person 2`), in predictions.json. If that has one face only, every tier means this person.",
        "Without predictions.json, a file with labels in one tier is of the person who is seen most in each interval; "
        "a file with labels in several tiers is skipped.",
        "Labels that neither hicmae nor the predictions' weight know are skipped and listed; with labels.txt, all "
        "others than those in it.",
    ),
    own=True,
)
