"""From a dataset as distributed to clips and a manifest, whatever comes between."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.dataset import Item, RecordingPart
from hicmae_cli.corpora.known.own import FOLDER
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError
from hicmae_cli.media import read_frames, write_video
from hicmae_cli.preparing import jobs
from hicmae_cli.preparing.check import check, check_items
from hicmae_cli.preparing.clip import VERSION
from hicmae_cli.preparing.dataset import prepare, prepare_items
from hicmae_cli.preparing.jobs import Event
from hicmae_cli.ray_workers import run_on_ray
from hicmae_cli.workers import run_in_pool
from tests.corpora.toys import FRAMES, SquareDetector, files_of, film, make_items, picture, tone, toy_dataset

square_prepare = partial(prepare_items, make_detector=SquareDetector)


def test_clips_and_their_manifest(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 4)
    events: list[Event] = []
    done = square_prepare(toy_dataset(items), items[::-1], tmp_path / "store", on_event=events.append)
    assert done.manifest == tmp_path / "store" / "toy.csv"
    assert (done.prepared, done.skipped, events) == (4, (), ["done"] * 4)
    assert done.manifest.read_text().splitlines()[:3] == [
        "id,video,audio,label,fold,split,speaker,take,face_coverage,people_seen,identity_switches",
        "s0/00,clips/s0/00.mkv,clips/s0/00.mkv,anger,0,,s0,0,1.0000,1,0",
        "s0/01,clips/s0/01.mkv,clips/s0/01.mkv,fear,0,,s0,1,1.0000,1,0",
    ]
    for sample in read_manifest(done.manifest):
        clip = read_prepared_clip(sample.video, sample.audio)
        assert clip.num_frames == FRAMES
        assert clip.num_samples == 8000
        assert clip.samples is not None and np.abs(clip.samples).max() == pytest.approx(0.2, abs=0.01)


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 3), tmp_path / "store"
    items[1].video.write_bytes(b"broken")
    square_prepare(toy_dataset(items), items, store)
    before = files_of(store)
    stamps = {path: path.stat().st_mtime_ns for path in (store / "clips").rglob("*.mkv")}
    events: list[Event] = []
    again = prepare_items(toy_dataset(items), items, store, on_event=events.append, make_detector=never)
    assert events == ["kept", "failed", "kept"]
    assert [failure.id for failure in again.skipped] == ["s0/01"]
    assert files_of(store) == before
    assert {path: path.stat().st_mtime_ns for path in (store / "clips").rglob("*.mkv")} == stamps


def never() -> SquareDetector:
    raise AssertionError("expected no clip to be looked at")


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 3), tmp_path / "store"
    good = items[1].video.read_bytes()
    items[1].video.write_bytes(b"broken")
    square_prepare(toy_dataset(items), items, store)
    items[1].video.write_bytes(good)
    film(items[2].video, [picture(face=False)] * FRAMES, tone(0.5))
    done = square_prepare(toy_dataset(items), items, store)
    assert [(f.id, f.fault) for f in done.skipped] == [("s1/02", "no face")]
    assert sorted(path.name for path in (store / "clips").rglob("*.mkv")) == ["00.mkv", "01.mkv"]
    assert "s1/02" not in done.manifest.read_text()


def test_clips_outlive_their_sources_and_damage_is_mended(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 2), tmp_path / "store"
    square_prepare(toy_dataset(items), items, store)
    before = files_of(store)
    items[1].video.unlink()
    (store / "clips/s0/00.mkv").write_bytes(b"")
    assert square_prepare(toy_dataset(items), items, store).skipped == ()
    assert files_of(store) == before


def test_clips_made_in_another_way_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, events = make_items(tmp_path / "raw", 2), list[Event]()
    square_prepare(toy_dataset(items), items, tmp_path / "store")
    monkeypatch.setattr(jobs, "VERSION", VERSION + 1)
    square_prepare(toy_dataset(items), items, tmp_path / "store", on_event=events.append)
    assert events == ["done", "done"]


def test_two_datasets_share_their_clips(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 4), tmp_path / "store"
    square_prepare(toy_dataset(items), items, store)
    events: list[Event] = []
    prepare_items(toy_dataset(items[:2], name="toy-2"), items[:2], store, make_detector=never, on_event=events.append)
    assert events == ["kept", "kept"]
    assert len(read_manifest(store / "toy-2.csv")) == 2
    assert len(read_manifest(store / "toy.csv")) == 4


def test_another_dataset_is_refused_and_replaces_nothing(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 2), tmp_path / "store"
    square_prepare(toy_dataset(items), items, store)
    before = files_of(store)
    other = replace(toy_dataset(items, name="mafw"), folder="mafw")
    said = "store: holds clips of toy, not of mafw; choose another output folder"
    for refused in (prepare_items, check_items):
        with pytest.raises(ManifestError, match=said):
            refused(other, items, store, make_detector=never)
    assert files_of(store) == before
    (store / "dataset.txt").write_text("")  # as after a power cut
    assert square_prepare(toy_dataset(items), items, store).prepared == 2
    assert files_of(store) == before


def test_a_part_of_a_dialogue_on_one_side_of_the_picture(tmp_path: Path) -> None:
    pictures = [picture(index, face=index >= 20) for index in range(40)]  # two seconds without, two with a face
    dialogue = film(tmp_path / "raw" / "dialogue.mkv", pictures, tone(4))
    sound = tmp_path / "raw" / "turn.wav"
    soundfile.write(sound, tone(1), 16_000)
    left = Item("left", "anger", "1", dialogue, sound, part=RecordingPart(2.5, 3.5, (0.0, 0.6)))
    early = replace(left, id="early", part=RecordingPart(1.5, 2.5))
    right = replace(left, id="right", part=RecordingPart(2.5, 3.5, (0.6, 1.0)))
    late = replace(left, id="late", part=RecordingPart(4.0, 5.0))
    done = square_prepare(toy_dataset([left]), [left, early, right, late], tmp_path / "store")
    assert [(f.id, f.fault) for f in done.skipped] == [("late", "lengths"), ("right", "no face")]
    coverage = {sample.id: sample.extra["face_coverage"] for sample in read_manifest(done.manifest)}
    assert coverage == {"early": "0.5000", "left": "1.0000"}
    path = tmp_path / "store/clips/left.mkv"
    clip = read_prepared_clip(path, path)
    assert (clip.num_frames, clip.num_samples) == (10, 16_000)
    shades = [frame.rgb[80, 80].mean() for frame in read_frames(path)]
    np.testing.assert_allclose(shades, [200 + index for index in range(25, 35)], atol=3)


def frame_folder(folder: Path, sizes: list[int]) -> None:
    folder.mkdir(parents=True)
    for index, size in enumerate(sizes):
        Image.new("RGB", (size, size), (index * 20, 90, 90)).save(folder / f"{index:03}.png")


def test_folders_of_faces_are_used_as_they_are(tmp_path: Path) -> None:
    items = [replace(item, id=item.id.split("/")[1]) for item in make_items(tmp_path / "raw", 8)]
    dataset = replace(toy_dataset(items), frames_suffix="_aligned")
    raw, frames, store = tmp_path / "raw", tmp_path / "frames", tmp_path / "store"
    frame_folder(frames / "00", [112] * 4)
    frame_folder(frames / "01_aligned", [160] * 3)
    frame_folder(frames / "04" / "04_aligned", [160] * 3)
    frame_folder(frames / "02", [112, 112, 160])
    (frames / "03").mkdir()
    frame_folder(frames / "05", [160] * 3)
    whole = (frames / "05" / "001.png").read_bytes()
    (frames / "05" / "001.png").write_bytes(whole[: len(whole) // 2])  # it says its size still
    frame_folder(frames / "06", [160] * 3)
    assert items[6].audio is not None
    items[6].audio.unlink()
    done = prepare_items(dataset, items, store, frames=frames, make_detector=never)
    assert done.manifest.read_text().splitlines()[1:] == [
        f"00,{frames}/00,{raw}/00.wav,anger,0,,s0,0,,,",
        f"01,{frames}/01_aligned,{raw}/01.mkv,fear,0,,s0,1,,,",
        f"04,{frames}/04/04_aligned,{raw}/04.mkv,anger,2,,s2,4,,,",
    ]
    causes = {failure.id: (failure.fault, failure.cause) for failure in done.skipped}
    assert {id_: fault for id_, (fault, _) in causes.items()} == {
        "02": "unreadable",
        "03": "unreadable",
        "05": "unreadable",
        "06": "missing",
        "07": "missing",
    }
    assert "002.png: is 160 x 160, but 000.png is 112 x 112" in causes["02"][1]
    assert "without face frames" in causes["03"][1]
    assert "001.png: cannot be read as an image" in causes["05"][1]
    assert "06.wav" in causes["06"][1]
    samples = read_manifest(done.manifest)
    clips = [read_prepared_clip(sample.video, sample.audio) for sample in samples]
    assert [(clip.num_frames, clip.num_samples) for clip in clips] == [(4, 8000), (3, 8000), (3, 8000)]
    events: list[Event] = []
    prepare_items(dataset, items, store, frames=frames, on_event=events.append)
    assert events.count("kept") == 3 and "done" not in events
    assert not (store / "clips").exists()


@pytest.mark.slow
def test_real_faces_are_the_same_in_every_process(tmp_path: Path, sample: Path) -> None:
    items = [Item(f"{i}", "fear", "", tmp_path / f"{i}.mp4") for i in range(3)]
    pictures = [frame.rgb[:, 160:] for frame in islice(read_frames(sample), 12)]
    for index, item in enumerate(items):
        write_video(item.video, pictures[index : index + 6], 12, tone(0.5), audio_codec="aac")
    for name, workers in (("a", 1), ("b", 2)):
        prepare_items(toy_dataset(items), items, tmp_path / name, run=partial(run_in_pool, workers=workers))
    prepare_items(toy_dataset(items), items, tmp_path / "here")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b") == files_of(tmp_path / "here")


@pytest.mark.slow
def test_ray_writes_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    items = make_items(tmp_path / "raw", 6)
    items[1].video.write_bytes(b"broken")
    film(items[2].video, [np.full((64, 96, 3), (255, 0, 0), np.uint8)] * FRAMES, tone(0.5))
    on_ray = square_prepare(toy_dataset(items), items, tmp_path / "ray", run=partial(run_on_ray, address="local"))
    assert [(f.id, f.fault) for f in on_ray.skipped] == [("s0/01", "unreadable"), ("s1/02", "died")]
    left = [item for item in items if item.id != "s1/02"]
    here = square_prepare(toy_dataset(left), left, tmp_path / "here")
    assert here.manifest.read_bytes() == on_ray.manifest.read_bytes()
    assert files_of(tmp_path / "here/clips") == files_of(tmp_path / "ray/clips")


def test_one_call_prepares_a_dataset_and_says_what_came_of_it(tmp_path: Path) -> None:
    items = make_items(tmp_path, 6)
    items[1].video.write_bytes(b"broken")
    film(items[4].video, None, tone(0.5, level=1e-5))
    dataset, totals, events = toy_dataset(items), list[int](), list[Event]()
    done = prepare(
        dataset, tmp_path, workers=0, on_start=totals.append, on_item=events.append, make_detector=SquareDetector
    )
    assert (totals, events.count("done"), events.count("failed")) == ([6], 5, 1)
    store = tmp_path / "prepared"
    assert (done.manifest, done.sheet, done.skipped_list) == (
        store / "toy.csv",
        store / "toy.png",
        store / "toy.failed.csv",
    )
    assert (done.prepared, [item.id for item in done.skipped]) == (5, ["s0/01"])
    assert done.remarks == ("1 silent",)
    assert str(done).splitlines() == [
        f"skipped s0/01: {done.skipped[0].cause}",
        f"skipped 1 of 6 items; {store / 'toy.failed.csv'} lists them all with the cause",
        f"5 clips of Toy are listed in {store / 'toy.csv'}",
        f"random faces to check: {store / 'toy.png'}",
        f"data card: {store / 'toy-card.md'}",
        "worth a look: 1 silent",
    ]
    document = json.loads(json.dumps(done.to_dict()))
    assert (document["items"], document["prepared"], document["skipped"]) == (6, 5, 1)
    assert document["skipped_items"][0]["cause"] == done.skipped[0].cause
    few = prepare(dataset, tmp_path, limit=5, sheet=tmp_path / "few.png", workers=0, make_detector=never)
    assert (few.manifest, few.sheet, few.prepared, few.remarks) == (
        store / "toy.limit.csv",
        tmp_path / "few.png",
        4,
        (),
    )


def test_ignored_files_are_python_warnings_by_default(tmp_path: Path) -> None:
    items = make_items(tmp_path, 2)
    dataset = replace(toy_dataset(items), ignored=lambda root: [f"skipped {root / 'loose.mp4'}"])
    with pytest.warns(UserWarning, match=r"^skipped .*loose\.mp4$"):
        done = prepare(dataset, tmp_path, workers=0, make_detector=SquareDetector)
    assert done.warnings == (f"skipped {tmp_path / 'loose.mp4'}",)
    with pytest.warns(UserWarning, match="loose"):
        check(dataset, tmp_path, workers=0, make_detector=never)


def test_clips_without_sound_are_kept_on_request(tmp_path: Path) -> None:
    """A model of faces alone can be trained on them; the next call without the request skips them again."""
    items, store = make_items(tmp_path / "raw", 3), tmp_path / "store"
    film(items[1].video, None, None)
    dataset = toy_dataset(items)
    assert [(clip.id, clip.fault) for clip in square_prepare(dataset, items, store).skipped] == [("s0/01", "no sound")]
    events: list[Event] = []
    done = square_prepare(dataset, items, store, without_sound=True, on_event=events.append)
    assert (done.prepared, done.skipped, events) == (3, (), ["kept", "kept", "done"])
    silent = read_manifest(done.manifest)[1]
    assert (silent.id, silent.audio) == ("s0/01", None)
    assert silent.video is not None
    assert read_prepared_clip(silent.video, silent.audio).num_frames == FRAMES
    assert check_items(dataset, items, store, without_sound=True).skipped == 0
    again = square_prepare(dataset, items, store)
    assert [clip.id for clip in again.skipped] == ["s0/01"]
    assert not silent.video.exists()


def test_folds_are_dealt_among_the_clips_that_are_usable(tmp_path: Path) -> None:
    """Eleven clips of two labels, of which one is broken: five folds of two, one of each label."""
    items = make_items(tmp_path / "raw", 11)
    items = [replace(item, fold="", speaker="") for item in items]
    own = replace(toy_dataset(items), folds=FOLDER.folds, deal=FOLDER.deal)
    good = items[4].video.read_bytes()
    items[4].video.write_bytes(b"broken")
    expected = {(fold, label): 1 for fold in FOLDER.folds for label in ("anger", "fear")}

    def dealt() -> Counter[tuple[str, str]]:
        return Counter((s.fold, s.label) for s in read_manifest(tmp_path / "store" / "toy.csv"))

    report = check_items(own, items, tmp_path / "store", make_detector=SquareDetector)
    assert [(fold.train, fold.test) for fold in report.folds] == [(8, 2)] * 5
    square_prepare(own, items, tmp_path / "store")
    assert dealt() == expected
    before = files_of(tmp_path / "store")
    square_prepare(own, items[::-1], tmp_path / "store")
    assert files_of(tmp_path / "store") == before
    items[4].video.write_bytes(good)
    square_prepare(own, items, tmp_path / "store")
    assert sum(dealt().values()) == 11 and len(dealt()) == 10
