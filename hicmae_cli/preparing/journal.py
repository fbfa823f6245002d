"""What became of each clip: kept beside prepared clips, so that nothing is done twice, nor tried again in vain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.files import write_atomically
from hicmae_cli.preparing.clip import ClipFacts

JOURNAL: Final = "clips.jsonl"
"""Its name in a folder of prepared clips."""


@dataclass(frozen=True)
class Entry:
    """What became of one clip.

    Attributes:
        version: what changes when its files do; empty where it should be tried again in any case.
        facts: what was found out about it; None where it failed.
        size_bytes: of the prepared clip; 0 where none was written.
        fault: the kind of failure, empty where there was none.
        cause: the failure in words.
    """

    version: str
    facts: ClipFacts | None = None
    size_bytes: int = 0
    fault: str = ""
    cause: str = ""


class Journal:
    """Entries by id, on disk as JSON lines: each is added as it comes, and all are sorted in the end.

    Whatever kills the process costs the last line at most, which is then read over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = read_journal(path)

    def add(self, id_: str, entry: Entry) -> None:
        """Remember; an entry without a version only until the end.

        Raises:
            OSError: the file cannot be written to.
        """
        self.entries[id_] = entry
        if entry.version:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(_line(id_, entry))

    def finish(self) -> None:
        """Write all entries anew, sorted: the same ones give the same bytes."""
        with write_atomically(self.path) as temporary:
            lines = [_line(id_, entry) for id_, entry in sorted(self.entries.items()) if entry.version]
            temporary.write_text("".join(lines), "utf-8", "surrogateescape")


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal that is finished when the block ends well."""
    journal = Journal(path)
    if path.is_file():
        journal.finish()  # a line that was cut off must not run into the next one
    yield journal
    journal.finish()


def read_journal(path: Path) -> dict[str, Entry]:
    """Entries of a journal by id, the last one of each; none where there is no file. Other lines are read over."""
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
            entry = Entry(facts=None if facts is None else ClipFacts(**facts), **fields)
        except (ValueError, TypeError, AttributeError, KeyError):
            continue
        entries[id_] = entry
    return entries


def _line(id_: str, entry: Entry) -> str:
    fields = {key: value for key, value in asdict(entry).items() if value not in (None, "", 0)}
    return json.dumps({"id": id_, **fields}) + "\n"
