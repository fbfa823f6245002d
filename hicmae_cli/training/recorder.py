"""Record a training: facts for the weight, and ``run.json`` in the folder of the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from hicmae_cli.errors import first_line
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.records.calls import current_call
from hicmae_cli.records.facts import DataFacts, InitFacts, Phase, RunFacts, RunRecord
from hicmae_cli.records.folder import SessionLog, find_earlier
from hicmae_cli.records.hashes import hash_tensors
from hicmae_cli.records.surroundings import describe_machine, list_versions, now_utc, read_own_commit


class Recorder:
    """Records one run. Outside of a recorded call, as in a test of the loop alone, it does nothing.

    Attributes:
        facts: what the weight records about the run; None where nothing is recorded.
    """

    def __init__(self, log: SessionLog | None, warn: Callable[[str], None]) -> None:
        self._log, self._warn = log, warn
        self.facts: RunFacts | None = log.record.run if log is not None else None

    def watch_start(self, on_start: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """Return a hook that begins the record before it calls another hook; only the main process calls it."""

        def start(step: int, total: int) -> None:
            if self._log is not None:
                self._try(self._log.begin, step)
            on_start(step, total)

        return start

    def end(self, *, finished: bool, step: int, weight: Path | None, scores: Mapping[str, float]) -> None:
        """Complete the record after the training and the test."""
        if self._log is None or not self._log.begun:
            return
        update: dict[str, object] = {"finished": finished, "scores": dict(scores)}
        if weight is not None and weight.is_file():
            update |= {"weight": weight.name, "tensors_sha256": hash_tensors(weight)}
        self._try(self._log.end, "finished" if finished else "stopped", step=step, update=update)

    def fail(self, error: BaseException) -> None:
        """Record that an error ended the run."""
        if self._log is not None:
            self._try(self._log.fail, error)

    def _try(self, write: Callable[..., None], *given: object, **named: object) -> None:
        """Write; a record that cannot be written is no reason to lose a training."""
        try:
            write(*given, **named)
        except OSError as error:
            self._warn(f"the record of the run cannot be written: {first_line(error)}")


@contextmanager
def record_run(
    folder: Path,
    *,
    phase: Phase,
    settings: Settings,
    command: str,
    fold: str = "",
    init: Path | None = None,
    data: DataFacts | None = None,
    manifest: Path | None = None,
    root: Path | None = None,
    warn: Callable[[str], None],
) -> Iterator[Recorder]:
    """Record a run while a block trains it.

    Args:
        folder: of the run.
        phase: ``pre-training`` or ``fine-tuning``.
        settings: the whole recipe.
        command: the command that does the same, without folders.
        fold: the fold that is not trained on.
        init: the weight to start from.
        data: hashes of the data.
        manifest: the list of clips.
        root: folder of recordings without a manifest.
        warn: called with a line if the record cannot be written.
    """
    call = current_call()
    if call is None:
        yield Recorder(None, warn)
        return
    earlier = find_earlier(folder)
    facts = RunFacts(
        phase=phase,
        command=command,
        parameters=call.without_folders(),
        recipe=settings.model_dump(mode="json"),
        fold=fold,
        seed=settings.model_dump()["seed"],
        data=data,
        init=InitFacts(weight=init.name, tensors_sha256=hash_tensors(init)) if init is not None else None,
        versions=list_versions() | _list_cuda(),
        commit=read_own_commit(),
        machine=describe_machine() | _list_gpus(),
        processes=int(os.environ.get("WORLD_SIZE", "1")),
        date=earlier.run.date if earlier is not None else now_utc(),
    )
    facts.begin_clock((earlier.duration_s or 0.0) if earlier is not None else 0.0)
    record = RunRecord(
        run=facts,
        parameters=dict(call.parameters),
        manifest=str(manifest.absolute()) if manifest is not None else "",
        root=str(root.absolute()) if root is not None else "",
    )
    recorder = Recorder(SessionLog(folder, record, earlier), warn)
    try:
        yield recorder
    except BaseException as error:
        recorder.fail(error)
        raise


def _list_cuda() -> dict[str, str]:
    return {"cuda": str(torch.version.cuda)} if torch.cuda.is_available() else {}


def _list_gpus() -> dict[str, str]:
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"gpu": ", ".join(names)} if names else {}
