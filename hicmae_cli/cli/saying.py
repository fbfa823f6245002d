"""What the commands that predict say of a model, and of the result of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hicmae_cli.cli.flags import to_flags

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.runtime.model_record import ModelRecord
    from hicmae_cli.runtime.results import FileResult


def introduce(screen: Screen, model: ModelRecord, device: str) -> None:
    """Print the weight with its licence, what its metadata say about its training and its limits, and a lost GPU."""
    from rich.text import Text

    from hicmae_cli.report.console import licence_line, weight_notice
    from hicmae_cli.runtime.providers import explain_fallback

    screen.say(licence_line(model.name, model.info))
    if lost := explain_fallback(device, model.device):
        screen.warn(to_flags(lost))
    if notice := weight_notice(model.name, model.info):
        screen.show(Text(notice, "yellow"), on_stderr=True, wrap=False)


def in_flags(file: FileResult) -> FileResult:
    """Return the result with the options of the command in its message."""
    return replace(file, message=to_flags(file.message))
