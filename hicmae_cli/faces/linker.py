"""Link the faces of a video into tracks: one number per person.

Three kinds of evidence count. *Place*: the face is near the person's last position, in the same shot. *Looks*: the
aligned face resembles the remembered faces of the person. *Texture*: it resembles them in other light, too. Within a
shot, place decides and looks can only veto: a face that is in place, but looks different and has other surroundings,
belongs to someone else, unless another face covers it. After a cut or a longer gap, looks decide, then texture, with
high thresholds, because a wrong link mixes two people while a missed one only starts a new track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.align import align_face
from hicmae_cli.faces.crops import crop_around
from hicmae_cli.faces.face import Face, box_iou
from hicmae_cli.faces.shots import is_shot_change, make_thumbnail
from hicmae_cli.faces.texture import describe_texture
from hicmae_cli.media import Frame

MAX_GAP_S: Final = 1.0 + 2 * 0.16
"""Longest gap over which a face's place counts: a second out of sight, and one sampling step (16 frames over 2.56 s)
on each side, within which the face may have left and returned."""

_LOOK_PX: Final = 32
# Side of the region with hair, clothes and background around a face, relative to the face.
_SURROUNDINGS: Final = 2.5
# Measured on docs/assets/speech_sample.mp4 (two people) and rendered heads (three): the correlation of one person's
# looks 0.2 s apart is 0.8 or more in 95 of 100 cases, that of two people at most 0.65 before colour counts.
_SAME_LOOKS: Final = 0.7
# Enough if the place or the surroundings match, too. Of 36 rendered people 0.16 s apart, one person's looks correlate
# with 0.78 or more, those of two people with 0.51 or less in 99 of 100 cases, and with 0.32 or less before one wall.
_LIKELY_LOOKS: Final = 0.5
# One person's surroundings correlate with 0.81 or more, those of two people with 0.70 or less, also before one wall.
_SAME_SURROUNDINGS: Final = 0.72
_FEATURELESS_LOOKS: Final = 0.6
_OTHER_LOOKS: Final = 0.2
# A face that correlates less than this with a person's remembered looks is remembered, too.
_NEW_LOOKS: Final = 0.85
_MAX_LOOKS: Final = 12
# Tolerance of one person's mean skin colour within a video, in CIELAB units.
_CHROMA_SPREAD: Final = 5.0
# Of photographs of different people, one pair of textures in 10,000 has 0.59 or more (scripts/name_rates.py). One drawn
# person's, in darker, warmer or sidelong light than before, has 0.65 or more in 75 of 100 cases; the most similar other
# person's has 0.48 or less.
SAME_TEXTURE: Final = 0.6
TEXTURE_MARGIN: Final = 0.05
"""How much more similar the best person must be than the next."""
# Two faces that overlap more than this cover each other.
_COVERING: Final = 0.05
# Limit on the people; the one that has been out of sight longest is dropped.
_MAX_REMEMBERED: Final = 200


@dataclass(frozen=True)
class SeenPerson:
    """What is remembered of a person.

    Attributes:
        textures: descriptions of up to 12 different looks; see ``texture.describe_texture``.
        met: ids of the people who were in a picture together with the person.
    """

    textures: tuple[NDArray[np.float32], ...]
    met: frozenset[int]


@dataclass(frozen=True)
class _Appearance:
    """A face's appearance: grey (1024,) pictures of unit length, and its mean a and b in CIELAB."""

    structure: NDArray[np.float32]
    surroundings: NDArray[np.float32]
    chroma: NDArray[np.float32]


class _Sight:
    """A face in one picture.

    Attributes:
        face: its landmarks.
        look: its appearance.
        is_covered: whether another face covers it, or is covered by it.
    """

    def __init__(self, rgb: NDArray[np.uint8], face: Face, *, is_covered: bool) -> None:
        self.face, self.is_covered, self._rgb = face, is_covered, rgb
        self.look = _describe(rgb, face)

    @cached_property
    def texture(self) -> NDArray[np.float32]:
        """Its texture; most faces are linked without it."""
        return describe_texture(align_face(self._rgb, self.face.landmarks_px))


