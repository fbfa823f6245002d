"""Merge lists of prepared clips into one list for a mixed training, with a split by person."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli.corpora.manifest import HEADER, RECORDING, SPLITS, Sample, read_manifest, relative_path, write_csv
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.labels import canonical_label

if TYPE_CHECKING:
    from rich.console import RenderableType

SOURCE: Final = "source"
"""Column with the name of the list that a clip comes from."""
SUBSET: Final = "subset"
"""Column with what that list has in its own column ``source``."""
_PARTS: Final = ("train", "validation", "test")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_DROP: Final = re.compile(r"(?P<source>[^/:]+)(/(?P<subset>[^:]+))?(:(?P<label>.+))?")
_FEWEST_GROUPS: Final = 3


@dataclass(frozen=True)
class MergedList:
    """The result of `merge_manifests`; it prints itself.

    Attributes:
        manifest: the list.
        samples: its clips.
        skipped: source -> label -> number of clips that are not in the list, because of ``labels`` or ``drop``.
        undrawn: sources with too few people to draw a split; all of their clips train.
    """

    manifest: Path
    samples: tuple[Sample, ...]
    skipped: Mapping[str, Mapping[str, int]]
    undrawn: tuple[str, ...] = ()

    def count(self) -> dict[tuple[str, str], Counter[str]]:
        """Count the clips: (source, split) -> label -> number of clips."""
        found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for sample in self.samples:
            found[sample.extra[SOURCE], sample.split][sample.label] += 1
        return dict(found)

    def list_rows(self) -> list[list[str]]:
        """List the counts as rows of a table, the header first."""
        counts = self.count()
        labels = sorted({sample.label for sample in self.samples})
        rows = [[SOURCE, "split", "clips", *labels]]
        for source in dict.fromkeys(source for source, _ in counts):
            rows += [
                [source, part, str(found.total()), *(str(found[label] or "") for label in labels)]
                for part in _PARTS
                if (found := counts.get((source, part)))
            ]
        return rows

    def list_notes(self) -> list[str]:
        """Return a line about the skipped clips of each source, and one about each source without a drawn split."""
        notes = [
            f"skipped {sum(found.values())} clips of {source}: "
            + ", ".join(f"{count} of {label}" for label, count in sorted(found.items()))
            for source, found in self.skipped.items()
        ]
        return notes + [
            f"{source} has fewer than {_FEWEST_GROUPS} people: all of its clips are for training"
            for source in self.undrawn
        ]

    def __str__(self) -> str:
        lines = ["  ".join(row) for row in self.list_rows()]
        return "\n".join([*lines, *self.list_notes(), f"{len(self.samples)} clips are listed in {self.manifest}"])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        header, *rows = self.list_rows()
        table = Table(*header)
        for column in table.columns[2:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        done = Text.assemble((f"{len(self.samples)} clips", "green"), f" are listed in {self.manifest}")
        return Group(table, *(Text(note) for note in self.list_notes()), done)


def merge_manifests(
    sources: Mapping[str, str | Path],
    output: str | Path,
    *,
    labels: Sequence[str] = (),
    drop: Sequence[str] = (),
    split_seed: int = 0,
    test_share: float = 0.2,
    validation_share: float = 0.1,
) -> MergedList:
    """Merge lists of prepared clips into one list.

    Ids become ``NAME/id`` and speakers ``NAME/speaker``. The column ``source`` holds NAME; a column ``source`` of a
    list becomes ``subset``. All other columns are kept. Folds are left out, because those of one list mean nothing for
    the others.

    A split that a list names is kept. Where it names none, whole people are drawn for testing, then for validation; a
    clip of an unknown person is a person of its own, and clips of one recording stay together. The people follow from
    their names and the seed, whatever ``labels`` and ``drop`` leave out.

    Args:
        sources: NAME -> a list of prepared clips.
        output: the ``.csv`` to write.
        labels: keep the clips of these labels only; by default all.
        drop: clips to leave out: ``NAME:LABEL``, ``NAME/SUBSET:LABEL``, ``NAME/SUBSET`` or ``NAME``.
        split_seed: decides who is drawn.
        test_share: of the clips of a list without a split, for testing.
        validation_share: of them, for validation.

    Raises:
        SettingsError: names, shares or labels that cannot be used, or that no clip has.
        ManifestError: a list that cannot be read, or no clips left.
    """
    output = Path(output)
    _check_settings(sources, output, test_share, validation_share)
    rules = [_parse_drop(text, sources) for text in drop]
    shares = {"test": test_share, "validation": validation_share}
    merged: list[Sample] = []
    undrawn = []
    for name, path in sources.items():
        listed = [_rename(name, sample) for sample in read_manifest(path, existing=True)]
        drawn = _draw_splits(listed, split_seed, shares)
        if (
            any(shares.values())
            and not any(sample.split for sample in listed)
            and {s.split for s in drawn} == {"train"}
        ):
            undrawn.append(name)
        merged += drawn
    kept, skipped = _leave_out(merged, tuple(map(canonical_label, labels)), rules)
    _write(output, kept)
    return MergedList(output, tuple(read_manifest(output, existing=False)), skipped, tuple(undrawn))


def _check_settings(
    sources: Mapping[str, str | Path], output: Path, test_share: float, validation_share: float
) -> None:
    if not sources:
        raise SettingsError("got no lists; expected at least one, as NAME=FILE.csv")
    for name, path in sources.items():
        if not _NAME.fullmatch(name):
            raise SettingsError(one_line(f"{name}: cannot name a list; use letters, digits, - and _"))
        if output.resolve() == Path(path).resolve():
            raise SettingsError(f"output={str(output)!r}: is one of the lists; choose another file")
    for key, share in (("test_share", test_share), ("validation_share", validation_share)):
        if not 0 <= share < 0.5:
            raise SettingsError(f"{key}={share}: expected at least 0 and less than 0.5")


def _parse_drop(text: str, sources: Mapping[str, str | Path]) -> tuple[str, str, str, str]:
    """Parse ``NAME/SUBSET:LABEL`` -> the text, name, subset and label; empty stands for any."""
    match = _DROP.fullmatch(text.strip())
    if match is None or match["source"] not in sources:
        raise SettingsError(
            f"drop={text!r}: expected NAME:LABEL, NAME/SUBSET:LABEL or NAME/SUBSET, with one of the names "
            f"{', '.join(sources)}"
        )
    return text, match["source"], match["subset"] or "", canonical_label(match["label"] or "")


def _rename(name: str, sample: Sample) -> Sample:
    """Make the names of a clip unique among all lists."""
    extra = dict(sample.extra)
    subset = "/".join(filter(None, (extra.pop(SOURCE, ""), extra.pop(SUBSET, ""))))
    if extra.get(RECORDING):
        extra[RECORDING] = f"{name}/{extra[RECORDING]}"
    return replace(
        sample,
        id=f"{name}/{sample.id}",
        speaker=sample.speaker and f"{name}/{sample.speaker}",
        fold="",
        split="validation" if sample.split == "val" else sample.split,
        extra={SOURCE: name, SUBSET: subset, **extra},
    )


def _draw_splits(samples: Sequence[Sample], seed: int, shares: Mapping[str, float]) -> list[Sample]:
    """Give a split to the clips of one list that have none."""
    for sample in samples:
        if sample.split not in ("", *SPLITS):
            raise ManifestError(f"clip {sample.id}: its split is {sample.split!r}, expected train, validation or test")
    groups = _group(samples)
    named = {groups[sample.id]: sample.split for sample in samples if sample.split}
    sizes = Counter(groups[sample.id] for sample in samples if groups[sample.id] not in named)
    drawn = dict(named)
    if len(sizes) >= _FEWEST_GROUPS:
        total, taken = sizes.total(), Counter[str]()
        for group in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
            size = sizes[group]
            for part, share in shares.items():
                # Of a few people, each may be more than the share: the first one who is not half of the list is taken.
                fits = taken[part] + size <= share * total or (not taken[part] and 2 * size <= total)
                if share and fits:
                    drawn[group] = part
                    taken[part] += size
                    break
    return [replace(sample, split=sample.split or drawn.get(groups[sample.id], "train")) for sample in samples]


def _group(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the group of each clip by its id; clips of one person, or of one recording, are in one group."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    def keys(sample: Sample) -> list[tuple[str, str]]:
        found = [("speaker", sample.speaker), (RECORDING, sample.extra.get(RECORDING, ""))]
        return [key for key in found if key[1]] or [("id", sample.id)]

    for sample in samples:
        first, *others = keys(sample)
        for other in others:
            # The smaller name stands for the group, in whatever order the clips are listed.
            low, high = sorted((find(first), find(other)))
            parents[high] = low
    return {sample.id: "/".join(find(keys(sample)[0])) for sample in samples}


def _leave_out(
    samples: Sequence[Sample], labels: Sequence[str], rules: Sequence[tuple[str, str, str, str]]
) -> tuple[list[Sample], dict[str, dict[str, int]]]:
    """Return the clips to keep, and the numbers of the others by source and label."""
    present = {sample.label for sample in samples}
    if unknown := [label for label in labels if label not in present]:
        raise SettingsError(f"labels={','.join(labels)!r}: no clip is labelled {', '.join(unknown)}")
    used: set[str] = set()
    kept: list[Sample] = []
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        place = (sample.extra[SOURCE], sample.extra[SUBSET], sample.label)
        matching = [text for text, *rule in rules if all(a in ("", b) for a, b in zip(rule, place, strict=True))]
        used.update(matching)
        if matching or (labels and sample.label not in labels):
            skipped[place[0]][sample.label] += 1
        else:
            kept.append(sample)
    if unused := [text for text, *_ in rules if text not in used]:
        raise SettingsError(f"drop={unused[0]!r}: there are no such clips")
    if not kept:
        raise ManifestError("no clips are left to list; check `labels` and `drop`")
    return kept, {source: dict(found) for source, found in skipped.items()}


def _write(output: Path, samples: Sequence[Sample]) -> None:
    extra = dict.fromkeys(name for sample in samples for name in sample.extra)
    if not any(sample.extra[SUBSET] for sample in samples):
        extra.pop(SUBSET)
    rows = [
        (
            sample.id,
            *("" if file is None else relative_path(file, output.parent) for file in (sample.video, sample.audio)),
            sample.label,
            sample.fold,
            sample.split,
            sample.speaker,
            *(sample.extra.get(name, "") for name in extra),
        )
        for sample in samples
    ]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_csv(output, (*HEADER, *extra), rows)
    except OSError as error:
        raise ManifestError(f"{output}: cannot be written ({error.strerror}); choose another file") from error
