"""Hooks through which a caller follows a fine-tuning run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import Split
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.results import FoldResult
from hicmae_cli.training.finetuning.state import EpochReport
from hicmae_cli.training.finetuning.transfer import Transfer


@dataclass
class FinetuningProgress:
    """Functions to call while models are trained and tested; each does nothing by default.

    With several processes, only the main one calls ``on_init``, ``on_start``, ``on_step``, ``on_validation`` and
    ``on_epoch``.

    Attributes:
        on_plan: once, before the first fold, with the number of runs: folds x seeds x repetitions.
        on_hash: after each clip whose files are hashed for the record, with the number of clips done and of all clips.
        on_fold: before a fold, with its name (None without folds) and the settings of its run.
        on_split: before the training, with the clips to train on, validate on and test on.
        on_init: with the tensors that ``init`` gave to the model.
        on_start: with the number of steps done before and of all steps.
        on_step: after each step, with (epoch, step of the epoch, steps of the epoch, mean losses of the epoch so far).
        on_validation: after each batch of validation clips, with (epoch, clips done, clips of this process).
        on_epoch: after each epoch.
        on_test_clip: after each test clip.
        on_result: after a fold.
        warn: with a warning about something that was skipped or looks wrong.
    """

    on_plan: Callable[[int], None] = lambda _: None
    on_hash: Callable[[int, int], None] = lambda *_: None
    on_fold: Callable[[str | None, FinetuneSettings], None] = lambda *_: None
    on_split: Callable[[Split[Sample]], None] = lambda _: None
    on_init: Callable[[Transfer], None] = lambda _: None
    on_start: Callable[[int, int], None] = lambda *_: None
    on_step: Callable[[int, int, int, Mapping[str, float]], None] = lambda *_: None
    on_validation: Callable[[int, int, int], None] = lambda *_: None
    on_epoch: Callable[[EpochReport], None] = lambda _: None
    on_test_clip: Callable[[], None] = lambda: None
    on_result: Callable[[FoldResult], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
