"""Who is in a video, how often, and whose faces a clip keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.dataset import Item, SplitFacts
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import SettingsError
from hicmae_cli.faces import Face
from hicmae_cli.faces.align import WARP_PX, fit_alignment
from hicmae_cli.media import Frame, read_frames, write_video
from hicmae_cli.preparing import clip as clip_module
from hicmae_cli.preparing import people as people_module
from hicmae_cli.preparing.check import check_items, summarise
from hicmae_cli.preparing.clip import examine_clip, prepare_clip
from hicmae_cli.preparing.contact_sheet import join_cells, read_doubtful_faces
from hicmae_cli.preparing.dataset import prepare, prepare_items
from hicmae_cli.preparing.findings import render_text
from hicmae_cli.preparing.journal import Entry
from hicmae_cli.preparing.measuring import Source
from hicmae_cli.preparing.people import MIN_SEEN_SHARE, PeopleLog, is_doubtful
from hicmae_cli.preparing.sources import find_raw
from tests.corpora.toys import files_of, make_items, tone, toy_dataset
from tests.faces.fake import FakeDetector, FakeFace, fake_face

ANNA, BERT = (60, 80), (180, 80)
BRIGHT, DARK = 220, 120


def call(path: Path, frames: int = 20) -> Path:
    """Anna, bright, on the left, and Bert, darker, on the right; 10 frames/s."""
    rgb = np.full((160, 240, 3), 40, np.uint8)
    rgb[20:140, 0:120] = BRIGHT
    rgb[20:140, 120:240] = DARK
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [rgb] * frames, 10, tone(frames / 10))
    return path


def two(anna: Sequence[tuple[float, float, float]], bert: Sequence[tuple[float, float, float]]) -> FakeDetector:
    """Start, end and size of each face of the two."""
    script = [FakeFace(start, end, ANNA, size) for start, end, size in anna]
    return FakeDetector([*script, *(FakeFace(start, end, BERT, size) for start, end, size in bert)])


def shades(clip: Path) -> list[int]:
    """Brightness of each frame of a prepared clip, in tens."""
    frames = read_prepared_clip(clip, None).decode_all().frames
    assert isinstance(frames, np.ndarray)
    return [round(float(rgb.mean()) / 10) * 10 for rgb in frames]


def test_a_clip_never_changes_person(tmp_path: Path) -> None:
    """Bert's face is the larger one for half of the time, and first; Anna's is there for longer."""
    detector = two([(0.1, 9, 60)], [(0, 0.8, 70), (0.8, 1.2, 50), (1.2, 1.8, 70)])
    facts = prepare_clip(call(tmp_path / "call.mkv"), tmp_path / "clip.mkv", detector)
    assert shades(tmp_path / "clip.mkv") == [0] + [BRIGHT] * 19
    assert (facts.face_coverage, facts.people_seen, facts.identity_switches) == (0.95, 2, 3)


@pytest.mark.parametrize("first", ["anna", "bert"])
def test_who_comes_first_leaves_no_trace(tmp_path: Path, first: str) -> None:
    """If the person to keep comes first, the clip is written in one pass, otherwise in two: with the same bytes."""
    video = call(tmp_path / "call.mkv")
    bert = [(0.2, 1.2, 50.0)] if first == "anna" else [(0.2, 1.2, 90.0)]
    prepare_clip(video, tmp_path / "clip.mkv", two([(0.2, 9, 60)], bert))
    alone = tmp_path / "alone.mkv"
    prepare_clip(video, alone, two([(0.2, 9, 60)], []))
    assert (tmp_path / "clip.mkv").read_bytes() == alone.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.mkv", "call.mkv", "clip.mkv"]


def test_one_person_is_searched_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path | str] = []

    def read(path: Path | str) -> Iterator[Frame]:
        reads.append(path)
        return read_frames(path)

    monkeypatch.setattr(clip_module, "read_frames", read)
    prepare_clip(call(tmp_path / "call.mkv"), tmp_path / "clip.mkv", two([(0, 9, 60)], []))
    assert len(reads) == 1
    detector = Counting(two([(0.3, 9, 60)], [(0, 1, 90)]))
    prepare_clip(tmp_path / "call.mkv", tmp_path / "clip.mkv", detector)
    assert (len(reads), detector.frames) == (3, 20)


class Counting:
    """A detector that counts its frames."""

    def __init__(self, detector: FakeDetector) -> None:
        self.frames, self._detector = 0, detector
        self.close, self.__enter__ = detector.close, detector.__enter__

    def detect(self, frame: Frame) -> list[Face]:
        self.frames += 1
        return self._detector.detect(frame)

    def __exit__(self, *_: object) -> None:
        self.close()


def test_people_seen_as_often_are_told_apart_by_size(tmp_path: Path) -> None:
    for sizes, kept in (((60, 90), DARK), ((90, 60), BRIGHT)):
        detector = two([(0, 9, sizes[0])], [(0, 9, sizes[1])])
        facts = prepare_clip(call(tmp_path / "call.mkv"), tmp_path / "clip.mkv", detector)
        assert set(shades(tmp_path / "clip.mkv")) == {kept}
        assert (facts.people_seen, facts.identity_switches) == (2, 0)


@pytest.mark.parametrize(("length_s", "people"), [(0.2, 1), (0.3, 1), (0.4, 2)])
def test_false_finds_are_not_people(tmp_path: Path, length_s: float, people: int) -> None:
    detector = two([(0, 9, 60)], [(0.5, 0.5 + length_s - 0.01, 90)])
    facts = prepare_clip(call(tmp_path / "call.mkv"), tmp_path / "clip.mkv", detector)
    assert (facts.people_seen, facts.identity_switches) == (people, 2 * (people - 1))


def test_a_check_of_a_raw_video_knows_no_people(tmp_path: Path) -> None:
    facts = examine_clip(Source(call(tmp_path / "call.mkv")), two([(0, 9, 60)], [(0, 9, 90)]))
    assert (facts.people_seen, facts.identity_switches) == (None, None)


faces = st.lists(st.lists(st.integers(1, 4), max_size=4, unique=True), min_size=1, max_size=40)


@given(frames=faces)
@settings(max_examples=25, deadline=None)
def test_a_log_gives_back_what_it_got(frames: list[list[int]]) -> None:
    """The faces of each person in each frame, on disk as in memory; switches as counted by hand."""
    with PeopleLog() as log:
        log._file.rollover()
        for frame in frames:
            log.add([(person, fake_face((10 * person, 20), 30 + person)) for person in frame])
        seen = {person: [person in frame for frame in frames] for person in range(1, 5)}
        for person, there in seen.items():
            places = list(log.iterate_places(person))
            assert [place is not None for place in places] == there
            face = fake_face((10 * person, 20), 30 + person)
            for place in places:
                assert place is None or np.array_equal(place, fit_alignment(face.landmarks_px, WARP_PX))
        ranked = log.rank_people(Fraction(25))
        assert (
            ranked[:1]
            == sorted((p for p in seen if any(seen[p])), key=lambda p: (-sum(seen[p]), -sum(seen[p]) * (30 + p)))[:1]
        )
        assert all(sum(seen[person]) >= 10 for person in ranked[1:])
        largest = [max(frame) for frame in frames if frame]
        assert log.count_switches([1, 2, 3, 4]) == sum(a != b for a, b in pairwise(largest))


def test_a_log_of_a_long_video_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "_IN_MEMORY_BYTES", 1000)
    with PeopleLog() as log:
        for _ in range(100):
            log.add([(1, fake_face((10, 20), 30))])
        assert log._file._rolled  # type: ignore[attr-defined]
        assert sum(place is not None for place in log.iterate_places(1)) == 100


def test_a_glimpse_in_an_hour_is_nobody() -> None:
    """A hundredth of the frames, or more, besides 0.4 s."""
    for frames, people in ((int(500 * MIN_SEEN_SHARE) - 1, 1), (int(500 * MIN_SEEN_SHARE), 2)):
        with PeopleLog() as log:
            for index in range(500):
                log.add([(1, fake_face((10, 20), 30)), *[(2, fake_face((90, 20), 30))] * (index < frames)])
            assert len(log.rank_people(Fraction(5))) == people


@pytest.mark.parametrize(
    ("facts", "doubtful"), [((1, 0, 0.2), False), ((2, 0, 0.9), False), ((2, 1, 0.9), True), ((2, 0, 0.4), True)]
)
def test_which_clips_are_doubtful(facts: tuple[int, int, float], doubtful: bool) -> None:
    assert is_doubtful(*facts) == doubtful


SCENES = {
    "one": partial(two, [(0, 9, 60)], []),
    "still": partial(two, [(0, 9, 60)], [(0, 9, 50)]),
    "swap": partial(two, [(0, 9, 60)], [(0, 1, 90)]),
    "brief": partial(two, [(0, 0.8, 60)], [(1.2, 1.7, 60)]),
}


class Scripted:
    """A detector for each scene, which its first picture names by a shade."""

    def __init__(self) -> None:
        self._detector: FakeDetector | None = None

    def detect(self, frame: Frame) -> list[Face]:
        if self._detector is None:
            self._detector = list(SCENES.values())[round(float(frame.rgb[150, 5].mean()) / 40) - 1]()
        return self._detector.detect(frame)

    def close(self) -> None:
        pass

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def make_calls(root: Path) -> list[Item]:
    """An item for each scene."""
    root.mkdir(parents=True)
    items = []
    for number, name in enumerate(SCENES, start=1):
        rgb = np.full((160, 240, 3), 40 * number, np.uint8)
        rgb[20:140, 0:120], rgb[20:140, 120:240] = BRIGHT, DARK
        write_video(root / f"{name}.mkv", [rgb] * 20, 10, tone(2))
        items.append(Item(name, "anger", f"s{number % 2}", root / f"{name}.mkv", fold=str(number % 2)))
    return items


def test_doubtful_clips_are_named_listed_and_shown(tmp_path: Path) -> None:
    items, store = make_calls(tmp_path / "raw"), tmp_path / "store"
    dataset = toy_dataset(items)
    done = prepare(dataset, tmp_path / "raw", output=store, workers=0, make_detector=Scripted)
    extra = {sample.id: sample.extra for sample in read_manifest(done.manifest)}
    assert [extra[name]["people_seen"] for name in SCENES] == ["1", "2", "2", "2"]
    assert [extra[name]["identity_switches"] for name in SCENES] == ["0", "0", "1", "1"]
    report = check_items(dataset, items, store)
    assert [remark.id for remark in report.doubtful] == ["brief", "swap"]
    assert [remark.id for remark in report.several_people] == ["still"]
    assert report.doubtful[1].text == (
        "2 people, the largest face changes between them once; the one kept is in 100% of 2.00 s"
    )
    assert report.is_good  # worth a look, no fault
    assert "2 that may show the wrong person" in str(report) and "2 that may show the wrong person" in str(done)
    document = json.loads(json.dumps(report.to_dict()))
    assert [remark["id"] for remark in document["doubtful"]] == ["brief", "swap"]
    cells = read_doubtful_faces(done.manifest)
    assert [cell[1:] for cell in cells[:4]] == [("brief", f"anger {time_s} s") for time_s in (0.2, 0.8, 1.2, 1.8)]
    assert [cell[1] for cell in cells[4:]] == ["swap"] * 4
    assert {cell[1] for cell in read_doubtful_faces(done.manifest, most=1)} <= {"brief", "swap"}
    joined = join_cells(cells[:3], cells)
    assert (len(joined), [cell[1] for cell in joined[3:5]]) == (12, ["", "brief"])
    assert join_cells(cells[:3], []) == cells[:3]


def test_a_clip_of_each_person(tmp_path: Path) -> None:
    items, store = make_calls(tmp_path / "raw"), tmp_path / "store"
    make = partial(prepare_items, toy_dataset(items), items, store, make_detector=Scripted)
    done = make(name="all", keep_people="all")
    samples = {sample.id: sample for sample in read_manifest(done.manifest)}
    assert list(samples) == ["brief-p1", "brief-p2", "one-p1", "still-p1", "still-p2", "swap-p1", "swap-p2"]
    assert done.prepared == 7
    one, other = samples["swap-p1"], samples["swap-p2"]
    assert (one.speaker, other.speaker) == ("s1", "s1-p2")
    assert (one.fold, one.label) == (other.fold, other.label) == ("1", "anger")
    assert [sample.extra["recording"] for sample in (one, other)] == ["swap", "swap"]
    assert (one.extra["face_coverage"], other.extra["face_coverage"]) == ("1.0000", "0.5000")
    assert one.video is not None and other.video is not None and other.audio == other.video
    assert set(shades(one.video)) == {BRIGHT} and shades(other.video) == [DARK] * 10 + [0] * 10
    before = files_of(store)
    events: list[str] = []
    make(name="all", keep_people="all", on_event=events.append)
    assert (set(events), files_of(store)) == ({"kept"}, before)
    make()  # clips of one person each are another list, beside it
    assert {path: files_of(store)[path] for path in before} == before
    other.video.unlink()
    make(name="all", keep_people="all")
    assert files_of(store)["people/swap-p2.mkv"] == before["people/swap-p2.mkv"]
    write_video(items[2].video, [np.full((160, 240, 3), 40, np.uint8)] * 20, 10, tone(2))  # now the scene "one"
    assert make(name="all", keep_people="all").prepared == 6
    assert "people/swap-p2.mkv" not in files_of(store)
    every = check_items(toy_dataset(items), items, store, keep_people="all")
    assert not every.several_people and every.doubtful  # each of them has a clip
    unknown = prepare_items(
        toy_dataset(items), [Item("still", "anger", "", items[1].video)], tmp_path / "new",
        keep_people="all", make_detector=Scripted,
    )  # fmt: skip
    assert [row.speaker for row in unknown.rows] == ["", ""]


def test_how_many_people_to_keep_is_checked(tmp_path: Path) -> None:
    toy = toy_dataset(make_items(tmp_path, 1))
    with pytest.raises(SettingsError, match=r"got keep_people='both', expected 'one' or 'all'"):
        find_raw(toy, tmp_path, keep_people="both")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"keep_people='all' needs videos"):
        find_raw(toy, tmp_path, frames=tmp_path, keep_people="all")


def test_published_columns_need_something_published(tmp_path: Path) -> None:
    items = make_items(tmp_path, 4)
    entries = {item.id: Entry("v", fault="missing", cause="gone") for item in items}
    own = render_text(summarise(toy_dataset(items), items, entries))
    known = render_text(summarise(toy_dataset(items, {"0": SplitFacts(2, 2)}), items, entries))
    assert "published" not in own and "train" in own
    assert known.count("published") == 3
