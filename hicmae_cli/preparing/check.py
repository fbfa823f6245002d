"""Whether a dataset is all there, is what was published, and keeps its people apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.prepared import FOLDER_FPS, list_face_files, read_face
from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.corpora.splits import folds_of, shared_people, split_by_column, split_hash
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import FaceDetector
from hicmae_cli.media import read_frames_at, read_length_s
from hicmae_cli.preparing.clip import NOTED_GAP_S
from hicmae_cli.preparing.dataset import CLIPS, journal_path, sources_of
from hicmae_cli.preparing.jobs import Runner, examine_jobs, make_jobs, one_face
from hicmae_cli.preparing.journal import Entry, Journal
from hicmae_cli.preparing.store import check_holds
from hicmae_cli.workers import run_here

LOW_COVERAGE: Final = 0.5
"""Below this share of frames with a face, a clip is worth a look."""
_LOWEST_FPS, _HIGHEST_FPS = 5, 130  # of any camera; pictures in a folder do not say theirs
_GROUPS: Final = {"missing": "missing", "no face": "faceless", "no sound": "silent"}  # all others are broken


@dataclass(frozen=True)
class Remark:
    """Something about one item."""

    id: str
    text: str


@dataclass(frozen=True)
class FoldCheck:
    """One fold, as found and as published.

    Attributes:
        fold: its name; empty for a fixed split.
        train: items to train on.
        test: items to test on.
        published_train: of how many the paper writes; None where it does not.
        published_test: the same.
        train_is_same: whether ids and labels hash to the published value; None where there is none.
        test_is_same: the same.
        labels_are_same: whether each label occurs as often as published; None where that is not known.
        people_are_same: whether as many people are trained on and tested as published; None where that is not known.
        leaks: people who are in two parts, sorted; validation is the third.
    """

    fold: str
    train: int
    test: int
    published_train: int | None
    published_test: int | None
    train_is_same: bool | None
    test_is_same: bool | None
    labels_are_same: bool | None
    people_are_same: bool | None
    leaks: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against it."""
        return self.is_as_published and not self.leaks

    @property
    def is_as_published(self) -> bool:
        """Whether counts, ids and labels are those that were published, as far as they were."""
        counts = self.published_train in (None, self.train) and self.published_test in (None, self.test)
        return counts and False not in (
            self.train_is_same,
            self.test_is_same,
            self.labels_are_same,
            self.people_are_same,
        )

    @property
    def is_published(self) -> bool:
        """Whether anything was published to compare it with."""
        return self.published_train is not None or self.people_are_same is not None


