"""What a check says of a dataset, before and after it is prepared."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.corpora.splits import hash_split
from hicmae_cli.preparing.check import check_folds, check_items, summarise
from hicmae_cli.preparing.contact_sheet import read_random_faces
from hicmae_cli.preparing.dataset import prepare_items
from hicmae_cli.preparing.findings import CheckReport, Remark
from hicmae_cli.preparing.journal import Entry
from hicmae_cli.preparing.measuring import ClipFacts
from tests.corpora.toys import FRAMES, SquareDetector, film, make_items, picture, tone, toy_dataset

check_squares = partial(check_items, make_detector=SquareDetector)


def named(fold: str, count: int, split: str = "") -> list[Item]:
    """Items without files."""
    return [
        Item(f"{fold}{split}{i}", "anger", f"p{fold}{split}", Path("gone.mkv"), fold=fold, split=split)
        for i in range(count)
    ]


def test_folds_are_compared_with_the_published_ones() -> None:
    items = [*named("1", 2), *named("2", 3)]
    right = hash_split((item.id, "0") for item in items[:2])
    dataset = toy_dataset(items, {"1": SplitFacts(3, 2, "", right), "2": SplitFacts(2, 4, "", "0" * 64)})
    first, second = check_folds(dataset, items)
    assert (first.train, first.test, first.train_is_same, first.test_is_same) == (3, 2, None, True)
    assert first.is_good
    assert (second.published_test, second.test, second.test_is_same, second.is_good) == (4, 3, False, False)


def test_ids_are_also_tried_as_the_authors_name_their_folders() -> None:
    items = [replace(item, label="fear") for item in named("1", 2)] + named("2", 1)
    theirs = hash_split((f"{item.id}_aligned", "1") for item in items[:2])
    dataset = toy_dataset(items, {"1": SplitFacts(1, 2, "", theirs)})
    assert check_folds(dataset, items)[0].test_is_same is False
    assert check_folds(replace(dataset, frames_suffix="_aligned"), items)[0].test_is_same is True


def test_targets_are_hashed_as_they_are_written() -> None:
    items = [replace(item, label="0.5 -0.25 1.0") for item in named("1", 1)] + named("2", 1)
    right = hash_split([(items[0].id, "0.5 -0.25 1.0")])
    dataset = replace(toy_dataset(items, {"1": SplitFacts(1, 1, "", right)}), task="regression")
    assert check_folds(dataset, items)[0].test_is_same is True


def test_labels_are_counted() -> None:
    items = [*named("1", 2), *named("2", 3)]
    for counts, same in (((2, 0), True), ((1, 1), False), ((), None)):
        dataset = toy_dataset(items, {"1": SplitFacts(3, 2, test_counts=counts)})
        assert check_folds(dataset, items)[0].labels_are_same is same


def test_people_in_both_parts_are_named() -> None:
    items = [*named("1", 2), *named("2", 2)]
    items[3] = replace(items[3], speaker="p1")
    items[2] = replace(items[2], speaker="")
    for fold in check_folds(toy_dataset(items), items):
        assert (fold.leaks, fold.is_good) == (("p1",), False)
    unknown = [replace(item, speaker="") for item in items]
    assert all(fold.is_good for fold in check_folds(toy_dataset(unknown), unknown))


def test_people_are_known_only_if_every_item_names_one() -> None:
    items = [*named("1", 2), *named("2", 2)]
    half = [*items[:3], replace(items[3], speaker="")]
    shared = [*items[:3], replace(items[3], speaker="p1")]
    for some, known, said in ((items, True, "none"), (half, False, "unknown"), (shared, True, "1")):
        for fold in check_folds(toy_dataset(some), some):
            assert (fold.people_are_known, fold.shared_people) == (known, said)


def test_a_fixed_split_is_one_fold() -> None:
    items = [*named("", 3, "train"), *named("", 1, "test")]
    dataset = toy_dataset(items, {"": SplitFacts(3, 1)})
    (fold,) = check_folds(dataset, items)
    assert (fold.fold, fold.train, fold.test, fold.is_good) == ("", 3, 1, True)
    assert check_folds(dataset, [replace(item, split="") for item in items]) == ()


@pytest.mark.parametrize(("split", "leaks"), [("train", ()), ("validation", ("ptrain",)), ("val", ("ptrain",))])
def test_people_who_learn_and_choose_the_epoch_are_named(split: str, leaks: tuple[str, ...]) -> None:
    items = [*named("", 3, "train"), *named("", 1, "test")]
    items[0] = replace(items[0], split=split)
    (fold,) = check_folds(toy_dataset(items), items)
    assert (fold.leaks, fold.is_good) == (leaks, not leaks)


@pytest.mark.parametrize(("people", "same"), [((2, 1), True), ((3, 1), False), (None, None)])
def test_people_of_a_fixed_split_are_counted(people: tuple[int, int] | None, same: bool | None) -> None:
    items = [*named("", 3, "train"), replace(named("", 1, "train")[0], speaker="other"), *named("", 2, "test")]
    (fold,) = check_folds(replace(toy_dataset(items), people=people), items)
    assert (fold.people_are_same, fold.is_good, fold.is_published) == (same, same is not False, same is not None)


def test_an_empty_fold_is_not_as_published() -> None:
    items = named("1", 2)
    dataset = replace(toy_dataset(items, {"2": SplitFacts(2, 2)}), folds=("1", "2"))
    assert [fold.is_good for fold in check_folds(dataset, items)] == [True, False]


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Dataset, list[Item], Path]:
    """Nine items, of which five are wrong and two worth a look."""
    items = make_items(tmp_path / "raw", 9)
    own = [item for item in items if item.audio is None]
    own[0].video.unlink()
    own[1].video.write_bytes(b"broken")
    film(own[2].video, None, tone(0.5, level=1e-4))
    film(own[3].video, [picture(face=False)] * FRAMES, tone(0.5))
    film(own[4].video)
    film(own[5].video, [picture(face=index == 2) for index in range(FRAMES)], tone(0.8))
    return toy_dataset(items), items, tmp_path / "store"


WRONG = {"missing": ["s0/01"], "broken": ["s1/02"], "silent": ["s2/04", "s3/07"], "faceless": ["s2/05"]}


def ids(remarks: tuple[Remark, ...]) -> list[str]:
    return [remark.id for remark in remarks]


def test_a_check_names_what_is_wrong_and_writes_nothing(scene: tuple[Dataset, list[Item], Path]) -> None:
    report = check_squares(*scene)
    assert {name: ids(getattr(report, name)) for name in WRONG} == WRONG
    assert (report.items, report.examined, report.labels) == (9, 9, {"anger": 5, "fear": 4})
    assert report.skipped == 4  # one of the silent ones can be prepared
    assert ids(report.gaps) == ["s4/08"]
    assert report.gaps[0].text == "0.80 s of audio, 0.50 s of video"
    assert report.low_coverage == ()  # only preparing looks at every frame
    assert not report.is_good
    assert not scene[2].exists()


def test_after_preparing_everything_is_known(scene: tuple[Dataset, list[Item], Path]) -> None:
    dataset, items, store = scene
    before = check_squares(dataset, items, store)
    prepared = prepare_items(dataset, items, store, make_detector=SquareDetector)
    after = check_items(dataset, items, store, make_detector=lambda: pytest.fail("expected nothing to be opened"))
    assert after.examined == 0
    assert ids(after.low_coverage) == ["s4/08"]
    assert after.low_coverage[0].text == "a face in 20% of 0.50 s"
    assert replace(after, examined=9, low_coverage=()) == before
    assert summarise(dataset, items, prepared.entries) == after


def test_a_good_dataset(tmp_path: Path) -> None:
    items = make_items(tmp_path, 4)
    report = check_squares(toy_dataset(items), items, tmp_path / "store")
    assert report.is_good
    assert isinstance(report, CheckReport)
    document = json.loads(json.dumps(report.to_dict()))
    assert document["is_good"] is True
    assert document["folds"][0]["train"] == 2 and document["missing"] == []


def test_the_screen_shows_some_and_says_so(tmp_path: Path) -> None:
    items = named("1", 25)
    entries = {item.id: Entry("v", fault="missing", cause="no such file") for item in items}
    report = summarise(toy_dataset(items), items, entries)
    lines = str(report).splitlines()
    assert "25 missing" in lines and "  and 5 more" in lines
    assert sum("no such file" in line for line in lines) == 20
    assert (report.is_shortened, len(report.to_dict()["missing"])) == (True, 25)
    assert lines[-2:] == ["preparing will skip 25 of 25 items", "faults found"]
    few = summarise(toy_dataset(items[:20]), items[:20], {item.id: entries[item.id] for item in items[:20]})
    assert not few.is_shortened


@pytest.mark.parametrize(("pictures", "noted"), [(20, True), (300, False), (1500, False), (9000, True)])
def test_pictures_and_sound_that_cannot_be_of_one_time(pictures: int, noted: bool) -> None:
    items = named("1", 1)
    facts = ClipFacts(face_coverage=None, video_s=pictures / 25, sound_s=60.0, is_silent=False)
    report = summarise(toy_dataset(items), items, {items[0].id: Entry("v", facts)}, timed=False)
    assert [remark.text for remark in report.gaps] == [f"60.00 s of audio, {pictures} pictures"] * noted


def test_a_clip_that_cannot_be_read_is_on_no_contact_sheet(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 5)
    done = prepare_items(toy_dataset(items), items, tmp_path / "store", make_detector=SquareDetector)
    samples = read_manifest(done.manifest)
    assert samples[0].video is not None
    samples[0].video.write_bytes(b"broken")
    assert {cell[1] for cell in read_random_faces(done.manifest, 5, seed=0)} == {s.id for s in samples[1:]}


def test_random_faces_are_the_same_every_time(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 5)
    manifest = prepare_items(toy_dataset(items), items, tmp_path / "store", make_detector=SquareDetector).manifest
    chosen = read_random_faces(manifest, 3, seed=0)
    again = read_random_faces(manifest, 3, seed=0)
    assert [cell[1:] for cell in chosen] == [cell[1:] for cell in again]
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(chosen, again, strict=True))
    assert {cell[1:] for cell in chosen} <= {(item.id, item.label) for item in items}
    assert all(cell[0].shape == (160, 160, 3) and cell[0].mean() > 150 for cell in chosen)
    assert len(read_random_faces(manifest, 99, seed=1)) == 5


@pytest.mark.parametrize(
    ("fps", "noted"),
    [
        (12.0, True),
        (22.0, True),
        (24.0, False),
        (25.0, False),
        (27.5, False),
        (29.97, True),
        (60.0, True),
        (None, False),
    ],
)
def test_frame_rates_at_which_counting_and_time_differ_are_named(fps: float | None, noted: bool) -> None:
    facts = ClipFacts(1.0, 4.0, 4.0, False, fps=fps)
    items = named("1", 1)
    report = summarise(toy_dataset(items), items, {items[0].id: Entry("1", facts)})
    assert report.is_good
    assert [remark.id for remark in report.frame_rates] == ([items[0].id] if noted else [])
    if fps == 60:
        assert (
            report.frame_rates[0].text == "60 frames/s: one in 4 frames makes a window of 1.07 s, by time it has 2.56 s"
        )
        assert "1 with a frame rate at which counting frames and sampling by time differ" in str(report)
