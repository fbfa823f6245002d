"""No prepared clip changes person: films of several people, drawn and real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceFinder, align_face
from hicmae_cli.media import Frame, read_frames, write_video
from hicmae_cli.preparing.clip import prepare_people
from hicmae_cli.preparing.measuring import ClipFacts
from hicmae_cli.preparing.people import MIN_SEEN_S
from tests.preparing.films import FPS, Cast, Part, compose

pytestmark = pytest.mark.slow


class Watched(FaceFinder):
    """A face finder that remembers what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[Face]] = []

    def detect(self, frame: Frame) -> list[Face]:
        self.found.append(super().detect(frame))
        return self.found[-1]


def prepare_film(
    film: Sequence[NDArray[np.uint8]], folder: Path, fps: int = FPS
) -> tuple[tuple[ClipFacts, ...], list[list[tuple[float, float] | None]]]:
    """Prepare all people -> the facts, and for each clip where its face is in each frame; None for a black frame."""
    write_video(folder / "film.mp4", film, fps, crf=16)
    finder = Watched()
    with finder:
        done = prepare_people(folder / "film.mp4", lambda number: folder / f"p{number}.mkv", finder)
    film = [frame.rgb for frame in read_frames(folder / "film.mp4")]
    crops = [
        [(face.centre_px, align_face(rgb, face.landmarks_px).astype(float)) for face in faces]
        for rgb, faces in zip(film, finder.found, strict=True)
    ]
    places = []
    for number in range(1, len(done) + 1):
        shown = [frame.rgb for frame in read_frames(folder / f"p{number}.mkv")]
        places.append([_find_place(rgb, some) for rgb, some in zip(shown, crops, strict=True)])
    return done, places


def _find_place(
    rgb: NDArray[np.uint8], crops: Sequence[tuple[tuple[float, float], NDArray[np.float64]]]
) -> tuple[float, float] | None:
    """Find which of a frame's faces a prepared frame shows."""
    if rgb.max() < 8:
        return None
    differences = [float(np.abs(crop - rgb).mean()) for _, crop in crops]
    best = int(np.argmin(differences))
    assert differences[best] < 8, "expected one of the faces that were found"
    return crops[best][0]


def name_people(places: Sequence[Sequence[tuple[float, float] | None]], parts: Sequence[Part]) -> list[set[int]]:
    """Return which people of a film each clip shows."""
    named = []
    for clip in places:
        shown = set()
        for frame, place in enumerate(clip):
            if place is None:
                continue
            inside = [
                part.person
                for part in parts
                if part.start <= frame < part.end and part.locate(frame)[0] <= place[0] < sum(part.locate(frame)[::2])
            ]
            # A later part covers an earlier one.
            shown.add(inside[-1])
        named.append(shown)
    return named


@pytest.fixture(scope="module")
def cast() -> Iterator[Cast]:
    cast = Cast()
    yield cast
    cast.close()


def draw_film(rng: np.random.Generator, kind: str, people: Sequence[int]) -> tuple[list[Part], int]:
    """Draw the parts of a film and its number of frames; two to four people."""
    one, two, three, *_ = people
    cut = int(rng.integers(12, 24))
    if kind == "call":  # two tiles; the faces grow and shrink, so that the largest one changes
        big, small = int(rng.integers(190, 221)), int(rng.integers(120, 150))
        return [Part(one, 0, 36, 0, (big, small)), Part(two, 0, 36, 224, (small, big))], 36
    if kind == "cut":  # shot and reverse shot in the same place
        shots = [(one, 0, cut), (two, cut, cut + 10), (one, cut + 10, cut + 20)]
        return [Part(person, start, end, 120, (220, 220)) for person, start, end in shots], cut + 20
    if kind == "entrance":  # someone comes, someone leaves
        return [Part(one, 0, 30, 0, (200, 180), 20), Part(two, cut, 36, 230, (180, 215))], 36
    if kind == "relay":  # one after the other, never two at once
        return [Part(p, 12 * i, 12 * (i + 1), 110, (200, 220)) for i, p in enumerate((one, two, three))], 36
    # A glimpse of a third, too short to count, beside two.
    glimpse = Part(three, cut, cut + 2, 235, (150, 150))
    return [Part(one, 0, 36, 0, (200, 200)), Part(two, 0, cut, 235, (170, 170)), glimpse], 36


KINDS = ("call", "cut", "entrance", "relay", "glimpse")


def test_no_clip_changes_person_and_people_are_counted(cast: Cast, tmp_path: Path) -> None:
    """25 films: five kinds, each with five casts; half of them before one wall, as in a studio."""
    wrong: list[tuple[object, ...]] = []
    switches: Counter[str] = Counter()
    for number in range(25):
        rng = np.random.default_rng([5, number])
        kind = KINDS[number % len(KINDS)]
        people = rng.permutation(16)[:4].tolist()
        parts, length = draw_film(rng, kind, people)
        film = compose(cast, parts, length, backdrop=3 if number % 2 else None)
        folder = tmp_path / str(number)
        folder.mkdir()
        done, places = prepare_film(film, folder)
        shown = name_people(places, parts)
        assert all(len(some) == 1 for some in shown), (number, kind, shown)
        seen_s = {person: sum(p.end - p.start for p in parts if p.person == person) / FPS for person in people}
        expected = sum(time_s >= MIN_SEEN_S for time_s in seen_s.values())
        if done[0].people_seen != expected:
            wrong.append((number, kind, expected, done[0].people_seen))
        most = max(seen_s.values())
        assert seen_s[next(iter(shown[0]))] >= 0.9 * most, (number, kind, shown)
        assert done[0].identity_switches is not None
        switches[kind] += done[0].identity_switches
        if kind in ("cut", "relay"):
            assert done[0].identity_switches == 2
    assert min(switches["call"], switches["entrance"]) > 0
    assert len(wrong) <= 0.05 * 25, wrong


def test_two_real_people_stay_apart(sample: Path, tmp_path: Path) -> None:
    """Both in view, then each alone in the same place: shot and reverse shot."""
    pictures = [frame.rgb for frame in read_frames(sample)]
    left, right = (np.stack([rgb[:, cut] for rgb in pictures]) for cut in (slice(20, 150), slice(135, 265)))
    film = [*left[:24], *right[24:60], *left[48:68]]
    done, places = prepare_film(film, tmp_path, fps=12)
    assert (done[0].people_seen, done[0].identity_switches) == (2, 2)
    alone = [{index for index, place in enumerate(clip) if place is not None} for clip in places]
    assert alone[1] <= set(range(24, 60)) and not alone[0] & alone[1]
    assert alone[0] >= set(range(23)) | set(range(61, 80))
    (tmp_path / "both").mkdir()
    done, places = prepare_film(pictures, tmp_path / "both", fps=12)
    assert done[0].people_seen == 2
    for clip in places:
        sides = {place[0] < 145 for place in clip if place is not None}
        assert len(sides) == 1
