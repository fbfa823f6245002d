"""Check a dataset: whether it is complete, equals the published one, and keeps its people apart."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from hicmae_cli.clips.prepared import FOLDER_FPS
from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.corpora.published import equals_published
from hicmae_cli.corpora.splits import find_shared_people, list_folds, split_by_column
from hicmae_cli.faces import FaceDetector
from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S
from hicmae_cli.preparing.findings import CheckReport, FoldCheck, Remark
from hicmae_cli.preparing.jobs import CLIPS, PEOPLE, Runner, choose_runner, examine_jobs, make_jobs, open_finder
from hicmae_cli.preparing.journal import Entry, Journal
from hicmae_cli.preparing.measuring import NOTED_GAP_S, ClipFacts
from hicmae_cli.preparing.people import LOW_COVERAGE, KeepPeople
from hicmae_cli.preparing.sources import find_raw, find_sources, journal_path
from hicmae_cli.preparing.store import check_holds
from hicmae_cli.workers import run_here

# Windows of counted frames and windows by time may differ by this share without a remark.
_NOTED_WINDOW_SHARE: Final = 0.1
# No camera is slower or faster; pictures in a folder have no rate.
_LOWEST_FPS, _HIGHEST_FPS = 5, 130
# Field of the report for a kind of fault; all other kinds are broken.
_GROUPS: Final = {"missing": "missing", "no face": "faceless", "no sound": "silent"}


def check(
    dataset: str | Dataset,
    root: str | Path | None = None,
    *,
    output: str | Path | None = None,
    frames: str | Path | None = None,
    limit: int | None = None,
    without_sound: bool = False,
    keep_people: KeepPeople = "one",
    workers: int | None = None,
    ray: str | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_item: Callable[[], None] = lambda: None,
    on_warning: Callable[[str], object] = warnings.warn,
    make_detector: Callable[[], FaceDetector] = open_finder,
) -> CheckReport:
    """Check a dataset without preparing it.

    It reports missing, broken, silent and faceless items, compares folds with the published ones, and finds people who
    are in more than one part.

    Args:
        dataset: its name, or a `Dataset`.
        root: its folder as distributed; by default its folder below ``HICMAE_DATA``.
        output: the folder for prepared clips; by default ``prepared`` below the root.
        frames: a folder with a folder of face pictures for each id, to check in place of the videos.
        limit: check the first items only.
        without_sound: accept clips without sound.
        keep_people: which clips to check; see `prepare`.
        workers: number of processes; 0 for this process, None for one process per core.
        ray: address of a Ray cluster to use instead.
        on_start: called with the number of items to examine.
        on_item: called after each of them.
        on_warning: called with a line about each kind of file that is ignored; by default a Python warning.
        make_detector: opens a face finder for one clip.

    Raises:
        SettingsError: an argument that cannot be used.
        ManifestError: the dataset is missing or malformed, or its output folder holds another dataset.
    """
    run = choose_runner(workers, ray)
    raw = find_raw(
        dataset, root, output=output, frames=frames, limit=limit, keep_people=keep_people, on_warning=on_warning
    )
    return check_items(
        raw.dataset,
        raw.items,
        raw.store,
        frames=raw.frames,
        without_sound=without_sound,
        keep_people=keep_people,
        run=run,
        on_start=on_start,
        on_item=on_item,
        make_detector=make_detector,
    )


def check_items(
    dataset: Dataset,
    items: Sequence[Item],
    store: Path,
    *,
    frames: Path | None = None,
    without_sound: bool = False,
    keep_people: KeepPeople = "one",
    run: Runner = run_here,
    on_start: Callable[[int], None] = lambda _: None,
    on_item: Callable[[], None] = lambda: None,
    make_detector: Callable[[], FaceDetector] = open_finder,
) -> CheckReport:
    """Check items of a dataset without preparing them.

    The store knows the results of prepared items. The others are examined: their sound is read, and their frames up to
    the first face.

    Args:
        dataset: the dataset of the items.
        items: its items.
        store: the folder of prepared clips; need not exist.
        frames: a folder with a folder of face pictures for each id, to check in place of the videos.
        without_sound: accept clips without sound.
        keep_people: which clips of the store to check: ``one`` for each video, or those of ``all`` people.
        run: distributes the work; by default it runs in this process.
        on_start: called with the number of items to examine.
        on_item: called after each of them.
        make_detector: opens a face finder for one clip.

    Raises:
        ManifestError: no items, an id that occurs twice, or a store of another dataset.
    """
    sources = find_sources(dataset, items, frames, without_sound=without_sound)
    check_holds(store, dataset.folder)
    journal = Journal(journal_path(store, frames, keep_people))
    jobs = make_jobs(sources, store / (CLIPS if keep_people == "one" else PEOPLE), journal, keep_people)
    unknown = [job for job in jobs if not job.is_known(journal.entries.get(job.id))]
    on_start(len(unknown))
    examined = examine_jobs(unknown, run, make_detector, on_item)
    entries = {id_: examined.get(id_) or journal.entries[id_] for id_ in sources}
    return summarise(
        dataset, items, entries, examined=len(unknown), timed=frames is None, keeps_all=keep_people == "all"
    )


def summarise(
    dataset: Dataset,
    items: Sequence[Item],
    entries: Mapping[str, Entry],
    *,
    examined: int = 0,
    timed: bool = True,
    keeps_all: bool = False,
) -> CheckReport:
    """Make the report on items with known results.

    Args:
        dataset: the dataset of the items.
        items: its items.
        entries: the result of each item, by id.
        examined: number of items that were opened for it.
        timed: whether the lengths of videos are known; folders of pictures have no frame rate.
        keeps_all: whether each person has a clip; then no one is missing where there are several.
    """
    usable = [item for item in items if entries[item.id].facts is not None]
    return CheckReport(
        dataset=dataset.name,
        title=dataset.title,
        items=len(items),
        excluded=len(dataset.excluded),
        skipped=sum(entry.facts is None for entry in entries.values()),
        examined=examined,
        labels=_count_labels(dataset, items),
        folds=check_folds(dataset, dataset.deal(usable) if dataset.deal else items),
        **{**_make_remarks(dataset, entries, timed=timed), **({"several_people": ()} if keeps_all else {})},
    )


def check_folds(dataset: Dataset, items: Sequence[Item]) -> tuple[FoldCheck, ...]:
    """Check each fold of a dataset by names and annotations alone."""
    if not any(item.fold for item in items):
        if not any(item.split for item in items):
            return ()
        parts = split_by_column(items)
        return (_check_fold(dataset, "", parts.train, parts.test, parts.validation),)
    names = dataset.folds or list_folds(items)
    return tuple(
        _check_fold(dataset, name, [i for i in items if i.fold != name], [i for i in items if i.fold == name])
        for name in names
    )


def _check_fold(
    dataset: Dataset, fold: str, train: Sequence[Item], test: Sequence[Item], validation: Sequence[Item] = ()
) -> FoldCheck:
    facts = dataset.published.get(fold)
    leaks = {*find_shared_people((*train, *validation), test), *find_shared_people(train, validation)}
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
        people_are_known=all(item.speaker for item in (*train, *validation, *test)),
        leaks=tuple(sorted(leaks)),
        leaks_allowed=dataset.shares_people,
    )


def _count_people(items: Sequence[Item]) -> int:
    return len({item.speaker for item in items} - {""})


def _is_same(dataset: Dataset, items: Sequence[Item], published: str) -> bool | None:
    """Return whether ids and labels have the published hash; None without one."""
    if not published:
        return None
    return equals_published(dataset, ((item.id, item.label) for item in items), published)


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


def _make_remarks(dataset: Dataset, entries: Mapping[str, Entry], *, timed: bool) -> dict[str, tuple[Remark, ...]]:
    """Make the remarks about items, by field of the report; ``timed``: whether the lengths of videos are known."""
    found: dict[str, list[Remark]] = {
        name: []
        for name in (
            "missing",
            "broken",
            "silent",
            "faceless",
            "low_coverage",
            "gaps",
            "frame_rates",
            "doubtful",
            "several_people",
        )
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
        if facts.people_seen is not None and facts.people_seen > 1:
            found["doubtful" if facts.is_doubtful else "several_people"].append(Remark(id_, _describe_people(facts)))
        if timed and facts.fps and (text := _compare_clocks(dataset, facts.fps)):
            found["frame_rates"].append(Remark(id_, text))
        pictures = round(facts.video_s * FOLDER_FPS)
        if timed and facts.sound_s and abs(facts.gap_s) > NOTED_GAP_S:
            text = f"{facts.sound_s:.2f} s of audio, {facts.video_s:.2f} s of video"
            found["gaps"].append(Remark(id_, text))
        elif not timed and not _LOWEST_FPS <= pictures / facts.sound_s <= _HIGHEST_FPS:
            text = f"{facts.sound_s:.2f} s of audio, {pictures} pictures"
            found["gaps"].append(Remark(id_, text))
    return {name: tuple(remarks) for name, remarks in found.items()}


def _describe_people(facts: ClipFacts) -> str:
    switches = facts.identity_switches or 0
    times = "never" if switches == 0 else "once" if switches == 1 else f"{switches} times"
    return (
        f"{facts.people_seen} people, the largest face changes between them {times}; the one kept is in "
        f"{facts.face_coverage or 0.0:.0%} of {facts.video_s:.2f} s"
    )


def _compare_clocks(dataset: Dataset, fps: float) -> str:
    """Describe the window of 16 counted frames, if it differs much from the window by time; else return nothing."""
    counted_s = CLIP_FRAMES * dataset.sampling_rate / fps
    if abs(counted_s - WINDOW_S) <= _NOTED_WINDOW_SHARE * WINDOW_S:
        return ""
    every = "every frame" if dataset.sampling_rate == 1 else f"one in {dataset.sampling_rate} frames"
    return f"{fps:.4g} frames/s: {every} makes a window of {counted_s:.2f} s, by time it has {WINDOW_S} s"
