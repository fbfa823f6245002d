"""The file that a result was predicted from, which may be gone or changed when a report is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hicmae_cli.runtime.results import FileResult


def explain_loss(file: FileResult) -> str:
    """Return why the file of a result is not to be shown; nothing if it is there and as large as it was.

    Its size is compared, if it was recorded: a file that was edited seldom keeps it, and a hash of hours of video takes
    long.
    """
    try:
        if not file.path.is_file():
            return "the file is not where it was"
        if file.size_bytes is not None and file.path.stat().st_size != file.size_bytes:
            return "the file has changed since the prediction"
    except (OSError, ValueError):  # a name that no file has
        return "the file cannot be read any more"
    return ""
