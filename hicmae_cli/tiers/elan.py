"""Read ELAN's .eaf files.

An .eaf file is XML, and XML from others can be an attack: entities that expand to gigabytes or fetch files and
addresses. ELAN writes no document type, and without one there are no entities; so a file that has one is refused
before anything is expanded.

Source: ELAN Annotation Format, schema version 3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.parsers import expat

from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.tiers.interval import AnnotationFile, Interval, make_fault, name_of, quote, read_bytes

_MAX_LINKS: Final = 100
"""Annotations that refer to another one form shorter chains than this."""
_MAX_TEXT: Final = 1 << 16


@dataclass
class _Tier:
    name: str
    person: str
    parent: str


@dataclass
class _Annotation:
    """One annotation: with two time slots, or with the id of another annotation that has its times."""

    tier: _Tier
    slots: tuple[str, str] | None
    refers_to: str
    text: str = ""


@dataclass
class _Document:
    """What the parser has seen so far."""

    path: Path
    slots_s: dict[str, float] = field(default_factory=dict)
    annotations: dict[str, _Annotation] = field(default_factory=dict)
    media: list[str] = field(default_factory=list)
    offset_s: float = 0.0
    root: str = ""
    _tier: _Tier | None = None
    _open: _Annotation | None = None
    _pieces: list[str] | None = None
    _letters: int = 0
    _line: int = 0

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        self._line = line
        self.root = self.root or name
        if name == "HEADER":
            units = attributes.get("TIME_UNITS", "milliseconds")
            if units != "milliseconds":
                raise make_fault(self.path, line, f"counts time in {quote(units)}; expected milliseconds")
        elif name == "MEDIA_DESCRIPTOR":
            self._add_media(attributes)
        elif name == "TIME_SLOT" and "TIME_VALUE" in attributes:
            self.slots_s[attributes.get("TIME_SLOT_ID", "")] = self._read_ms(attributes["TIME_VALUE"])
        elif name == "TIER":
            read = attributes.get
            self._tier = _Tier(read("TIER_ID", ""), read("PARTICIPANT", ""), read("PARENT_REF", ""))
        elif name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") and self._tier is not None:
            self._add_annotation(name, attributes)
        elif name == "ANNOTATION_VALUE":
            self._pieces, self._letters = [], 0

    def add_text(self, text: str) -> None:
        if self._pieces is not None and self._letters < _MAX_TEXT:
            self._pieces.append(text)
            self._letters += len(text)

    def end(self, name: str) -> None:
        if name == "ANNOTATION_VALUE" and self._pieces is not None:
            if self._open is not None:
                self._open.text = " ".join("".join(self._pieces).split())
            self._pieces = None
        elif name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self._open = None
        elif name == "TIER":
            self._tier = None

    def _add_media(self, attributes: Mapping[str, str]) -> None:
        for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL"):
            if link := name_of(unquote(attributes.get(key, ""))):
                self.media.append(link)
        if "TIME_ORIGIN" in attributes and len(self.media) <= 2:
            # Of the first media file, which ELAN's master clock follows.
            self.offset_s = self._read_ms(attributes["TIME_ORIGIN"])

    def _add_annotation(self, name: str, attributes: Mapping[str, str]) -> None:
        assert self._tier is not None
        id_ = attributes.get("ANNOTATION_ID", "")
        if not id_ or id_ in self.annotations:
            raise make_fault(self.path, self._line, f"expected an annotation with an id of its own, got {quote(id_)}")
        slots = None
        refers_to = ""
        if name == "ALIGNABLE_ANNOTATION":
            slots = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", "")
        elif "PREVIOUS_ANNOTATION" not in attributes:
            # With a previous one it is a part of the other annotation, and nothing says which part.
            refers_to = attributes.get("ANNOTATION_REF", "")
        self._open = self.annotations[id_] = _Annotation(self._tier, slots, refers_to)

    def _read_ms(self, text: str) -> float:
        # Not every text that Python takes for a number: no underscores, and no thousands of digits.
        if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 15:
            raise make_fault(self.path, self._line, f"expected a time in milliseconds, got {quote(text)}")
        return int(text) / 1000

    def find_times(self, annotation: _Annotation) -> tuple[float, float] | None:
        """Return start and end of an annotation, which may be those of another one; None if it has none."""
        for _ in range(_MAX_LINKS):
            if annotation.slots is not None:
                start_s, end_s = (self.slots_s.get(slot) for slot in annotation.slots)
                return None if start_s is None or end_s is None else (start_s + self.offset_s, end_s + self.offset_s)
            if annotation.refers_to not in self.annotations:
                return None
            annotation = self.annotations[annotation.refers_to]
        return None


def read_elan(path: Path) -> AnnotationFile:
    """Read an .eaf file.

    An annotation that refers to another one (a symbolic association) has its times. Links to media are not followed;
    only the file name at their end is kept.

    Raises:
        ManifestError: unreadable, too large, not an .eaf file, or with a document type.
    """
    data = read_bytes(path)
    document = _Document(path)
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse_doctype(*_: object) -> None:
        raise make_fault(path, parser.CurrentLineNumber, "has a document type, which ELAN never writes")

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = lambda name, attributes: document.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.add_text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise make_fault(path, error.lineno, f"is not well-formed XML ({expat.ErrorString(error.code)})") from error
    if document.root != "ANNOTATION_DOCUMENT":
        raise ManifestError(one_line(f"{path}: is no .eaf file: its root is {quote(document.root)}"))
    return _collect(document)


def _collect(document: _Document) -> AnnotationFile:
    intervals = []
    untimed = 0
    for annotation in document.annotations.values():
        if not annotation.text:
            continue
        times = document.find_times(annotation)
        if times is None:
            untimed += 1
            continue
        tier = annotation.tier
        intervals.append(Interval(*times, annotation.text, tier.name, tier.person, tier.parent))
    return AnnotationFile(tuple(intervals), tuple(dict.fromkeys(document.media)), untimed)
