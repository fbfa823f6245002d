"""Draw a prediction on the frames of its video: boxes, names, labels, bars, who speaks, the limits of the weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hicmae_cli.errors import one_line
from hicmae_cli.fonts import pillow_font
from hicmae_cli.report.palette import label_colours, to_rgb
from hicmae_cli.report.stretches import Stretches
from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import Speech
from hicmae_cli.timeline import Timeline, make_timelines

_HELD_S: Final = 0.25  # after the last sampled picture with the face
_JOINED_S: Final = 0.7  # between two sampled pictures with the face
_BARS: Final = 3
_NAME_LETTERS: Final = 24
_PAPER: Final = (18, 21, 25, 205)
_INK, _SOFT, _RAIL, _SPEAKS = (236, 234, 228, 255), (176, 184, 194, 255), (70, 77, 87, 255), (134, 189, 240, 255)
_OTHER: Final = (163, 171, 181)
_CACHED: Final = 64  # panels; one changes about every half second

Picture: TypeAlias = NDArray[np.uint8]
Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom edge in pixels."""


@dataclass(frozen=True, eq=False)
class _Person:
    """A track, ready to draw."""

    track: Track
    timeline: Timeline
    stretches: Stretches
    times_s: NDArray[np.float64]
    boxes: NDArray[np.float64]


