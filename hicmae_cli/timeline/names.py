"""Names of tracks to show, clean enough for any text format."""

from __future__ import annotations

from typing import Final

from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track

_LONGEST: Final = 100
# Zero-width joiners: Persian and Hindi names need them.
_JOINERS: Final = "\u200c\u200d"


def clean_name(text: str) -> str:
    """Return a name on one line, without control characters, at most 100 characters long.

    Characters that do not print (controls, marks of direction, broken UTF-8) become spaces, and several spaces one.
    """
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text[: 10 * _LONGEST])
    name = " ".join(printable.split())
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"


def track_name(track: Track) -> str:
    """Return the name of a track to show: the person's name or ``person N``; ``voice`` for the sound."""
    numbered = "voice" if track.id == VOICE_TRACK else f"person {track.id}"
    return clean_name(track.name) or numbered


def name_tracks(file: FileResult) -> tuple[str, ...]:
    """Return a name for each track of a file; no two are equal."""
    names: list[str] = []
    for track in file.tracks:
        name = track_name(track)
        spares = (f"{name} ({number})" for number in range(2, len(file.tracks) + 2))
        names.append(name if name not in names else next(spare for spare in spares if spare not in names))
    return tuple(names)
