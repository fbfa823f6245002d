"""A report as its reader sees it: parsed by the standard library's HTML parser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "input", "br", "link", "wbr"}
LOADING = {"src", "href", "xlink:href", "srcset", "action", "poster", "data", "background", "formaction"}


@dataclass
class Element:
    """An element with its text and that of its children."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """All elements in order; a tag that is closed wrongly is an error."""

    html: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []
        self.feed(self.html)
        self.close()
        assert not self._open, f"not closed: {[each.tag for each in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"{tag}: an attribute twice: {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(each.tag for each in self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = tuple(each.tag for each in self._open)
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, inside))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}> closes {[each.tag for each in self._open]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.text += data

    def find(self, tag: str, css: str = "") -> list[Element]:
        """Elements with a tag and, if given, a class."""
        return [e for e in self.elements if e.tag == tag and (not css or css in e.attributes.get("class", "").split())]

    def one(self, identity: str) -> Element:
        """The element with an id."""
        (found,) = [e for e in self.elements if e.attributes.get("id") == identity]
        return found

    @property
    def data(self) -> dict[str, Any]:
        """What the script gets."""
        document: dict[str, Any] = json.loads(self.one("data").text)
        return document

    @property
    def addresses(self) -> list[str]:
        """Everything that a browser could load."""
        found = [value for e in self.elements for name, value in e.attributes.items() if name in LOADING]
        styles = "".join(e.text for e in self.find("style"))
        found += re.findall(r"url\(([^)]*)\)|@import\s+([^;]*)", styles)
        return [each if isinstance(each, str) else "".join(each) for each in found]