@dataclass
class _Person:
    id: int
    face: Face
    shot: int
    last_s: float
    chroma: NDArray[np.float32]
    latest: _Appearance
    looks: list[_Appearance] = field(default_factory=list)
    textures: list[NDArray[np.float32]] = field(default_factory=list)
    met: set[int] = field(default_factory=set)

    def compare(self, look: _Appearance) -> float:
        """Compare looks, -1 to 1: the correlation with the best remembered look, reduced if the skin colour differs."""
        structure = max(_correlate(known, look) for known in (self.latest, *self.looks))
        distance = float(np.linalg.norm(look.chroma - self.chroma)) / _CHROMA_SPREAD
        return structure * float(np.exp(-(distance**2)))

    def has_same_surroundings(self, look: _Appearance) -> bool:
        """Whether the person appeared before with the same background and clothes."""
        return any(
            float(known.surroundings @ look.surroundings) > _SAME_SURROUNDINGS for known in (self.latest, *self.looks)
        )

    def remember(self, frame: Frame, shot: int, sight: _Sight) -> None:
        self.face, self.shot, self.last_s = sight.face, shot, frame.time_s
        if sight.is_covered and self.looks:
            # Part of what it shows is somebody else.
            return
        look = sight.look
        known = max((_correlate(old, look) for old in self.looks), default=-1.0)
        if known < _NEW_LOOKS:
            if len(self.looks) == _MAX_LOOKS:
                # Keep the first look, so that a slow change does not lose the person.
                del self.looks[1], self.textures[1]
            self.looks.append(look)
            self.textures.append(sight.texture)
        self.latest = look
        self.chroma = self.chroma + np.float32(0.1) * (look.chroma - self.chroma)


