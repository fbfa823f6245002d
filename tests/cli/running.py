"""Run the real command in this process or a fresh one, with a weight store of the test's own."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from hicmae_cli.cli import main
from hicmae_cli.workers import run_here

FINETUNE_RECIPE = """
encoder_width = 32
encoder_heads = 2
encoder_depth = 2
fusion_depth = 1
sampling_rate = 1
batch_size = 2
num_workers = 0
epochs = 1
warmup_epochs = 0
drop_video_tokens = 0.9
mixup = 0
cutmix = 0
rand_augment = ""
"""
"""One short epoch."""


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded

    @property
    def last_line(self) -> str:
        return self.err.strip().splitlines()[-1]


def hicmae(*arguments: object) -> Run:
    """In this process: quick, and errors come as they would to a user."""
    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return Run(int(code or 0), out.getvalue(), err.getvalue())


def fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


class InThisProcess:
    """A pool of workers that does its jobs here, warm and one after the other."""

    def __init__(self, workers: int = 1) -> None:
        self.run = run_here

    def close(self) -> None:
        """Nothing to end."""
