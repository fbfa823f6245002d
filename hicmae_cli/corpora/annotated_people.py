"""The people of a recording as a prediction saw them, and which of them a tier of annotations means."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hicmae_cli.corpora.dataset import FacePlace
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import canonical_label
from hicmae_cli.tiers.interval import Interval

if TYPE_CHECKING:
    from hicmae_cli.runtime.results import FileResult, Track

PREDICTIONS: Final = "predictions.json"
_MAX_BYTES: Final = 2 << 30
_AROUND_S: Final = 1.0
"""Places this long before and after an interval are kept, to know where the face is at its edges."""
_NUMBERED: Final = re.compile(r"(?i)(?:person|track)?[ _-]*(?P<id>\d{1,6})")


@dataclass(frozen=True)
class Person:
    """A person whose face a prediction followed.

    Attributes:
        id: number of the track.
        name: the person's name; empty if unknown.
        title: the name of its tier in a file that `hicmae predict` wrote: the person's name, or ``person 2``.
        places: where the face is, in order of time.
    """

    id: int
    name: str
    title: str
    places: tuple[FacePlace, ...] = field(repr=False)

    def cut(self, start_s: float, end_s: float) -> tuple[FacePlace, ...]:
        """Return the places in and around a stretch of time."""
        times_s = [place[0] for place in self.places]
        first, last = bisect_left(times_s, start_s - _AROUND_S), bisect_right(times_s, end_s + _AROUND_S)
        # Without any, one that is too far to count: the clip then has no face, in place of anybody's.
        return self.places[first:last] or self.places[:1]


@dataclass(frozen=True)
class PredictedPeople:
    """What a prediction knows about a recording.

    Attributes:
        people: those with a face.
        labels: the labels of its weight.
    """

    people: tuple[Person, ...]
    labels: frozenset[str]


def read_people(folders: Sequence[Path], media: Path) -> PredictedPeople | None:
    """Read where the people of a recording are from the first ``predictions.json`` that knows the recording.

    Args:
        folders: where to look.
        media: the recording; a result counts if it has its name and size.

    Returns:
        None if there is no such file, or none that knows the recording.

    Raises:
        ManifestError: a file is malformed, or has several such results.
    """
    for path in dict.fromkeys(folder / PREDICTIONS for folder in folders):
        if not path.is_file():
            continue
        status = path.stat()
        document = _read_document(path, status.st_size, status.st_mtime_ns)
        try:
            found = [file for file in document["files"] if Path(file["path"]).name == media.name]
            # A result without a size was not read to its end, as a part of a file.
            found = [file for file in found if file.get("size_bytes") in (None, media.stat().st_size)]
            if len(found) > 1:
                raise ManifestError(one_line(f"{path}: has {len(found)} results for {media.name}; keep one"))
            if found:
                return _read_result(found[0], document)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ManifestError(
                one_line(f"{path}: is no document of `hicmae predict` ({type(error).__name__}: {error})")
            ) from error
    return None


@lru_cache(maxsize=1)
def _read_document(path: Path, size_bytes: int, mtime_ns: int) -> Any:
    """Read a document, or return it again: all annotation files of a folder ask for the same one."""
    try:
        if size_bytes > _MAX_BYTES:
            raise ManifestError(one_line(f"{path}: is larger than {_MAX_BYTES >> 30} GiB"))
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ManifestError(one_line(f"{path}: cannot be read ({error.strerror})")) from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(one_line(f"{path}: is not JSON ({error})")) from error


def _read_result(fields: Any, document: Any) -> PredictedPeople:
    # It loads NumPy, which the catalogue does without.
    from hicmae_cli.runtime.results import FileResult
    from hicmae_cli.timeline import name_tracks

    result = FileResult.from_dict(fields)
    titled = zip(result.tracks, name_tracks(result), strict=True)
    people = (Person(track.id, track.name, title, _list_places(result, track)) for track, title in titled)
    labels = frozenset(canonical_label(str(label)) for label in document["weights"].get("labels", ()))
    return PredictedPeople(tuple(person for person in people if person.places), labels)


def _list_places(result: FileResult, track: Track) -> tuple[FacePlace, ...]:
    """List where a track's face is; windows overlap, so many boxes occur in several of them."""
    if not result.width_px or not result.height_px:
        return ()
    boxes = {box.time_s: box for window in track.windows for box in window.boxes}
    return tuple(
        (
            time_s,
            box.x_px / result.width_px,
            box.y_px / result.height_px,
            box.width_px / result.width_px,
            box.height_px / result.height_px,
        )
        for time_s, box in sorted(boxes.items())
    )


def find_person(people: Sequence[Person], interval: Interval) -> Person | None:
    """Return the person whom an interval means; the only one where there is one, and None if no name fits.

    The participant counts before the tier, and the tier before the one above it.
    """
    if len(people) == 1:
        return people[0]
    for name in (interval.person, interval.tier, interval.parent):
        text = " ".join(name.split()).casefold()
        if not text:
            continue
        for person in people:
            if text in (person.name.casefold(), person.title.casefold()):
                return person
        if match := _NUMBERED.fullmatch(text):
            found = next((person for person in people if person.id == int(match["id"])), None)
            if found is not None:
                return found
    return None
