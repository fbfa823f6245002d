"""Read saved predictions. The file may come from anybody, so nothing in it is taken on trust."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from hicmae_cli.errors import HicmaeError, one_line
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
from hicmae_cli.runtime.window_table import WindowTable
from hicmae_cli.weights.info import WeightInfo

_MOST_BYTES: Final = 1 << 30
_STATES: Final = ("ok", "no-face", "error")
_LONGEST_S: Final = 1e9
_LARGEST: Final = 1e100
"""Of a regression's values: their mean over any number of windows is finite."""
_VERSION: Final = re.compile(r"[\w.+!-]{1,100}", re.ASCII)
_FAULT_CHARACTERS: Final = 300


def read_document(path: Path) -> Any:
    """Read a JSON document.

    Raises:
        HicmaeError: the file cannot be read, is larger than 1 GiB, or is not JSON.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise HicmaeError(f"{path}: is larger than 1 GiB; give a prediction's JSON document")
        text = path.read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refuse_document(path, error) from error


def refuse_document(path: Path, error: Exception) -> HicmaeError:
    """Return the error for a file that is not a prediction's document, in one line."""
    fault = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        fault = f"weights: {'.'.join(map(str, first['loc'])) or 'metadata'}: {first['msg']}"
    short = fault if len(fault) <= _FAULT_CHARACTERS else f"{fault[:_FAULT_CHARACTERS]}…"
    return HicmaeError(one_line(f"{path}: is not a prediction's JSON document: {short}"))


def check_file(file: FileResult, info: WeightInfo) -> FileResult:
    """Check that a result is one that the weight could have given.

    Returns:
        The same result, with the labels in the order of the weight: other programs sort the keys of a document.

    Raises:
        ValueError: it is not.
    """
    where = str(file.path)
    _check(where, "status", file.status in _STATES, file.status)
    _check(where, "message", isinstance(file.message, str), file.message)
    for name in ("duration_s", "fps", "width_px", "height_px", "size_bytes"):
        number = getattr(file, name)
        _check(where, name, number is None or _is_number(number, most=math.inf if name == "size_bytes" else _LONGEST_S))
    _check(where, "sha256", file.sha256 is None or isinstance(file.sha256, str), file.sha256)
    version = file.hicmae_version
    _check(where, "hicmae_version", version is None or bool(_VERSION.fullmatch(version)), version)
    ids = [track.id for track in file.tracks]
    _check(where, "track ids", len(set(ids)) == len(ids) and all(0 <= each < 2**31 for each in ids), ids)
    for track in file.tracks:
        _check_track(f"{where}, track {track.id}", track, info)
    _check_speech(where, file.speech or (), ids)
    return replace(file, tracks=tuple(_order_labels(track, info.labels) for track in file.tracks))


def _check_speech(where: str, speech: Sequence[Speech], ids: Sequence[int]) -> None:
    last_s = 0.0
    for each in speech:
        here = f"{where}, speech at {each.start_s} s"
        _check(here, "start_s and end_s", last_s <= each.start_s < each.end_s <= _LONGEST_S, (each.start_s, each.end_s))
        is_known = each.speaker in ((NOBODY, UNSURE) if isinstance(each.speaker, str) else ids)
        _check(here, "speaker", is_known and not isinstance(each.speaker, bool), each.speaker)
        last_s = each.end_s


def _order_labels(track: Track, labels: Sequence[str]) -> Track:
    if track.table.names == tuple(labels):
        return track
    windows = (
        replace(window, scores=replace(window.scores, by_name={name: window.scores.by_name[name] for name in labels}))
        for window in track.windows
    )
    return replace(track, windows=WindowTable(windows))


def _check_track(where: str, track: Track, info: WeightInfo) -> None:
    _check(where, "face_coverage", _is_number(track.face_coverage, most=1), track.face_coverage)
    _check(where, "face_size_px", _is_number(track.face_size_px), track.face_size_px)
    for window in track.windows:
        _check_window(where, window, info)


def _check_window(where: str, window: Window, info: WeightInfo) -> None:
    # A timeline is exact to the millisecond.
    spans = window.start_s >= 0 and window.end_s <= _LONGEST_S and round(window.start_s, 3) < round(window.end_s, 3)
    _check(where, "start_s and end_s of a window", spans, (window.start_s, window.end_s))
    here = f"{where}, window at {window.start_s} s"
    scores = window.scores
    _check(here, "labels", (scores.task, {*scores.by_name}) == (info.task, {*info.labels}), [*scores.by_name])
    low, high = (-_LARGEST, _LARGEST) if scores.task == "regression" else (0, 1)
    _check(here, "numbers", all(low <= number <= high for number in scores.by_name.values()))
    _check(here, "face_coverage", _is_number(window.face_coverage, most=1), window.face_coverage)
    _check(here, "voice", window.voice is None or _is_number(window.voice, most=1), window.voice)
    _check(here, "boxes", _are_finite(number for box in window.boxes for number in box.to_list()))
    _check(here, "features", _are_finite(window.features))
    if window.explanation is not None:
        _check_explanation(here, window.explanation, info)


def _check_explanation(where: str, explanation: Explanation, info: WeightInfo) -> None:
    _check(where, "name of an explanation", explanation.name in info.labels, explanation.name)
    grids = (explanation.face_map or (), explanation.voice_map or ())
    numbers = [explanation.face or 0.0, explanation.voice or 0.0, *(n for grid in grids for row in grid for n in row)]
    most = _LARGEST if info.task == "regression" else 1.0
    _check(where, "numbers of an explanation", all(-most <= number <= most for number in numbers))


def _check(where: str, what: str, holds: bool, found: object = "") -> None:
    if not holds:
        raise ValueError(f"{where}: {what} cannot be true{f': {found!r}' if found != '' else ''}")


def _is_number(value: object, *, most: float = _LONGEST_S) -> bool:
    """Whether it is a number from 0 to ``most``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _are_finite(numbers: Iterable[float]) -> bool:
    return all(map(math.isfinite, numbers))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
