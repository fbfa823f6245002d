"""Preparing in processes that are killed, that meet at one folder, or whose parent dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hicmae_cli.corpora.dataset import Item
from tests.corpora.toys import FRAMES, files_of, film, make_items, picture, tone

pytestmark = pytest.mark.slow

CHILD = """
import sys
from functools import partial
from pathlib import Path
from hicmae_cli.preparing.dataset import prepare_items
from hicmae_cli.workers import run_in_pool
from tests.preparing.test_killed import items_in
from tests.corpora.toys import SquareDetector, toy_dataset
if __name__ == "__main__":
    items = items_in(Path(sys.argv[1]))
    prepare_items(toy_dataset(items), items, Path(sys.argv[2]), make_detector=SquareDetector,
            run=partial(run_in_pool, workers=2), on_event=lambda event: print(event, flush=True),
            on_wait=lambda: print("waits", flush=True))
"""


def items_in(raw: Path) -> list[Item]:
    """Those that `make_items` made."""
    lines = json.loads((raw / "items.json").read_text())
    return [
        Item(id_, label, speaker, raw / video, raw / audio if audio else None, fold)
        for id_, label, speaker, video, audio, fold in lines
    ]


def start(script: Path, raw: Path, store: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, script, raw, store], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Path]:
    """A script that prepares 40 items, two of them broken, and their folder."""
    raw = tmp_path / "raw"
    items = make_items(raw, 40)
    items[4].video.write_bytes(b"broken")
    film(items[7].video, [picture(face=False)] * FRAMES, tone(0.5))
    lines = [(i.id, i.label, i.speaker, i.video.name, i.audio.name if i.audio else "", i.fold) for i in items]
    (raw / "items.json").write_text(json.dumps(lines))
    (tmp_path / "child.py").write_text(CHILD)
    return tmp_path / "child.py", raw


def test_killed_at_any_moment_it_ends_the_same(tmp_path: Path, scene: tuple[Path, Path]) -> None:
    assert start(*scene, tmp_path / "whole").wait() == 0
    chance = random.Random(0)
    for round_ in range(4):
        store = tmp_path / f"store{round_}"
        for _ in range(4):
            child = start(*scene, store)
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 42)):  # so many items are done, kept or failed; the last list follows
                child.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            child.send_signal(signal.SIGKILL)
            child.wait()
        last = start(*scene, store)
        last.communicate()
        assert last.returncode == 0
        assert files_of(store) == files_of(tmp_path / "whole")


def test_two_at_once_do_the_work_once(tmp_path: Path, scene: tuple[Path, Path]) -> None:
    assert start(*scene, tmp_path / "whole").wait() == 0
    both = [start(*scene, tmp_path / "store") for _ in range(2)]
    printed = [child.communicate()[0].split() for child in both]
    assert [child.returncode for child in both] == [0, 0]
    first, second = sorted(printed, key=lambda words: "waits" in words)
    assert (first.count("done"), first.count("failed")) == (38, 2)
    assert (second.count("waits"), second.count("kept"), second.count("done")) == (1, 38, 0)
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")


def test_workers_end_with_the_process_that_started_them(tmp_path: Path, scene: tuple[Path, Path]) -> None:
    child = start(*scene, tmp_path / "store")
    assert child.stdout is not None
    child.stdout.readline()
    listed = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    child.send_signal(signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in listed) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(listed) >= 2 and not [pid for pid in listed if is_alive(pid)]


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
