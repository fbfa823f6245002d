"""Record the result of each clip next to the prepared clips, so that no work is repeated or retried without need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.files import write_text_atomically
from hicmae_cli.preparing.measuring import ClipFacts

JOURNAL: Final = "clips.jsonl"
"""File name of the journal in a folder of prepared clips."""


@dataclass(frozen=True)
class OtherClip:
    """The clip of a person who is not the one seen most.

    Attributes:
        face_coverage: share of frames with the person's face.
        size_bytes: size of the prepared clip.
    """

    face_coverage: float | None
    size_bytes: int


@dataclass(frozen=True)
class Entry:
    """The result of one clip, or of the clips of all people in one video.

    Attributes:
        version: text that changes when its files change; empty to retry it in any case.
        facts: its measurements; None if it failed. Of several people, those of the one seen most.
        size_bytes: size of the prepared clip; 0 if none was written.
        fault: the kind of fault; empty if there was none.
        cause: the fault in words.
        others: the clips of further people, the one seen most first.
    """

    version: str
    facts: ClipFacts | None = None
    size_bytes: int = 0
    fault: str = ""
    cause: str = ""
    others: tuple[OtherClip, ...] = ()


class Journal:
    """Entries by id, on disk as JSON lines: each is appended at once, and all are sorted at the end.

    A killed process loses at most the last line, which the next reader skips.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = read_journal(path)

    def add(self, id_: str, entry: Entry) -> None:
        """Add an entry; one without a version is not written to disk.

        Raises:
            OSError: the file cannot be written.
        """
        self.entries[id_] = entry
        if entry.version:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(_format_line(id_, entry))

    def finish(self) -> None:
        """Write all entries again, sorted, so that the same entries give the same bytes."""
        lines = [_format_line(id_, entry) for id_, entry in sorted(self.entries.items()) if entry.version]
        write_text_atomically(self.path, "".join(lines))


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal and finish it if the block ends without an error."""
    journal = Journal(path)
    if path.is_file():
        journal.finish()  # so that an incomplete last line does not run into the next one
    yield journal
    journal.finish()


def read_journal(path: Path) -> dict[str, Entry]:
    """Read the last entry of each id; none if there is no file. Lines that are not entries are skipped."""
    try:
        lines = path.read_text("utf-8", "surrogateescape").split("\n")
    except OSError:
        return {}
    entries: dict[str, Entry] = {}
    for line in lines:
        try:
            fields = json.loads(line)
            facts = fields.pop("facts", None)
            id_ = fields.pop("id")
            others = tuple(OtherClip(**other) for other in fields.pop("others", ()))
            entry = Entry(facts=None if facts is None else ClipFacts(**facts), others=others, **fields)
        except (ValueError, TypeError, AttributeError, KeyError):
            continue
        entries[id_] = entry
    return entries


def _format_line(id_: str, entry: Entry) -> str:
    fields = {key: value for key, value in asdict(entry).items() if value not in (None, "", 0, ())}
    return json.dumps({"id": id_, **fields}) + "\n"
