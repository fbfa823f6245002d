"""A prediction as subtitles: SubRip (SRT) and WebVTT."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hicmae_cli.report.annotations import list_annotations, timelines_of
from hicmae_cli.report.files import write_text
from hicmae_cli.report.prediction import Prediction

# SRT has no escapes. Players take these characters for tags of HTML or of SubStation Alpha: wide ones look alike.
_WIDE: Final = str.maketrans("<>{}\\", "＜＞｛｝＼")  # noqa: RUF001


def write_srt(prediction: Prediction, path: Path) -> None:
    """Write the subtitles of one input as SRT.

    Raises:
        HicmaeError: the file cannot be written.
    """
    cues = _list_cues(prediction, ",", lambda text: text.translate(_WIDE))
    write_text(path, "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, start=1)))


def write_vtt(prediction: Prediction, path: Path) -> None:
    """Write the subtitles of one input as WebVTT.

    Raises:
        HicmaeError: the file cannot be written.
    """
    cues = _list_cues(prediction, ".", lambda text: html.escape(text, quote=False))
    write_text(path, "\n".join(["WEBVTT\n", *cues]))


def _list_cues(prediction: Prediction, point: str, escape: Callable[[str], str]) -> list[str]:
    """Return the cues in order of time, each with its times and its line such as ``person 1: anger 62%``."""
    _, timelines = timelines_of(prediction)
    found = [(each, timeline.name) for timeline in timelines for each in list_annotations(timeline)]
    return [
        f"{_format_time(each.start_ms, point)} --> {_format_time(each.end_ms, point)}\n"
        f"{escape(f'{name}: {each.text} {each.detail}'.rstrip())}\n"
        for each, name in sorted(found, key=lambda cue: (cue[0].start_ms, cue[0].end_ms))
    ]


def _format_time(time_ms: int, point: str) -> str:
    """``01:02:03,004``; hours may have more than two digits."""
    seconds, ms = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{ms:03}"
