"""Who speaks when, as Rich Transcription Time Marked (RTTM), the format of diarization."""

from __future__ import annotations

import re
from pathlib import Path

from hicmae_cli.report.annotations import timelines_of, to_ms
from hicmae_cli.report.files import write_text
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.speech import NOBODY
from hicmae_cli.timeline import Turn, clean_name


def write_rttm(prediction: Prediction, path: Path) -> None:
    """Write the turns of one input, in order of time, and the voice of nobody in view as ``nobody``.

    A file without lines: it was tested, and no voice is anybody's for sure.

    Raises:
        HicmaeError: the file cannot be written.
    """
    file, timelines = timelines_of(prediction)
    turns = [(turn, _to_field(timeline.name)) for timeline in timelines for turn in timeline.turns or ()]
    off_screen = NOBODY
    while off_screen in {name for _, name in turns}:  # a person may be called so
        off_screen += "_"
    turns += [(Turn(each.start_s, each.end_s), off_screen) for each in file.speech or () if each.speaker == NOBODY]
    recording = _to_field(file.path.stem)
    lines = []
    for turn, name in sorted(turns, key=lambda each: each[0].start_s):
        start_ms, end_ms = to_ms(turn.start_s), to_ms(turn.end_s)
        times = f"{start_ms / 1000:.3f} {(end_ms - start_ms) / 1000:.3f}"
        lines.append(f"SPEAKER {recording} 1 {times} <NA> <NA> {name} <NA> <NA>\n")
    write_text(path, "".join(lines))


def _to_field(name: str) -> str:
    """Return a name as one field: fields end at a space, and ``<NA>`` means none."""
    return re.sub(r"[\s<>]", "_", clean_name(name)) or "_"
