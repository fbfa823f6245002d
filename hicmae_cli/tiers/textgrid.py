"""Read Praat's TextGrid files, in their long and short text forms.

As Praat does, the reader takes numbers and texts that stand alone, and passes over everything else: ``xmin =``,
``intervals [1]:`` and comments. Both forms then hold the same sequence.

Source: Praat manual, "TextGrid file formats".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hicmae_cli.tiers.interval import AnnotationFile, Interval, make_fault, quote, read_text

_TOKEN: Final = re.compile(
    r'"(?P<text>[^"]*(?:""[^"]*)*)"'
    r"|(?P<flag><\w{1,20}>)"
    r"|(?<!\S)(?P<number>[-+]?\d{1,20}(?:\.\d{0,40})?(?:[eE][-+]?\d{1,3})?)(?!\S)"
    r"|(?<!\S)(?P<comment>![^\n]*)"
    r"|(?P<open>\")"
)


class _Reader:
    """Takes one token after the other from a text."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._tokens = self._iterate()
        self._position = 0

    def _iterate(self) -> Iterator[tuple[str, str]]:
        for match in _TOKEN.finditer(self._text):
            self._position = match.start()
            kind = match.lastgroup or ""
            if kind == "open":
                raise self.fault("a text in quotes does not end")
            if kind != "comment":
                yield kind, match[kind]

    def fault(self, reason: str) -> Exception:
        return make_fault(self._path, self._text.count("\n", 0, self._position) + 1, reason)

    def take(self, kind: str) -> str:
        found, token = next(self._tokens, ("", ""))
        if not found:
            raise self.fault(f"ends where a {kind} was expected")
        if found != kind:
            raise self.fault(f"expected a {kind}, got {quote(token)}")
        return token.replace('""', '"') if kind == "text" else token

    def number(self) -> float:
        return float(self.take("number"))

    def count(self) -> int:
        token = self.take("number")
        if not token.isdecimal():
            raise self.fault(f"expected a count, got {quote(token)}")
        return int(token)


def read_textgrid(path: Path) -> AnnotationFile:
    """Read a TextGrid: the intervals that have a text, and the points, as intervals of no length.

    Raises:
        ManifestError: unreadable, too large, or not a TextGrid in text form.
    """
    reader = _Reader(path, read_text(path))
    file_type, object_class = reader.take("text"), reader.take("text")
    if (file_type, object_class) != ("ooTextFile", "TextGrid"):
        raise reader.fault(
            f"expected a TextGrid in text form, got {quote(file_type)} of {quote(object_class)}; in Praat, use "
            "Save as text file"
        )
    reader.number(), reader.number()
    if reader.take("flag") != "<exists>":
        return AnnotationFile(())
    intervals: list[Interval] = []
    for _ in range(reader.count()):
        kind, tier = reader.take("text"), " ".join(reader.take("text").split())
        if kind not in ("IntervalTier", "TextTier"):
            raise reader.fault(f"expected a tier of intervals or of points, got {quote(kind)}")
        reader.number(), reader.number()
        for _ in range(reader.count()):
            start_s = reader.number()
            end_s = reader.number() if kind == "IntervalTier" else start_s
            if text := " ".join(reader.take("text").split()):
                intervals.append(Interval(start_s, end_s, text, tier))
    return AnnotationFile(tuple(intervals))
