"""Preparing a dataset with broken items, interruptions, full disks and processes that die."""

from __future__ import annotations

import resource
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.errors import DiskError, ManifestError
from hicmae_cli.preparing.dataset import prepare_items
from hicmae_cli.preparing.jobs import Event
from hicmae_cli.workers import run_in_pool
from tests.corpora.toys import FRAMES, SquareDetector, files_of, film, make_items, picture, tone, toy_dataset

square_prepare = partial(prepare_items, make_detector=SquareDetector)


def plant_faults(items: list[Item]) -> dict[str, tuple[str, str]]:
    """Spoil nine of the items, each in its way -> what is to be said of each."""
    spoil: list[tuple[str, str, Callable[[Item], object]]] = [
        ("missing", "no such file", lambda item: item.video.unlink()),
        ("unreadable", "", lambda item: item.video.write_bytes(b"\x1a\x45\xdf\xa3 not a video")),
        ("unreadable", "is empty", lambda item: item.video.write_bytes(b"")),
        ("no face", "no face was found in any of its 5", lambda i: film(i.video, [picture(face=False)] * 5, tone(0.5))),
        ("no sound", "has no sound", lambda item: film(item.video)),
        ("lengths", "2.00 s of audio but 0.50 s", lambda item: film(item.video, None, tone(2))),
        ("short", "0.10 s of video", lambda item: film(item.video, [picture()], tone(0.1))),
    ]
    own = [item for item in items if item.audio is None]
    beside = [item for item in items if item.audio is not None]
    said = {}
    for item, (fault, text, act) in zip(own, spoil, strict=False):
        act(item)
        said[item.id] = (fault, text)
    assert len(said) == len(spoil)
    for item, (fault, text) in zip(beside, (("missing", ".wav: no such file"), ("unreadable", ".wav")), strict=False):
        assert item.audio is not None
        item.audio.unlink()
        if fault == "unreadable":
            item.audio.write_bytes(b"RIFF")
        said[item.id] = (fault, text)
    return said


def test_spoiled_items_cost_themselves_and_are_named(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 20), tmp_path / "store"
    said = plant_faults(items)
    done = square_prepare(toy_dataset(items), items, store)
    assert {failure.id for failure in done.skipped} == said.keys()
    for failure in done.skipped:
        fault, text = said[failure.id]
        assert (failure.fault, text in failure.cause) == (fault, True), failure
        assert str(failure.video.with_suffix("")) in failure.cause
    assert done.prepared == len(items) - len(said)
    listed = done.skipped_list.read_text().splitlines()
    assert listed[0] == "id,video,fault,cause"
    assert [line.split(",")[0] for line in listed[1:]] == sorted(said)
    clean = [item for item in items if item.id not in said]
    other = square_prepare(toy_dataset(clean), clean, tmp_path / "clean")
    assert other.manifest.read_bytes() == done.manifest.read_bytes()
    assert files_of(tmp_path / "clean" / "clips") == files_of(store / "clips")
    assert not other.skipped_list.exists()


def test_nothing_to_use_is_an_error_that_names_the_list(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 1)
    film(items[0].video, [picture(face=False)] * FRAMES)
    with pytest.raises(ManifestError, match=r"none of 1 items can be prepared .*toy.failed.csv.*no face"):
        square_prepare(toy_dataset(items), items, tmp_path / "store")
    assert sorted(files_of(tmp_path / "store")) == [".lock", "clips.jsonl", "dataset.txt", "toy.failed.csv"]
    with pytest.raises(ManifestError, match="no items"):
        square_prepare(toy_dataset([]), [], tmp_path / "store")
    with pytest.raises(ManifestError, match="1 ids occur more than once"):
        square_prepare(toy_dataset(items), items * 2, tmp_path / "store")


@pytest.mark.parametrize("id_", ["../out", "/out", "a/../../out", ".hidden", "a//b", "", "line\nbreak", "link/out"])
def test_ids_stay_inside_the_store(tmp_path: Path, id_: str) -> None:
    items, store = make_items(tmp_path / "raw", 1), tmp_path / "store"
    (tmp_path / "outside").mkdir()
    (store / "clips").mkdir(parents=True)
    (store / "clips" / "link").symlink_to(tmp_path / "outside")
    astray = replace(items[0], id=id_)
    done = square_prepare(toy_dataset(items), [items[0], astray], store)
    assert [(f.id, f.fault) for f in done.skipped] == [(id_, "name")]
    assert "plain relative path" in done.skipped[0].cause
    assert not list((tmp_path / "outside").iterdir()) and not list(tmp_path.rglob("*out.mkv"))