class Overlay:
    """Draws on frames of one file.

    Args:
        file: a result with tracks.
        settings: of the prediction.
        caption: a line for the bottom of the picture.
        width_px: of the frames.
        height_px: of the frames.
    """

    def __init__(
        self, file: FileResult, settings: PredictSettings, caption: str, width_px: int, height_px: int
    ) -> None:
        self._scale = width_px / (file.width_px or width_px)
        self._font_px = max(12, round(min(width_px, height_px) / 36))
        self._line_px = max(2, round(min(width_px, height_px) / 270))
        self._caption = one_line(caption)
        known = zip(file.tracks, make_timelines(file, settings), strict=True)
        self._people = [_prepare(track, timeline, file.speech) for track, timeline in known]
        self._sides: dict[int, int] = {}
        names = self._people[0].timeline.names
        colours = label_colours(names)
        self._colours = {name: to_rgb(colour.dark) for name, colour in zip(names, colours, strict=True)}
        self._panel = lru_cache(_CACHED)(self._make_panel)

    def draw(self, picture: Picture, time_s: float) -> None:
        """Draw on a picture (H, W, 3) what is known about a time on the file's clock."""
        shown: list[tuple[int, int, Box]] = []
        for place, person in enumerate(self._people):
            at = int(np.searchsorted(person.stretches.edges_s, time_s, side="right")) - 1
            if not 0 <= at < len(person.stretches.means) or math.isnan(person.stretches.means[at, 0]):
                continue
            seen = _box_at(person, time_s)
            if person.track.id == VOICE_TRACK:
                _paste(picture, self._panel(place, at), self._font_px, self._font_px)
            elif seen is not None:
                left, top, right, bottom = (round(number * self._scale) for number in seen.tolist())
                shown.append((place, at, (left, top, right, bottom)))
        taken = [box for _, _, box in shown]
        for place, at, box in shown:
            _frame(picture, box, self._colour_at(self._people[place], at), self._line_px)
        for place, at, box in shown:
            panel = self._panel(place, at)
            x, y = self._find_place(place, panel, box, picture, taken)
            _paste(picture, panel, x, y)
            taken.append((x, y, x + panel.shape[1], y + panel.shape[0]))
        line = _write_line(f"{_clock(time_s)}   {self._caption}", self._font_px, picture.shape[1])
        _paste(picture, line, 0, picture.shape[0] - line.shape[0])

    def _colour_at(self, person: _Person, at: int) -> tuple[int, int, int]:
        edges_s = person.stretches.edges_s
        episode = person.timeline.episode_at(float(edges_s[at] + edges_s[at + 1]) / 2)
        return self._colours[episode.labels[0]] if episode and episode.labels else _OTHER

    def _find_place(
        self, place: int, panel: Picture, box: Box, picture: Picture, taken: Sequence[Box]
    ) -> tuple[int, int]:
        """Return the left and top edge of a panel: beside, below or above the face, where nothing else is.

        The side stays the one of the frame before as long as it is free, so that the panel does not flicker.
        """
        left, top, right, bottom = box
        height, width = panel.shape[:2]
        most_x, most_y = max(0, picture.shape[1] - width), max(0, picture.shape[0] - height - 2 * self._font_px)
        gap = 2 * self._line_px
        sides = [(right + gap, top), (left - gap - width, top), (left, bottom + gap), (left, top - gap - height)]
        order = sorted(range(len(sides)), key=lambda side: side != self._sides.get(place))

        def is_free(side: int) -> bool:
            x, y = sides[side]
            return (
                0 <= x <= most_x
                and 0 <= y <= most_y
                and not any(_overlap((x, y, x + width, y + height), each) for each in taken)
            )

        self._sides[place] = next(filter(is_free, order), order[0])
        x, y = sides[self._sides[place]]
        return min(max(0, x), most_x), min(max(0, y), most_y)

    def _make_panel(self, place: int, at: int) -> Picture:
        """Return the panel (H, W, 4) of a person in a stretch: name, speech, and the largest numbers."""
        person = self._people[place]
        edges_s, numbers = person.stretches.edges_s, person.stretches.means[at]
        episode = person.timeline.episode_at(float(edges_s[at] + edges_s[at + 1]) / 2)
        is_value = person.timeline.task == "regression"
        order = range(len(numbers)) if is_value else np.argsort(-numbers, kind="stable").tolist()
        shown = [(person.timeline.names[i], float(numbers[i])) for i in list(order)[: _BARS + 1 if is_value else _BARS]]
        unit = self._font_px
        width, height = 13 * unit, round((1.9 + 1.35 * len(shown)) * unit)
        image = Image.new("RGBA", (width, height))
        draw = ImageDraw.Draw(image)
        draw.rounded_rectangle((0, 0, width - 1, height - 1), unit // 2, _PAPER)
        name = _shorten(person.timeline.name)
        draw.text((unit * 0.6, unit * 0.45), name, _INK, pillow_font(name, unit))
        _draw_speech(draw, person.stretches.speakers[at], width, unit)
        labels = episode.labels if episode else ()
        for row, (label, number) in enumerate(shown):
            top = round((1.8 + 1.35 * row) * unit)
            ink = _INK if label in labels or is_value else _SOFT
            text, value = _shorten(label), f"{number:.2f}" if is_value else f"{number:.0%}"
            draw.text((unit * 0.6, top), text, ink, pillow_font(text, round(unit * 0.9)))
            font = pillow_font(value, round(unit * 0.9))
            draw.text((width - unit * 0.6 - font.getlength(value), top), value, ink, font)
            if not is_value:
                left, right = unit * 6.6, width - unit * 3.2
                middle = top + unit * 0.6
                ends = (left + (right - left) * min(1.0, max(0.0, number)), right)
                draw.rectangle((left, middle - unit * 0.2, ends[1], middle + unit * 0.2), _RAIL)
                draw.rectangle((left, middle - unit * 0.2, ends[0], middle + unit * 0.2), self._colours[label])
        return np.asarray(image)


def _prepare(track: Track, timeline: Timeline, speech: Sequence[Speech] | None) -> _Person:
    by_time: dict[float, FaceBox] = {box.time_s: box for window in track.windows for box in window.boxes}
    rows = [(b.time_s, b.x_px, b.y_px, b.x_px + b.width_px, b.y_px + b.height_px) for b in by_time.values()]
    table = np.array(sorted(rows), np.float64).reshape(-1, 5)
    table = table[np.isfinite(table).all(axis=1) & (np.abs(table) < 1e6).all(axis=1)]
    return _Person(track, timeline, Stretches.of(track, timeline, speech), table[:, 0], table[:, 1:])


def _box_at(person: _Person, time_s: float) -> NDArray[np.float64] | None:
    """Return left, top, right and bottom at a time, on a line between two sampled pictures; None if not seen."""
    after = int(np.searchsorted(person.times_s, time_s, side="right"))
    before = after - 1
    if before < 0:
        return None
    row: NDArray[np.float64] = person.boxes[before]
    start_s = person.times_s[before]
    if after < len(person.times_s) and person.times_s[after] - start_s <= _JOINED_S:
        share = (time_s - start_s) / (person.times_s[after] - start_s)
        between: NDArray[np.float64] = row + share * (person.boxes[after] - row)
        return between
    return row if time_s - start_s <= _HELD_S else None


def _frame(picture: Picture, box: Box, colour: tuple[int, int, int], line_px: int) -> None:
    """Draw a box with a dark rim, to be seen on any picture."""
    left, top, right, bottom = box
    for thickness, shade in ((line_px + 2, (0, 0, 0)), (line_px, colour)):
        cv2.rectangle(picture, (left, top), (right, bottom), shade, thickness, cv2.LINE_AA)


def _draw_speech(draw: ImageDraw.ImageDraw, answer: str | None, width: int, unit: int) -> None:
    """Write who speaks in the corner of a panel: a dot and a word for yes, a ring for unsure, nothing for no."""
    if answer not in ("yes", "unsure"):
        return
    word = "speaks" if answer == "yes" else "speaks?"
    font = pillow_font(word, round(unit * 0.85))
    left = width - unit * 0.6 - font.getlength(word)
    draw.text((left, unit * 0.55), word, _SPEAKS, font)
    dot = (left - unit * 0.8, unit * 0.8, left - unit * 0.3, unit * 1.3)
    draw.ellipse(dot, fill=_SPEAKS if answer == "yes" else None, outline=_SPEAKS, width=max(1, unit // 10))


def _write_line(text: str, unit: int, width: int) -> Picture:
    """Return a strip (H, W, 4) with a line of text."""
    image = Image.new("RGBA", (width, round(unit * 1.6)), _PAPER)
    size = round(unit * 0.85)
    ImageDraw.Draw(image).text((unit * 0.6, unit * 0.25), text, _INK, pillow_font(text, size))
    return np.asarray(image)


def _paste(picture: Picture, panel: Picture, x: int, y: int) -> None:
    """Blend a panel (H, W, 4) into a picture; what is outside is cut off."""
    part = picture[y : y + panel.shape[0], x : x + panel.shape[1]]
    cut = panel[: part.shape[0], : part.shape[1]].astype(np.uint16)
    opacity = cut[:, :, 3:]
    part[:] = (cut[:, :, :3] * opacity + part * (255 - opacity)) // 255


def _overlap(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _shorten(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= _NAME_LETTERS else f"{text[: _NAME_LETTERS - 1]}…"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(math.floor(time_s * 10) / 10, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"
