"""Videos composed of drawn people and of the two people of the sample: the right number of tracks, with stable ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceFinder, TrackLinker
from hicmae_cli.media import Frame, sample_frames
from tests.conftest import SAMPLE

pytestmark = pytest.mark.slow

Picture = NDArray[np.uint8]
STEP_S = 0.16
SIDE_PX = 200
WIDTH_PX, HEIGHT_PX = 640, 360


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Picture]]:
    """Four seconds of two drawn people, each alone in a square."""
    pytest.importorskip("moderngl")
    from hicmae_cli.puppets.expression import animate_expression
    from hicmae_cli.puppets.identity import Identity
    from hicmae_cli.puppets.render import Renderer

    people = {}
    times_s = np.arange(26) * STEP_S
    with Renderer() as renderer:
        for name, seed in (("a", 3), ("b", 11)):
            rng = np.random.default_rng(seed)
            identity = Identity.draw(rng)
            curves = animate_expression("happiness", 1.0, identity.style, rng, times_s)
            people[name] = [_square(frame) for frame in renderer.render_clip(identity, curves, rng, times_s)]
    return people


@pytest.fixture(scope="module")
def real() -> dict[str, list[Picture]]:
    frames = [frame.rgb for frame in sample_frames(SAMPLE, STEP_S)][:26]
    return {
        "a": [_square(rgb[10:140, 20:150]) for rgb in frames],
        "b": [_square(rgb[0:130, 135:265]) for rgb in frames],
    }


@pytest.fixture(params=["drawn", "real"])
def people(request: pytest.FixtureRequest) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = request.getfixturevalue(request.param)
    return found


def _square(rgb: Picture) -> Picture:
    return np.asarray(cv2.resize(rgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def room(*placed: tuple[Picture, int], light: float = 1.0) -> Picture:
    """A room with people (square pictures) at places from the left; the last one is in front."""
    wall = np.random.default_rng(0).integers(70, 120, (HEIGHT_PX // 40, WIDTH_PX // 40, 3), np.uint8)
    picture = np.asarray(cv2.resize(wall, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
    for square, left in placed:
        picture[100 : 100 + SIDE_PX, left : left + SIDE_PX] = square
    return (picture * light).astype(np.uint8)


def follow(pictures: Sequence[Picture]) -> list[dict[int, float]]:
    """For each picture the middle of each face, from left to right, by id."""
    linker, seen = TrackLinker(), []
    with FaceFinder() as finder:
        for index, picture in enumerate(pictures):
            frame = Frame(index * STEP_S, picture)
            seen.append({track: face.centre_px[0] for track, face in linker.update(frame, finder.detect(frame))})
    return seen


def count_ids(seen: Sequence[dict[int, float]]) -> Counter[int]:
    return Counter(track for faces in seen for track in faces)


def test_two_people_in_one_picture(people: dict[str, list[Picture]]) -> None:
    seen = follow([room((a, 60), (b, 380)) for a, b in zip(people["a"], people["b"], strict=True)])
    assert set(count_ids(seen)) == {1, 2}
    assert min(count_ids(seen).values()) >= 24
    sides: defaultdict[int, set[bool]] = defaultdict(set)
    for faces in seen:
        for track, x in faces.items():
            sides[track].add(x < 320)
    assert all(len(some) == 1 for some in sides.values())


def test_a_cut_between_two_people(people: dict[str, list[Picture]]) -> None:
    shots = [people["a"][:8], people["b"][:8], people["a"][8:16], people["b"][8:16]]
    seen = follow([picture for shot in shots for picture in shot])
    assert [count_ids(seen[i : i + 8]).most_common(1)[0][0] for i in range(0, 32, 8)] == [1, 2, 1, 2]
    assert set(count_ids(seen)) == {1, 2}


@pytest.mark.parametrize("light", [1.0, 0.6], ids=["same light", "darker"])
def test_a_person_leaves_for_three_seconds(people: dict[str, list[Picture]], light: float) -> None:
    before = [room((a, 60)) for a in people["a"][:8]]
    away = [room(light=light)] * 19
    after = [room((a, 380), light=light) for a in people["a"][8:16]]
    seen = follow([*before, *away, *after])
    assert set(count_ids(seen)) == {1} and count_ids(seen)[1] >= 14
    somebody_else = follow([*before, *away, *(room((b, 380), light=light) for b in people["b"][:8])])
    assert set(count_ids(somebody_else)) == {1, 2}


def test_two_people_cross(people: dict[str, list[Picture]]) -> None:
    lefts = np.linspace(20, 420, 26).astype(int)
    seen = follow([room((a, x), (b, 440 - x)) for a, b, x in zip(people["a"], people["b"], lefts, strict=True)])
    # A splinter of one or two pictures gives no window.
    lasting = {track for track, count in count_ids(seen).items() if count >= 4}
    assert lasting == {1, 2}
    first, last = seen[0], seen[-1]
    assert sorted(first, key=first.__getitem__) == sorted(last, key=last.__getitem__, reverse=True)


def test_a_head_turns_to_the_side_and_back(people: dict[str, list[Picture]]) -> None:
    """Drawn as a picture that gets narrower, until the face is lost for a second."""
    shares = [1, 0.95, 0.85, 0.7, 0.55, *[0.3] * 6, 0.55, 0.7, 0.85, 0.95, 1, 1, 1]

    def turned(picture: Picture, share: float) -> Picture:
        width = int(SIDE_PX * share)
        narrow = cv2.resize(picture, (width, SIDE_PX), interpolation=cv2.INTER_AREA)
        left = (SIDE_PX - width) // 2
        return np.pad(narrow, ((0, 0), (left, SIDE_PX - width - left), (0, 0)), mode="edge")

    seen = follow([room((turned(a, share), 200)) for a, share in zip(people["a"], shares, strict=False)])
    assert set(count_ids(seen)) == {1}
    assert 1 in seen[0] and 1 in seen[-1]


@pytest.mark.parametrize("make", [lambda a, i: a, lambda a, i: np.roll(a, i, axis=1)], ids=["still", "moving"])
def test_following_finds_what_searching_finds(
    people: dict[str, list[Picture]], make: Callable[[Picture, int], Picture]
) -> None:
    """Every picture searched on its own, against the faces that are followed."""
    pictures = [room((make(a, i), 60), (b, 380)) for i, (a, b) in enumerate(zip(people["a"], people["b"], strict=True))]
    with FaceFinder() as finder:
        followed = [finder.detect(Frame(i * STEP_S, picture)) for i, picture in enumerate(pictures)]
    with FaceFinder() as finder:
        searched = [finder.detect(Frame(-float(i), picture)) for i, picture in enumerate(pictures)]
    assert sum(map(len, followed)) >= 0.97 * sum(map(len, searched))
    offsets = [
        float(np.linalg.norm(one.landmarks_px - other.landmarks_px, axis=1).mean() / one.size_px)
        for ones, others in zip(followed, searched, strict=True)
        for one, other in zip(sorted(ones, key=_left), sorted(others, key=_left), strict=False)
        if len(ones) == len(others)
    ]
    assert np.median(offsets) < 0.01


def _left(face: Face) -> float:
    return face.box_px[0]
