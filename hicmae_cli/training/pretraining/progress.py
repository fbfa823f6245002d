"""Hooks of a pre-training: functions to call while it runs, for a display."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.media.listing import Listing
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.training.pretraining.recordings import RecordingList
from hicmae_cli.training.pretraining.state import StepReport


@dataclass
class PretrainingProgress:
    """Functions to call during a run, in the main process.

    Attributes:
        on_listing: called with the videos of a folder, before their faces are cut.
        on_video: called after each of these videos.
        on_wait: called with the folder of the faces, if another process cuts faces into it and must end first.
        on_hash: called after each recording whose files are hashed for the record, with the number of recordings done
            and of all recordings.
        on_recordings: called with the recordings and the recipe, before training.
        on_start: called with the number of steps made so far and of the whole run.
        on_step: called after each step.
        on_epoch: called after each epoch with its number, from 1, and its mean loss.
        on_picture: called every ``picture_every`` steps with the number of steps and the model in evaluation mode.
        warn: called with a line about something that was skipped, or that is probably not intended.
    """

    on_listing: Callable[[Listing], None] = lambda _: None
    on_video: Callable[[], None] = lambda: None
    on_wait: Callable[[Path], None] = lambda _: None
    on_hash: Callable[[int, int], None] = lambda *_: None
    on_recordings: Callable[[RecordingList, PretrainSettings], None] = lambda *_: None
    on_start: Callable[[int, int], None] = lambda *_: None
    on_step: Callable[[StepReport], None] = lambda _: None
    on_epoch: Callable[[int, float], None] = lambda *_: None
    on_picture: Callable[[int, PretrainingModel], None] = lambda *_: None
    warn: Callable[[str], None] = lambda _: None
