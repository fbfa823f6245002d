"""``hicmae prepare``, on a dataset that stands for those that others have."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.corpora.known.own import FOLDER
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.media import read_audio, read_frames, write_video
from hicmae_cli.preparing import check as checking
from hicmae_cli.preparing import dataset as preparing
from hicmae_cli.preparing import jobs
from tests.cli.catalogues import install
from tests.cli.running import hicmae
from tests.corpora.toys import FRAMES, SquareDetector, film, make_items, picture, tone, toy_dataset


def stand_in(monkeypatch: pytest.MonkeyPatch, dataset: Dataset, root: Path) -> None:
    """Let the commands know a dataset and its folder, also as a folder of one's own."""
    own = replace(dataset, name="folder", folder=root.name, takes_every_video=True, ignored=FOLDER.ignored)
    install(monkeypatch, replace(dataset, folder=root.name), own)
    monkeypatch.setenv("HICMAE_DATA", str(root.parent))


def squares_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare in this process, since others take a second to start, and without a real face finder."""
    here = {"workers": 0, "make_detector": SquareDetector}

    def in_this_process(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **given: function(
            *args, **{**given, **(here if given["workers"] is given["ray"] is None else {})}
        )

    for module, name in ((preparing, "prepare"), (checking, "check")):
        monkeypatch.setattr(module, name, in_this_process(getattr(module, name)))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Item]]:
    """Six items of three people, none of them wrong."""
    root = tmp_path / "root"
    items = make_items(root, 6)
    stand_in(monkeypatch, toy_dataset(items, {"0": SplitFacts(4, 2)}), root)
    squares_only(monkeypatch)
    return root, items


def test_a_dataset_is_prepared_into_its_folder(toy: tuple[Path, list[Item]]) -> None:
    root, _ = toy
    run = hicmae("prepare", "toy")
    assert run.code == 0, run.err
    store = root / "prepared"
    assert run.out.splitlines() == [
        f"6 clips of Toy are listed in {store / 'toy.csv'}",
        f"random faces to check: {store / 'toy.png'}",
        f"data card: {store / 'toy-card.md'}",
    ]
    assert len(read_manifest(store / "toy.csv")) == 6
    with Image.open(store / "toy.png") as sheet:
        assert sheet.width > 6 * 160


def test_items_that_fail_are_named_and_the_code_is_one(toy: tuple[Path, list[Item]], tmp_path: Path) -> None:
    _, items = toy
    items[1].video.write_bytes(b"broken")
    film(items[2].video, [picture(face=False)] * FRAMES, tone(0.5))
    film(items[4].video, None, tone(0.5, level=1e-5))
    run = hicmae("prepare", "toy", "--output", tmp_path / "[out]", "--json", tmp_path / "found.json")
    assert run.code == 1
    lines = run.out.splitlines()
    assert lines[0].startswith("skipped s0/01: ")
    assert "no face was found" in lines[1]
    assert lines[2] == f"skipped 2 of 6 items; {tmp_path / '[out]' / 'toy.failed.csv'} lists them all with the cause"
    assert lines[3].startswith("4 clips of Toy")
    assert lines[6:] == ["worth a look: 1 silent", "`hicmae prepare toy … --check` lists them"]
    found = json.loads((tmp_path / "found.json").read_text())
    assert [remark["id"] for remark in found["faceless"]] == ["s1/02"]
    assert (found["items"], found["prepared"], found["skipped"]) == (6, 4, 2)
    assert [item["id"] for item in found["skipped_items"]] == ["s0/01", "s1/02"]


def test_a_check_reports_and_writes_nothing(toy: tuple[Path, list[Item]], tmp_path: Path) -> None:
    root, items = toy
    run = hicmae("prepare", "toy", "--check", "--json", tmp_path / "found.json")
    assert run.code == 0, run.out
    assert "no faults found" in run.out and "Toy: 6 items, 6 of them examined now\n" in run.out
    assert json.loads((tmp_path / "found.json").read_text())["is_good"] is True
    assert not (root / "prepared").exists()
    items[0].video.unlink()
    items[5] = replace(items[5], speaker="s0")
    run = hicmae("prepare", "toy", "--check")
    assert run.code == 1


def test_a_check_draws_its_folds(toy: tuple[Path, list[Item]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, items = toy
    items = [*items[:5], replace(items[5], speaker="s0")]
    stand_in(monkeypatch, toy_dataset(items, {"0": SplitFacts(5, 2)}), root)
    run = hicmae("prepare", "toy", "--check")
    assert run.code == 1
    assert "│ 0    │     4 │         5 │    2 │         2 │" in run.out
    assert "people in more than one part of fold 0: s0" in run.out
    assert run.out.endswith("faults found\n") and "no faults" not in run.out


def shared_people(out: str) -> set[str]:
    """The last column of the table of folds."""
    return {line.split("│")[-2].strip() for line in out.splitlines() if line.startswith("│")}


def test_unknown_people_are_not_called_none(toy: tuple[Path, list[Item]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, items = toy
    assert shared_people(hicmae("prepare", "toy", "--check").out) == {"none"}
    unknown = [replace(item, speaker="") for item in items]
    stand_in(monkeypatch, toy_dataset(unknown, {"0": SplitFacts(4, 2)}), root)
    assert shared_people(hicmae("prepare", "folder", "--check").out) == {"unknown"}
    half = [replace(items[0], speaker=""), *items[1:]]
    stand_in(monkeypatch, toy_dataset(half, {"0": SplitFacts(4, 2)}), root)
    assert shared_people(hicmae("prepare", "toy", "--check").out) == {"unknown"}


def test_excluded_and_skipped_are_different_things(
    toy: tuple[Path, list[Item]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, items = toy
    excluded = dict.fromkeys(("x", "y", "z"), "excluded by the paper's authors")
    stand_in(monkeypatch, replace(toy_dataset(items), excluded=excluded), root)
    items[1].video.write_bytes(b"broken")
    file = tmp_path / "found.json"
    for arguments in (["--check"], []):
        run = hicmae("prepare", "toy", "--json", file, *arguments)
        assert run.code == 1
        found = json.loads(file.read_text())
        assert (found["items"], found["skipped"], found["excluded"], found["left_out"]) == (6, 1, 3, 3)
        if arguments:
            assert "Toy: 6 items, 6 of them examined now (3 clips that the paper excludes are not items)" in run.out
            assert "preparing will skip 1 of 6 items" in run.out
        else:
            assert "skipped 1 of 6 items; " in run.out and "3 " not in run.out


def test_findings_on_stdout_leave_the_report_to_stderr(toy: tuple[Path, list[Item]]) -> None:
    run = hicmae("prepare", "toy", "--check", "--json", "-")
    assert (run.code, run.document["is_good"]) == (0, True)
    assert "no faults found" in run.err


def test_some_items_to_try_it_out(toy: tuple[Path, list[Item]]) -> None:
    root, items = toy
    store = root / "prepared"
    run = hicmae("prepare", "toy", "--limit", 2)
    assert run.code == 0 and f"listed in {store / 'toy.limit.csv'}" in run.out
    assert len(read_manifest(store / "toy.limit.csv")) == 2
    assert (store / "toy.limit.png").is_file() and not (store / "toy.csv").exists()
    items[5].video.write_bytes(b"broken")
    assert hicmae("prepare", "toy").code == 1
    full = {name: (store / name).read_bytes() for name in ("toy.csv", "toy.failed.csv", "toy.png")}
    assert len(read_manifest(store / "toy.csv")) == 5
    items[0].video.write_bytes(b"broken")
    assert hicmae("prepare", "toy", "--limit", 3).code == 1
    assert len(read_manifest(store / "toy.limit.csv")) == 2
    assert "s0/00" in (store / "toy.limit.failed.csv").read_text()
    assert {name: (store / name).read_bytes() for name in full} == full


def test_all_people_are_another_list(toy: tuple[Path, list[Item]]) -> None:
    store = toy[0] / "prepared"
    run = hicmae("prepare", "toy", "--keep-people", "all", "--limit", 2)
    assert run.code == 0 and f"listed in {store / 'toy.people.limit.csv'}" in run.out
    assert [sample.id for sample in read_manifest(store / "toy.people.limit.csv")] == ["s0/00-p1", "s0/01-p1"]
    assert "--keep-people all" in (store / "toy.people.limit-card.md").read_text()
    assert hicmae("prepare", "toy", "--keep-people", "two").code == 2


def test_a_git_lfs_pointer_is_one_line(toy: tuple[Path, list[Item]]) -> None:
    _, items = toy
    items[1].video.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    for arguments in ([], ["--check"]):
        run = hicmae("prepare", "toy", *arguments)
        assert run.code == 1
        assert run.err.count("git lfs pull") == 1 and "unreadable" not in run.err + run.out


def test_ctrl_c_says_how_to_go_on(toy: tuple[Path, list[Item]], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "prepare_items", interrupted)
    run = hicmae("prepare", "toy")
    assert run.code == 130
    assert run.out == "stopped; prepared clips are kept, repeat the command to continue\n"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["puppets"], "hicmae puppets make", 2),
        (["toy", "--workers", 2, "--ray", "auto"], "give one of them", 2),
        (["toy", "--workers", 0], "--workers", 2),
        (["toy", "here", "--root", "there"], "give the folder once, as DIR or as --root", 2),
        (["annotations", "."], "no labelled intervals in .eaf, .TextGrid or .tsv files beside their media", 1),
        (["toy", "--frames", "gone"], "frames=gone: no such folder", 2),
    ],
)
def test_wrong_usage(toy: tuple[Path, list[Item]], arguments: Sequence[object], said: str, code: int) -> None:
    run = hicmae("prepare", *arguments)
    assert (run.code, said in run.err) == (code, True), run.err


def test_the_dataset_is_not_overwritten(toy: tuple[Path, list[Item]], tmp_path: Path) -> None:
    _, (item, *_) = toy
    assert item.audio is not None
    video, audio = (path.relative_to(tmp_path) for path in (item.video, item.audio))
    text = f"id,video,audio,label\na,{video},{audio},fear\n"
    mine, other = tmp_path / "manifest.csv", tmp_path / "list.csv"
    mine.write_text(text)
    other.write_text(text)
    for root in (mine, other, tmp_path):
        run = hicmae("prepare", "manifest", "--root", root, "--output", tmp_path / "root" / "..")
        assert run.code == 2
        assert "holds the dataset itself" in run.err and mine.read_text() == text
        assert hicmae("prepare", "manifest", "--root", root).code == 0
        assert (tmp_path / "prepared" / "manifest.csv").is_file()
        shutil.rmtree(tmp_path / "prepared")


def test_links_in_a_folder_are_skipped_by_name(toy: tuple[Path, list[Item]], tmp_path: Path) -> None:
    root, items = toy
    run = hicmae("prepare", "folder")
    assert (run.code, "links" in run.err) == (0, False)
    (items[0].video.parent / "link.mkv").symlink_to(items[0].video)
    run = hicmae("prepare", "folder")
    name = (items[0].video.parent / "link.mkv").relative_to(root).as_posix()
    assert run.code == 0
    assert f"skipped links to videos (copy the files to use them): {name}\n" in run.err


def test_videos_outside_the_label_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squares_only(monkeypatch)
    for name in ("happy/a.mkv", "sad/b.mkv", "loose.mkv", "prepared/clips/old.mkv"):
        film(tmp_path / name, None, tone(0.5))
    for arguments in (["--check"], []):
        run = hicmae("prepare", "folder", "--root", tmp_path, *arguments)
        assert run.code == 0, run.out + run.err
        warning = "skipped videos outside the label folders (move them into one to use them): loose.mkv"
        assert run.err == f"warning: {warning}\n"
    assert [sample.id for sample in read_manifest(tmp_path / "prepared" / "folder.csv")] == ["happy/a.mkv", "sad/b.mkv"]


def test_a_folder_does_not_take_its_own_clips_for_recordings(toy: tuple[Path, list[Item]], tmp_path: Path) -> None:
    root, _ = toy
    (tmp_path / "link").symlink_to(root)
    for output in (root / "faces", root / "happy" / "faces", tmp_path / "link" / "faces"):
        run = hicmae("prepare", "folder", "--output", output)
        assert (run.code, output.exists()) == (2, False)
        assert f"choose {root / 'prepared'} or a folder outside" in run.err
    for output in (root / "prepared", tmp_path / "out"):
        assert hicmae("prepare", "folder", "--output", output).code == 0
    assert hicmae("prepare", "toy", "--output", root / "faces").code == 0  # whose items are known by name


def test_without_ray(toy: tuple[Path, list[Item]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    run = hicmae("prepare", "toy", "--ray", "auto")
    assert run.code == 1
    assert "pip install '.[ray]'" in run.err


def test_real_faces_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Path) -> None:
    rgb = [frame.rgb for _, frame in zip(range(4), read_frames(sample), strict=False)]
    right = [picture[:, picture.shape[1] // 2 :] for picture in rgb]
    (tmp_path / "root").mkdir()
    write_video(tmp_path / "root" / "a.mp4", right, 12, read_audio(sample, 0, 0.33), audio_codec="aac")
    item = Item("a", "fear", "somebody", tmp_path / "root" / "a.mp4")
    stand_in(monkeypatch, toy_dataset([item]), tmp_path / "root")
    assert jobs.open_finder.keywords == {"num_faces": 4}
    run = hicmae("prepare", "toy", "--workers", 1)
    assert run.code == 0, run.out
    assert ",1.0000,1,0\n" in (tmp_path / "root/prepared/toy.csv").read_text()


CHILD = """
import sys
from pathlib import Path
from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.corpora.dataset import Item
from tests.corpora.toys import toy_dataset
root = Path(sys.argv[1])
DATASETS["toy"] = toy_dataset([Item(path.stem, "fear", path.stem, path) for path in sorted(root.glob("*.mkv"))])
if __name__ == "__main__":
    from hicmae_cli.cli import main
    main(["prepare", "toy", "--root", str(root), "--workers", "2"])
"""


@pytest.mark.slow
def test_ctrl_c_of_the_whole_group_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)  # each picture is searched
    film(tmp_path / "root" / "0.mkv", list(noise), tone(2))
    for index in range(1, 900):  # more than two processes can do in the time that they are given
        os.link(tmp_path / "root" / "0.mkv", tmp_path / "root" / f"{index}.mkv")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    for wait_s in (0.5, 5, 7):
        child = subprocess.Popen(
            [sys.executable, tmp_path / "child.py", tmp_path / "root"],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(wait_s)
        os.killpg(child.pid, signal.SIGINT)
        started = time.monotonic()
        out, err = child.communicate()
        if wait_s >= 5:
            assert child.returncode == 130
            assert "repeat the command to continue" in out
            assert err.strip() == ""  # no traceback
            assert time.monotonic() - started < 5
        assert not list((tmp_path / "root").rglob(".*.mkv"))