class TrackLinker:
    """Assigns an id to each face of one video. Pass every frame in order, including those without faces.

    It remembers a few looks of the most recent people, so its memory is bounded.
    """

    def __init__(self) -> None:
        self._people: list[_Person] = []
        self._next_id = 1
        self._shot = 0
        self._thumbnail: NDArray[np.float32] | None = None
        self._last_s = -np.inf
        self._last: tuple[NDArray[np.uint8], Sequence[Face], list[tuple[_Person, Face]]] | None = None

    def update(self, frame: Frame, faces: Sequence[Face]) -> list[tuple[int, Face]]:
        """Link the faces of a frame -> the faces with their ids, in the given order.

        If the frame's picture and faces are the same objects as before (a picture stays on display), the result is
        reused.

        Args:
            frame: the frame; later than the previous one.
            faces: the faces that a detector found in it.

        Raises:
            ValueError: the frame is not later than the previous one.
        """
        if frame.time_s <= self._last_s:
            raise ValueError(f"expected a frame after {self._last_s:.3f} s, got one at {frame.time_s:.3f} s")
        self._last_s = frame.time_s
        if self._last is not None and self._last[0] is frame.rgb and self._last[1] is faces:
            for person, _ in self._last[2]:
                person.last_s = frame.time_s
            return [(person.id, face) for person, face in self._last[2]]
        thumbnail = make_thumbnail(frame.rgb)
        if self._thumbnail is not None and is_shot_change(self._thumbnail, thumbnail):
            self._shot += 1
        self._thumbnail = thumbnail

        sights = [
            _Sight(
                frame.rgb,
                face,
                is_covered=any(box_iou(face.box_px, other.box_px) > _COVERING for other in faces if other is not face),
            )
            for face in faces
        ]
        linked = self._link_by_place_and_looks(sights, frame.time_s)
        linked |= self._link_by_texture(
            {index: sight for index, sight in enumerate(sights) if index not in linked and not sight.is_covered},
            {person.id for person in linked.values()},
        )
        for index, sight in enumerate(sights):
            if index not in linked:
                linked[index] = self._add_person(frame, sight)
        present = {person.id for person in linked.values()}
        for index, sight in enumerate(sights):
            linked[index].remember(frame, self._shot, sight)
            linked[index].met |= present - {linked[index].id}
        self._last = frame.rgb, faces, [(linked[index], face) for index, face in enumerate(faces)]
        return [(linked[index].id, face) for index, face in enumerate(faces)]

    @property
    def people(self) -> dict[int, SeenPerson]:
        """What is remembered of each person, by id; those who have been out of sight longest may be missing."""
        return {person.id: SeenPerson(tuple(person.textures), frozenset(person.met)) for person in self._people}

    def _link_by_place_and_looks(self, sights: Sequence[_Sight], time_s: float) -> dict[int, _Person]:
        """Link faces to people, the best fit first -> people by index of the face."""
        scores = [
            (score, index, person)
            for index, sight in enumerate(sights)
            for person in self._people
            if (score := self._score(person, sight, time_s)) is not None
        ]
        linked: dict[int, _Person] = {}
        taken: set[int] = set()
        for _, index, person in sorted(scores, key=lambda item: -item[0]):
            if index not in linked and person.id not in taken:
                linked[index] = person
                taken.add(person.id)
        return linked

    def _link_by_texture(self, sights: dict[int, _Sight], taken: set[int]) -> dict[int, _Person]:
        """Link faces in other light to people who are not there -> people by index of the face."""
        linked: dict[int, _Person] = {}
        for index, sight in sights.items():
            ranked = sorted(
                ((max(float(known @ sight.texture) for known in person.textures), person) for person in self._people),
                key=lambda pair: -pair[0],
            )
            if not ranked:
                continue
            (best, person), rest = ranked[0], ranked[1:]
            is_clear = not rest or best - rest[0][0] > TEXTURE_MARGIN
            if best > SAME_TEXTURE and is_clear and person.id not in taken:
                linked[index] = person
                taken.add(person.id)
        return linked

    def _score(self, person: _Person, sight: _Sight, time_s: float) -> float | None:
        """Score how well a face fits a person: above 1 by place, up to 1 by looks alone; None if it does not fit."""
        face, look = sight.face, sight.look
        similarity = person.compare(look)
        gap_s = time_s - person.last_s
        if person.shot == self._shot and gap_s <= MAX_GAP_S + 1e-6:
            size_px = (person.face.size_px + face.size_px) / 2
            distance = float(np.hypot(*np.subtract(face.centre_px, person.face.centre_px))) / size_px
            ratio = face.size_px / person.face.size_px
            reach, growth = 0.5 + gap_s, 1.4 + gap_s
            near = distance < reach and 1 / growth < ratio < growth
            # A hand or a turn changes the face, but not the hair, clothes and wall around it; someone else in the same
            # place, after a cut in front of one wall, changes both.
            overlap = box_iou(face.box_px, person.face.box_px) > 0.3
            hidden = overlap and similarity > _OTHER_LOOKS and person.has_same_surroundings(look)
            if near and (similarity > _LIKELY_LOOKS or hidden):
                return 2.0 + similarity - distance / reach
            if near and sight.is_covered:
                return 1.0 + max(0.0, similarity) - distance / reach
        if similarity > _SAME_LOOKS or (similarity > _LIKELY_LOOKS and person.has_same_surroundings(look)):
            return similarity
        return None

    def _add_person(self, frame: Frame, sight: _Sight) -> _Person:
        look = sight.look
        person = _Person(self._next_id, sight.face, self._shot, frame.time_s, look.chroma, look)
        self._next_id += 1
        if len(self._people) == _MAX_REMEMBERED:
            self._people.remove(min(self._people, key=lambda p: p.last_s))
        self._people.append(person)
        return person


def _correlate(first: _Appearance, second: _Appearance) -> float:
    """Correlate two faces, -1 to 1; if one of them has no contrast, enough for one in its place."""
    if not (first.structure.any() and second.structure.any()):
        return _FEATURELESS_LOOKS
    return float(first.structure @ second.structure)


def _describe(rgb: NDArray[np.uint8], face: Face) -> _Appearance:
    crop = align_face(rgb, face.landmarks_px, _LOOK_PX)
    # In 8 bits a and b are offset by 128; the crop's margins may show hair and background.
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)[_LOOK_PX // 4 : -_LOOK_PX // 6, _LOOK_PX // 4 : -_LOOK_PX // 4]
    chroma = np.asarray(lab[..., 1:].reshape(-1, 2).mean(axis=0), np.float32)
    view = crop_around(face.box_px, _SURROUNDINGS, rgb.shape[1], rgb.shape[0])
    part = rgb[view.top : view.bottom, view.left : view.right]
    part = cv2.resize(part, (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA)
    return _Appearance(_normalise(crop), _normalise(part), chroma)


def _normalise(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return grey levels (N,) minus their mean, scaled to unit length: the product of two is their correlation."""
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32).reshape(-1)
    grey = grey - grey.mean()
    return np.asarray(grey / (np.linalg.norm(grey) + 1e-6), np.float32)
