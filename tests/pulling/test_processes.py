"""Several processes, killed processes and a full disk leave the right weight or none."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hicmae_cli.errors import DiskError
from hicmae_cli.pulling.upkeep import remove_weight, verify_weights
from tests.pulling.host import Host, Served
from tests.pulling.pulls import add, files, pull, sha256


def _in_a_process(results: Any = None) -> None:
    torch.set_num_threads(1)
    pulled = pull()
    if results is not None:
        results.put((pulled.is_new, pulled.origin.sha256))


@pytest.mark.integration
def test_two_processes_pull_it_once(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    both = [forking.Process(target=_in_a_process, args=(results,)) for _ in range(2)]
    for process in both:
        process.start()
    found = sorted(results.get(timeout=60) for _ in both)
    for process in both:
        process.join(60)
    assert found == [(False, sha256(checkpoint)), (True, sha256(checkpoint))]
    assert len(host.asked) == 1


@pytest.mark.integration
def test_a_process_that_is_killed_at_any_moment_leaves_the_right_weight_or_none(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    forking, states = multiprocessing.get_context("fork"), []
    started = time.monotonic()
    whole = forking.Process(target=_in_a_process)
    whole.start()
    whole.join(60)
    takes_s = time.monotonic() - started
    for moment in range(20):
        if "toy.safetensors" in files():
            remove_weight("toy")
        process = forking.Process(target=_in_a_process)
        process.start()
        time.sleep(takes_s * moment / 12)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(60)
        if "toy.safetensors" in files():
            (found,) = verify_weights(["toy"])
            assert found.state == "ok", found
        states.append("toy.safetensors" in files())
    assert pull().origin.sha256 == sha256(checkpoint)
    (found,) = verify_weights(["toy"])
    assert found.state == "ok"
    assert files() == ["first-use.json", "toy.origin.json", "toy.safetensors"]
    assert any(states) and not all(states)


def test_a_full_disk_is_one_clear_line(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = checkpoint.stat().st_size // 2
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs rights that this process lacks")
    try:
        host.pages["/model.pth"] = Served(checkpoint.read_bytes())
        add(host.url())
        with pytest.raises(DiskError, match=r"the disk is full; free some space and pull again, which resumes"):
            pull(to=disk)
    finally:
        subprocess.run(["umount", disk], check=True)
