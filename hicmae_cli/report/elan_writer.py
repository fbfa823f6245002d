"""A prediction as an ELAN document: a tier per person, a controlled vocabulary of the labels, the media linked.

The format is EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd. pympi does not write it: it has no references from
annotations to entries of the vocabulary, and renames a file that is there before it writes the new one.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from hicmae_cli.report.annotations import list_annotations, timelines_of
from hicmae_cli.report.files import write_text
from hicmae_cli.report.original import find_original
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.timeline import Timeline, clean_name

_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_VOCABULARY: Final = "labels"
_TIER_TYPE: Final = "emotion"
_LANGUAGE: Final = {
    "LANG_ID": "und",
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_LABEL": "undetermined (und)",
}
_MEDIA_TYPES: Final = {".wav": "audio/x-wav"}  # as ELAN names it


def write_elan(prediction: Prediction, path: Path) -> None:
    """Write the document of one input.

    Raises:
        HicmaeError: the file cannot be written.
    """
    file, timelines = timelines_of(prediction)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "hicmae",
            "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _INSTANCE,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = _add(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    _add(header, "MEDIA_DESCRIPTOR", _link_media(find_original(file), path))
    _add_tiers(root, header, timelines, prediction)
    ElementTree.indent(root, "    ")
    text = ElementTree.tostring(root, "unicode")
    write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _add_tiers(
    root: ElementTree.Element, header: ElementTree.Element, timelines: Sequence[Timeline], prediction: Prediction
) -> None:
    """Add the times, a tier for each timeline, and the vocabulary of a model of labels."""
    info = prediction.model.info
    found = [list_annotations(timeline) for timeline in timelines]
    has_labels = info.task != "regression"
    texts = [*map(clean_name, info.labels), *(each.text for tier in found for each in tier)] if has_labels else []
    entries = {text: f"cveid{number}" for number, text in enumerate(dict.fromkeys(texts))}
    times_ms = sorted({time_ms for tier in found for each in tier for time_ms in (each.start_ms, each.end_ms)})
    slots = {time_ms: f"ts{number}" for number, time_ms in enumerate(times_ms, start=1)}
    order = _add(root, "TIME_ORDER")
    for time_ms, slot in slots.items():
        _add(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(time_ms)})
    last_id = 0
    for timeline, listed in zip(timelines, found, strict=True):
        names = {"PARTICIPANT": timeline.name, "TIER_ID": timeline.name}
        tier = _add(root, "TIER", {"ANNOTATOR": "hicmae", "LINGUISTIC_TYPE_REF": _TIER_TYPE, **names})
        for each in listed:
            last_id += 1
            attributes = {"ANNOTATION_ID": f"a{last_id}"}
            attributes |= {"CVE_REF": entries[each.text]} if has_labels else {}
            attributes |= {"TIME_SLOT_REF1": slots[each.start_ms], "TIME_SLOT_REF2": slots[each.end_ms]}
            annotation = _add(_add(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", attributes)
            _add(annotation, "ANNOTATION_VALUE").text = each.text
    _add(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(last_id)
    _add(
        header, "PROPERTY", {"NAME": "hicmae weights"}
    ).text = f"{clean_name(prediction.model.name)} {clean_name(prediction.model.sha256)}"
    linguistic = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TIER_TYPE, "TIME_ALIGNABLE": "true"}
    vocabulary = {"CONTROLLED_VOCABULARY_REF": _VOCABULARY} if has_labels else {}
    _add(root, "LINGUISTIC_TYPE", {**vocabulary, **linguistic})
    _add(root, "LANGUAGE", _LANGUAGE)
    if has_labels:
        _add_vocabulary(root, entries)


def _add_vocabulary(root: ElementTree.Element, entries: dict[str, str]) -> None:
    """Add the texts with their ids."""
    language = {"LANG_REF": _LANGUAGE["LANG_ID"]}
    vocabulary = _add(root, "CONTROLLED_VOCABULARY", {"CV_ID": _VOCABULARY})
    _add(vocabulary, "DESCRIPTION", language).text = "labels of the weight"
    for text, entry in entries.items():
        value = _add(_add(vocabulary, "CV_ENTRY_ML", {"CVE_ID": entry}), "CVE_VALUE", {"DESCRIPTION": "", **language})
        value.text = text


def _link_media(media: Path, document: Path) -> dict[str, str]:
    """Return the attributes of a link that holds as long as both files keep their places to each other."""
    try:
        folder = os.path.realpath(media.parent)
        place = Path(os.path.relpath(Path(folder, media.name), os.path.realpath(document.parent))).as_posix()
    except ValueError:  # on another drive of Windows, or a name that no file has
        place = media.absolute().as_posix()
    link = "".join(c for c in (place if place.startswith("../") else f"./{place}") if _is_xml(c))
    kind = _MEDIA_TYPES.get(media.suffix.lower()) or mimetypes.guess_type(media.name)[0] or "unknown"
    return {"MEDIA_URL": link, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": link}


def _is_xml(character: str) -> bool:
    """Whether XML can hold a character; it has no escape for controls and surrogates."""
    refused = character < " " or "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff"
    return not refused or character in "\t\n"


def _add(parent: ElementTree.Element, tag: str, attributes: dict[str, str] | None = None) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes or {})
