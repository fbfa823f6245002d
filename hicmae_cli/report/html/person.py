"""One person of a report: the numbers to draw, ready for the page and for its script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.report.html.markup import clock, percent
from hicmae_cli.report.palette import Colour, label_colours
from hicmae_cli.report.stretches import Stretches, thin
from hicmae_cli.runtime.outputs import Scores
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import NOBODY
from hicmae_cli.timeline import Timeline, make_timelines
from hicmae_cli.weights.info import WeightInfo

MOST_LANES: Final = 12
"""More labels than this would hide each other; the others are summed up in words."""
MOST_NUMBERS: Final = 400_000
"""Numbers that a page holds, of all people and labels together: about 2 MB of text."""
_OTHER_COLUMNS: Final = 4  # of a stretch: its start, the face, the streams, who speaks
MOST_EPISODES: Final = 20_000
"""Episodes of all people together that the page's script draws; the longest ones."""
_WHOLE_S: Final = 0.1  # less than this is missing from a file that was analysed as a whole
_MODALITY_CODES: Final = {"av": "b", "video": "f", "audio": "v"}
_SPEAKER_CODES: Final = {"yes": "y", "no": "n", "unsure": "u", None: "-"}


@dataclass(frozen=True, eq=False)
class Lane:
    """One label or target, the same for all people.

    Attributes:
        name: of the label or target.
        index: its place among the model's outputs.
        colour: of its drawings.
        low: number at the bottom of its drawings.
        high: number at their top.
    """

    name: str
    index: int
    colour: Colour
    low: float = 0.0
    high: float = 1.0

    def heights(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale the numbers of this lane (G, C) to heights (G,), 0 to 1; NaN stays."""
        spread = self.high - self.low
        numbers: NDArray[np.float64] = means[:, self.index]
        return (numbers - self.low) / spread if spread > 0 else numbers * 0 + 0.5


@dataclass(frozen=True, eq=False)
class Person:
    """One track of the file.

    Attributes:
        number: its place in the page, from 0.
        track: the windows.
        timeline: the numbers at every moment, episodes and gaps.
        stretches: what the drawings show.
    """

    number: int
    track: Track
    timeline: Timeline
    stretches: Stretches

    @property
    def name(self) -> str:
        """The name to show; no two people have the same."""
        return self.timeline.name

    @property
    def scores(self) -> Scores:
        """The mean over the windows: the numbers that the terminal and the JSON show."""
        return self.track.scores

    @property
    def is_voice(self) -> bool:
        """Whether it is the sound of windows without a face."""
        return self.track.id == VOICE_TRACK

    @property
    def chance(self) -> float | None:
        """Mean probability of a label if the model knew nothing; None if the probabilities do not sum to one."""
        return 1 / len(self.scores.by_name) if self.timeline.task == "classification" else None

    @property
    def length_s(self) -> float:
        """Seconds of the part of the file that was analysed."""
        return self.timeline.end_s - self.timeline.start_s

    @property
    def speaks_s(self) -> float | None:
        """Seconds in which the person speaks; None if nobody tested it."""
        turns = self.timeline.turns
        return None if turns is None else sum(turn.end_s - turn.start_s for turn in turns)

    def led_by(self, name: str) -> NDArray[np.bool_]:
        """Return in which stretches (G,) a label is the predicted one, or is in the predicted set."""
        edges_s = self.stretches.edges_s
        led = np.zeros(len(edges_s) - 1, np.bool_)
        for episode in self.timeline.episodes:
            if name in episode.labels:
                first, last = np.searchsorted(edges_s, [episode.start_s, episode.end_s])
                led[first:last] = True
        return led


def list_people(file: FileResult, settings: PredictSettings) -> tuple[Person, ...]:
    """Collect the people of a file that has tracks, the sound last."""
    known = sorted(
        zip(file.tracks, make_timelines(file, settings), strict=True), key=lambda pair: pair[0].id == VOICE_TRACK
    )
    return tuple(
        Person(number, track, timeline, Stretches.of(track, timeline, file.speech))
        for number, (track, timeline) in enumerate(known)
    )


def list_off_screen(file: FileResult) -> list[tuple[float, float]]:
    """List start and end (s) of each stretch of a voice that is of nobody in view."""
    return [(each.start_s, each.end_s) for each in file.speech or () if each.speaker == NOBODY]


def describe_part(file: FileResult, timeline: Timeline) -> str:
    """Return which part of a file was analysed, with its share; nothing for the whole file."""
    length_s = timeline.end_s - timeline.start_s
    if not file.duration_s or length_s > file.duration_s - _WHOLE_S:
        return ""
    share = percent(length_s / file.duration_s)
    return f"analysed {clock(timeline.start_s)}\N{EN DASH}{clock(timeline.end_s)} ({share})"


def list_lanes(people: Sequence[Person], info: WeightInfo) -> tuple[Lane, ...]:
    """Choose what is drawn: every label or, of many, those with the largest means, in the order of the outputs."""
    colours = label_colours(info.labels)
    chosen: Sequence[int] = range(len(info.labels))
    if len(chosen) > MOST_LANES:
        highest = np.max([[p.scores.by_name[name] for name in info.labels] for p in people], axis=0)
        chosen = sorted(np.argsort(-highest, kind="stable")[:MOST_LANES].tolist())
    lanes = []
    for index in chosen:
        low, high = 0.0, 1.0
        if info.task == "regression":
            numbers = np.concatenate([person.stretches.means[:, index] for person in people])
            low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        lanes.append(Lane(info.labels[index], index, colours[index], low, high))
    return tuple(lanes)


def thinning(people: Sequence[Person], lanes: Sequence[Lane]) -> int:
    """Return how many stretches of a person a page holds; the script draws no more detail than this."""
    return max(1000, MOST_NUMBERS // (len(people) * (len(lanes) + _OTHER_COLUMNS)))


def to_data(
    people: Sequence[Person],
    lanes: Sequence[Lane],
    span_s: tuple[float, float],
    off_screen_s: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    """Return what the page's script draws and shows.

    Times are in milliseconds, probabilities in ten-thousandths and values as they are; -1 and null are gaps.
    """
    is_probability = people[0].timeline.task != "regression"
    return {
        "start": round(span_s[0] * 1000),
        "end": round(span_s[1] * 1000),
        "lanes": [[lane.name, lane.low, lane.high] for lane in lanes],
        "probability": is_probability,
        "off": [[round(start_s * 1000), round(end_s * 1000)] for start_s, end_s in off_screen_s],
        "people": [
            _person_data(person, lanes, thinning(people, lanes), MOST_EPISODES // len(people)) for person in people
        ],
    }


def _person_data(person: Person, lanes: Sequence[Lane], most: int, most_episodes: int) -> dict[str, Any]:
    stretches, is_probability = person.stretches, person.timeline.task != "regression"
    columns = np.column_stack([stretches.means, stretches.face_seen])
    edges_s, numbers = thin(stretches.edges_s, columns, most)
    starts = np.searchsorted(stretches.edges_s, (edges_s[:-1] + edges_s[1:]) / 2, "right") - 1
    windows = [stretches.windows[at] for at in starts]
    longest = sorted(person.timeline.episodes, key=lambda e: e.start_s - e.end_s)[:most_episodes]
    episodes = sorted(longest, key=lambda e: e.start_s)
    names = {lane.name: place for place, lane in enumerate(lanes)}
    return {
        "name": person.name,
        "t": np.round(edges_s * 1000).astype(int).tolist(),
        "n": [list(_encode(numbers[:, lane.index], is_probability)) for lane in lanes],
        "seen": np.round(numbers[:, -1] * 100).astype(int).tolist(),
        "moved": {
            stream: [None if each != each else round(100 * each) for each in effects[starts].tolist()]
            for stream in ("face", "voice")
            if not np.isnan(effects := stretches.effects_of(stream)).all()
        },
        "by": "".join("-" if w is None else _MODALITY_CODES.get(w.modality, "?") for w in windows),
        "speaks": "".join(_SPEAKER_CODES[stretches.speakers[at]] for at in starts),
        "spans": [
            [round(a * 1000), round(b * 1000), _SPEAKER_CODES[answer]] for a, b, answer in stretches.join_speakers()
        ],
        "episodes": [
            [round(e.start_s * 1000), round(e.end_s * 1000), [names[n] for n in e.labels if n in names], e.label or ""]
            for e in episodes
        ],
        "gaps": [[round(g.start_s * 1000), round(g.end_s * 1000), g.reason] for g in person.timeline.gaps],
    }


def _encode(numbers: NDArray[np.float64], is_probability: bool) -> Iterator[float | int | None]:
    for number in numbers.tolist():
        if is_probability:
            yield -1 if number != number else round(number * 10_000)
        else:
            yield None if number != number else float(f"{number:.6g}")
