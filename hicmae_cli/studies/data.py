"""The clips of a study: a corpus, or whole people of it, and a hash that does not depend on where it lies."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.corpora.clip_list import ClipList, find_clips
from hicmae_cli.corpora.known.puppets import MARK
from hicmae_cli.corpora.manifest import HEADER, Sample, list_files, read_manifest, write_csv
from hicmae_cli.corpora.splits import list_folds, split_by_column, split_by_fold
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.files import hash_lines
from hicmae_cli.records.hashes import hash_data

OnCount = Callable[[int, int], None]
"""Called with the number of clips done and of all clips."""


@dataclass(frozen=True)
class StudyData:
    """The clips that the runs of a study share; plain values, for other processes.

    Attributes:
        name: of the corpus.
        dataset: the known dataset; None for other manifests.
        manifest: the list of the clips that are used.
        fold: the fold that tests; empty where the column ``split`` decides.
        counts: number of clips of each split, or of each part of the fold.
        people: number of people of each of them.
        hash: of the clips, their labels and splits; the same wherever the corpus lies.
        other: a list of another corpus, which is only tested on; None without.
        other_name: of this corpus, as reports show it.
        other_hash: of its clips; empty without, or as long as they are not drawn.
    """

    name: str
    dataset: str | None
    manifest: Path
    fold: str
    counts: Mapping[str, int]
    people: Mapping[str, int]
    hash: str
    other: Path | None = None
    other_name: str = ""
    other_hash: str = ""

    @property
    def lacks_puppets(self) -> bool:
        """Whether puppets of it are not drawn yet, so that nothing can be computed."""
        return not self.hash or (self.other is not None and not self.other_hash)

    def __str__(self) -> str:
        parts = _enumerate([f"{count} {name}" for name, count in self.counts.items()])
        fold = f", fold {self.fold} tests" if self.fold else ""
        other = f"; tested on {self.other_name}, too" if self.other else ""
        people = f" ({_enumerate([str(count) for count in self.people.values()])} people)" if self.people else ""
        return f"{self.name}: {parts} clips{people}{fold}{other}"


def find_data(
    store: Path,
    *,
    dataset: str | None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    most: Mapping[str, int],
    draw_puppets: Callable[[Path], Path] | None = None,
    on_hash: OnCount = lambda *_: None,
) -> StudyData:
    """Find the clips of a study, and list those that its budget takes.

    Args:
        store: folder for such a list.
        dataset: name of a known dataset.
        root: its folder.
        manifest: a list of prepared clips, instead of or of the dataset.
        fold: the fold that tests, for a corpus with folds; by default the first.
        most: most clips of a split; whole people are taken, always the same ones. Empty takes the corpus as it is.
        draw_puppets: as for ``find_clips``.
        on_hash: called after each clip whose files are hashed.

    Raises:
        ManifestError: the corpus is not there, or has no test clips.
        SettingsError: an unknown dataset, or a fold of a corpus without folds.
    """
    clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    samples = read_manifest(clips.manifest, labelled=False)
    chosen = _choose_fold(samples, fold, clips)
    split = split_by_fold(samples, chosen) if chosen else split_by_column(samples)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    if not parts["train"] or not parts["test"]:
        raise ManifestError(
            f"{clips.manifest}: got {len(parts['train'])} training and {len(parts['test'])} test clips; a study needs "
            "both: fill in the column split or fold"
        )
    kept = {name: _take_people(part, most.get(name)) for name, part in parts.items()}
    some = any(len(kept[name]) < len(parts[name]) for name in parts)
    used = [sample for part in kept.values() for sample in part]
    found = hash_clips(used, clips.manifest, on_hash)
    return StudyData(
        clips.name,
        clips.dataset.name if clips.dataset else None,
        _write_list(store / "data" / found[:16], clips, used) if some else clips.manifest.absolute(),
        chosen,
        {name: len(part) for name, part in kept.items() if part},
        {name: len({sample.speaker for sample in part} - {""}) for name, part in kept.items() if part},
        found,
    )


def _enumerate(words: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def imagine_puppets(counts: Mapping[str, int]) -> StudyData:
    """Describe puppets that are not drawn yet, to plan with; nothing can be computed on them."""
    return StudyData("puppets", "puppets", Path("not drawn yet"), "", dict(counts), {}, "")


def hash_clips(samples: Sequence[Sample], manifest: Path, on_hash: OnCount) -> str:
    """Hash clips with their labels, splits and people, wherever their files are."""
    lines = hash_lines(sorted(_describe(sample) for sample in samples))
    files = hash_data(list_files(samples), manifest, on_clip=on_hash).files_sha256
    return hashlib.sha256(f"{lines} {files}".encode()).hexdigest()


def _choose_fold(samples: Sequence[Sample], fold: str | None, clips: ClipList) -> str:
    folds = list_folds(samples)
    if fold is not None and fold not in folds:
        known = f"expected {', '.join(folds)}" if folds else "its column fold is empty"
        raise SettingsError(f"fold={fold!r}: {clips.manifest} has no such fold; {known}")
    return fold or (folds[0] if folds else "")


def _take_people(samples: Sequence[Sample], most: int | None) -> list[Sample]:
    """Take whole people, in an order that does not depend on the list, as long as they fit; at least one."""
    if most is None or len(samples) <= most:
        return list(samples)
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.speaker or sample.id, []).append(sample)
    taken: set[str] = set()
    count = 0
    for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()):
        if not taken or count + len(groups[name]) <= most:
            taken.add(name)
            count += len(groups[name])
    return [sample for sample in samples if (sample.speaker or sample.id) in taken]


def _describe(sample: Sample) -> str:
    return "\t".join((sample.id, str(sample.target), sample.fold, sample.split, sample.speaker))


def _write_list(folder: Path, clips: ClipList, used: Sequence[Sample]) -> Path:
    """Write the list of the clips that are used -> its path; the labels stay as they are."""
    path = folder / f"{clips.name}.csv"
    rows = [
        (
            sample.id,
            str(sample.video.absolute()) if sample.video else "",
            str(sample.audio.absolute()) if sample.audio else "",
            str(sample.target),
            sample.fold,
            sample.split,
            sample.speaker,
        )
        for sample in used
    ]
    write_csv(path, HEADER, rows)
    if (mark := clips.manifest.parent / MARK).is_file():
        shutil.copyfile(mark, folder / MARK)
    return path