@dataclass(frozen=True)
class CheckReport:
    """What a check found. The last two lists are for a look; anything in the others is wrong.

    Attributes:
        dataset: its name.
        items: how many were found, by their names and annotations.
        left_out: how many the dataset is known to be better without.
        examined: how many of them were opened for this check; what became of the others was known.
        labels: items per label, in the order of the dataset.
        folds: each fold.
        missing: items whose files are not there.
        broken: items that cannot be read, are too short, or whose sound is of another length.
        silent: items without sound, or whose sound is silence.
        faceless: items in whose video no face was found.
        low_coverage: prepared clips with a face in less than half of their frames.
        gaps: items whose sound is more than 0.1 s longer or shorter than their pictures; of folders of pictures, those
            whose pictures and sound cannot be of one time.
    """

    dataset: str
    items: int
    left_out: int
    examined: int
    labels: dict[str, int]
    folds: tuple[FoldCheck, ...]
    missing: tuple[Remark, ...]
    broken: tuple[Remark, ...]
    silent: tuple[Remark, ...]
    faceless: tuple[Remark, ...]
    low_coverage: tuple[Remark, ...]
    gaps: tuple[Remark, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return all(fold.is_good for fold in self.folds) and not (
            self.missing or self.broken or self.silent or self.faceless
        )

    def document(self) -> dict[str, Any]:
        """As a JSON document."""
        return {**asdict(self), "is_good": self.is_good}


def check(
    dataset: Dataset,
    items: Sequence[Item],
    store: Path,
    *,
    frames: Path | None = None,
    run: Runner = run_here,
    on_start: Callable[[int], None] = lambda _: None,
    on_item: Callable[[], None] = lambda: None,
    make_detector: Callable[[], FaceDetector] = one_face,
) -> CheckReport:
    """Look at a dataset without preparing it.

    What became of prepared items is known from their store. The others are examined: their sound is read and their
    frames are looked at up to the first face.

    Args:
        dataset: which.
        items: as its folder has them.
        store: where prepared clips lie, or will.
        frames: a folder of folders of face pictures to use in place of the videos.
        run: spreads the work; by default it is done in this process.
        on_start: called with the number of items to examine.
        on_item: called after each.
        make_detector: opens a face finder for one clip.

    Raises:
        ManifestError: no items, an id that occurs twice, or a store of another dataset.
    """
    sources = sources_of(dataset, items, frames)
    check_holds(store, dataset.folder)
    journal = Journal(journal_path(store, frames))
    jobs = make_jobs(sources, store / CLIPS, journal)
    unknown = [job for job in jobs if not job.is_known(journal.entries.get(job.id))]
    on_start(len(unknown))
    examined = examine_jobs(unknown, run, make_detector, on_item)
    entries = {id_: examined.get(id_) or journal.entries[id_] for id_ in sources}
    return summarise(dataset, items, entries, examined=len(unknown), timed=frames is None)


def summarise(
    dataset: Dataset, items: Sequence[Item], entries: Mapping[str, Entry], *, examined: int = 0, timed: bool = True
) -> CheckReport:
    """The report on items of which it is known what became of them.

    Args:
        dataset: which.
        items: as its folder has them.
        entries: of each item, by id.
        examined: how many were opened for it.
        timed: whether lengths of pictures are known; folders of them do not tell their frame rate.
    """
    return CheckReport(
        dataset=dataset.name,
        items=len(items),
        left_out=len(dataset.broken),
        examined=examined,
        labels=_count_labels(dataset, items),
        folds=check_folds(dataset, items),
        **_remarks(entries, timed=timed),
    )


def random_faces(manifest: Path, count: int, seed: int) -> list[tuple[NDArray[np.uint8], str, str]]:
    """Pictures (160, 160, 3) from random places of random clips of a manifest, with ids and labels.

    A clip that cannot be read, as it was changed since, is passed over.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    samples = [s for s in read_manifest(manifest, labelled=False, existing=False) if s.video is not None]
    rng = np.random.default_rng(seed)
    faces: dict[int, NDArray[np.uint8]] = {}
    for index in rng.permutation(len(samples)).tolist():
        if len(faces) == count:
            break
        with suppress(MediaError):
            faces[index] = _random_face(samples[index].video, rng)
    return [(faces[index], samples[index].id, samples[index].label) for index in sorted(faces)]


def _random_face(video: Path | None, rng: np.random.Generator) -> NDArray[np.uint8]:
    assert video is not None
    place = float(rng.uniform())
    if video.is_dir():
        files = list_face_files(video)
        return read_face(files[int(place * len(files))])
    return read_frames_at(video, [place * read_length_s(video)])[0]


def check_folds(dataset: Dataset, items: Sequence[Item]) -> tuple[FoldCheck, ...]:
    """Each fold of a dataset, by names and annotations alone."""
    if not any(item.fold for item in items):
        if not any(item.split for item in items):
            return ()
        parts = split_by_column(items)
        return (_check_fold(dataset, "", parts.train, parts.test, parts.validation),)
    names = dataset.folds or folds_of(items)
    return tuple(
        _check_fold(dataset, name, [i for i in items if i.fold != name], [i for i in items if i.fold == name])
        for name in names
    )


def _check_fold(
    dataset: Dataset, fold: str, train: Sequence[Item], test: Sequence[Item], validation: Sequence[Item] = ()
) -> FoldCheck:
    facts = dataset.published.get(fold)
    leaks = {*shared_people((*train, *validation), test), *shared_people(train, validation)}
    return FoldCheck(
        fold=fold,
        train=len(train),
        test=len(test),
        published_train=None if facts is None else facts.train,
        published_test=None if facts is None else facts.test,
        train_is_same=None if facts is None else _is_same(dataset, train, facts.train_sha256),
        test_is_same=None if facts is None else _is_same(dataset, test, facts.test_sha256),
        labels_are_same=None if facts is None else _labels_are_same(dataset, train, test, facts),
        people_are_same=None
        if fold or dataset.people is None
        else dataset.people == (_count_people(train), _count_people(test)),
        leaks=tuple(sorted(leaks)),
    )


def _count_people(items: Sequence[Item]) -> int:
    return len({item.speaker for item in items} - {""})


def _is_same(dataset: Dataset, items: Sequence[Item], published: str) -> bool | None:
    """Whether ids and labels are the published ones; ids are also tried as the authors name their folders."""
    if not published:
        return None
    codes = {label: str(index) for index, label in enumerate(dataset.labels)}
    labels = [codes.get(item.label, item.label) if dataset.task == "classification" else item.label for item in items]
    return any(
        split_hash((f"{item.id}{suffix}", label) for item, label in zip(items, labels, strict=True)) == published
        for suffix in {"", dataset.frames_suffix}
    )


def _labels_are_same(dataset: Dataset, train: Sequence[Item], test: Sequence[Item], facts: SplitFacts) -> bool | None:
    same = [
        tuple(_count_labels(dataset, items).values()) == published
        for items, published in ((train, facts.train_counts), (test, facts.test_counts))
        if published
    ]
    return all(same) if same else None


def _count_labels(dataset: Dataset, items: Sequence[Item]) -> dict[str, int]:
    if dataset.task == "regression":
        return {}
    counts = Counter(item.label for item in items)
    return {label: counts[label] for label in [*dataset.labels, *sorted(counts.keys() - {*dataset.labels})]}


def _remarks(entries: Mapping[str, Entry], *, timed: bool) -> dict[str, tuple[Remark, ...]]:
    """What is to be said about items; ``timed``: whether the times of their pictures are known."""
    found: dict[str, list[Remark]] = {
        name: [] for name in ("missing", "broken", "silent", "faceless", "low_coverage", "gaps")
    }
    for id_, entry in entries.items():
        facts = entry.facts
        if facts is None:
            found[_GROUPS.get(entry.fault, "broken")].append(Remark(id_, entry.cause))
            continue
        if facts.is_silent:
            found["silent"].append(Remark(id_, f"{facts.sound_s:.2f} s of silence"))
        if facts.face_coverage is not None and facts.face_coverage < LOW_COVERAGE:
            found["low_coverage"].append(Remark(id_, f"a face in {facts.face_coverage:.0%} of {facts.video_s:.2f} s"))
        pictures = round(facts.video_s * FOLDER_FPS)
        if timed and abs(facts.gap_s) > NOTED_GAP_S:
            text = f"{facts.sound_s:.2f} s of sound to {facts.video_s:.2f} s of pictures"
            found["gaps"].append(Remark(id_, text))
        elif not timed and not _LOWEST_FPS <= pictures / facts.sound_s <= _HIGHEST_FPS:
            text = f"{facts.sound_s:.2f} s of sound to {pictures} pictures"
            found["gaps"].append(Remark(id_, text))
    return {name: tuple(remarks) for name, remarks in found.items()}