@pytest.mark.parametrize("after", range(6))
def test_cut_off_anywhere_it_ends_the_same(tmp_path: Path, after: int) -> None:
    items = make_items(tmp_path / "raw", 5)
    items[3].video.write_bytes(b"broken")
    square_prepare(toy_dataset(items), items, tmp_path / "whole")
    store = tmp_path / "cut"
    left = [after]

    def cut(_: Event) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise KeyboardInterrupt

    if after:
        with pytest.raises(KeyboardInterrupt):
            square_prepare(toy_dataset(items), items, store, on_event=cut)
    # What a killed process may leave: files half-written, a line cut off, a clip that was not noted down.
    unfinished = ".hicmae-0123456789abcdef"
    for name in (f"clips/s0/{unfinished}.mkv", f"{unfinished}.csv", f"{unfinished}.jsonl", f"{unfinished}.png"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(b"half")
    with (store / "clips.jsonl").open("a") as file:
        file.write('{"id": "s1/0')
    shutil.copy(tmp_path / "whole/clips/s2/04.mkv", store / "clips/s0")
    (store / "clips/s2").mkdir(exist_ok=True)
    (store / "clips/s0/04.mkv").replace(store / "clips/s2/04.mkv")
    square_prepare(toy_dataset(items), items, store)
    assert files_of(store) == files_of(tmp_path / "whole")


def test_a_full_disk_stops_with_one_line_and_what_was_done_is_kept(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 4), tmp_path / "store"
    square_prepare(toy_dataset(items), items, tmp_path / "whole")
    sizes = {p.name: p.stat().st_size for p in (tmp_path / "whole").rglob("*.mkv")}
    noise = np.random.default_rng(0).integers(0, 255, (FRAMES, 64, 96, 3), dtype=np.uint8)
    noise[:, 12:52, 8:48, 1] |= 160
    film(items[2].video, list(noise), tone(0.5))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes.values()) + 500, hard))  # as on a full disk
    try:
        with pytest.raises(DiskError, match=r"clips/s1/02.mkv: cannot be written .*free space") as caught:
            square_prepare(toy_dataset(items), items, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert sorted(files_of(store)) == [".lock", "clips.jsonl", "clips/s0/00.mkv", "clips/s0/01.mkv", "dataset.txt"]
    assert square_prepare(toy_dataset(items), items, store).prepared == 4


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="choose another folder for prepared clips"):
        square_prepare(toy_dataset(items), items, tmp_path / "file" / "store")


def test_the_second_writer_waits_and_says_so(tmp_path: Path) -> None:
    items, store = make_items(tmp_path / "raw", 1), tmp_path / "store"
    store.mkdir()
    waits, done = threading.Event(), threading.Event()

    def second() -> None:
        square_prepare(toy_dataset(items), items, store, on_wait=waits.set)
        done.set()

    thread = threading.Thread(target=second)
    with FileLock(store / ".lock"):
        thread.start()
        assert waits.wait(10)
        assert not (store / "clips").exists() and not done.is_set()
    thread.join(10)
    assert done.is_set() and (store / "toy.csv").is_file()


def test_a_process_that_dies_costs_the_item_that_killed_it(tmp_path: Path) -> None:
    items = make_items(tmp_path / "raw", 4)
    film(items[1].video, [np.full((64, 96, 3), (255, 0, 0), np.uint8)] * FRAMES, tone(0.5))
    done = square_prepare(toy_dataset(items), items, tmp_path / "store", run=partial(run_in_pool, workers=2))
    assert [(f.id, f.fault) for f in done.skipped] == [("s0/01", "died")]
    assert "01.mkv: its process was killed" in done.skipped[0].cause
    clean = [items[0], *items[2:]]
    square_prepare(toy_dataset(clean), clean, tmp_path / "clean")
    assert files_of(tmp_path / "clean/clips") == files_of(tmp_path / "store/clips")
    # It may have been the memory, so it is tried again every time.
    assert "s0/01" not in (tmp_path / "store/clips.jsonl").read_text()
