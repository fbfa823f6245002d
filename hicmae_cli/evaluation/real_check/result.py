"""The result of a check: every score, what must hold, and both as a document, as tables and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hicmae_cli.errors import one_line
from hicmae_cli.evaluation.intervals import DRAWS
from hicmae_cli.evaluation.real_check.measures import AROUSAL, Measure
from hicmae_cli.evaluation.real_check.scores import CalibrationScores, Confusion, FaceScores, PairScores, VoiceScores
from hicmae_cli.evaluation.real_check.smiles import SmileScores
from hicmae_cli.report.grid import Grid
from hicmae_cli.weights.info import WeightInfo

SCHEMA: Final = "hicmae.real-check/1"
_NOTHING: Final = "-"
_MOST_LABELS: Final = 14


@dataclass(frozen=True)
class Judge:
    """A row of the table that compares judges.

    Attributes:
        name: its name.
        kind: ``weight``, ``peer`` or ``baseline``.
        faces: scores on photos; empty if it has judged none.
        voices: UAR on voices; None if it has judged none.
    """

    name: str
    kind: Literal["weight", "peer", "baseline"]
    faces: tuple[FaceScores, ...] = ()
    voices: Measure | None = None

    def find(self, photos: str) -> FaceScores | None:
        """Find the scores on some of the photos."""
        return next((scores for scores in self.faces if scores.photos == photos), None)

    def measure(self, photos: str, choice: Literal["two", "four"]) -> Measure | None:
        """Find one score on some of the photos; None if it was not measured."""
        scores = self.find(photos)
        if scores is None:
            return None
        return scores.two if choice == "two" else scores.four

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "name": self.name,
            "kind": self.kind,
            "faces": [scores.to_dict() for scores in self.faces],
            "voices": None if self.voices is None else self.voices.to_dict(),
        }


@dataclass(frozen=True)
class Requirement:
    """A bound that a default weight must hold.

    Attributes:
        name: what is bounded.
        bound: the smallest value, or the largest one if ``largest``.
        measured: the score; None if the folders do not allow it.
        goal: the value to aim for; None without one.
        largest: whether the bound is an upper one.
    """

    name: str
    bound: float
    measured: Measure | None
    goal: float | None = None
    largest: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the score holds the bound; None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured.value <= self.bound if self.largest else self.measured.value >= self.bound

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "name": self.name,
            "bound": self.bound,
            "is_upper_bound": self.largest,
            "goal": self.goal,
            "measured": None if self.measured is None else self.measured.to_dict(),
            "met": self.is_met,
        }


@dataclass(frozen=True)
class RealCheck:
    """How well a weight judges photos of faces and acted voices, beside other judges.

    Attributes:
        weights: the weight, as the user named it.
        info: its metadata.
        engine: name of the engine.
        rule: which people were tested, in words.
        judges: the weight, then peers and baselines.
        choices: choices on photos among all labels of the weight; None without photos.
        shares: mean probability of disgust and fear on photos of happiness and neutral.
        voices: scores on voices; None without voices.
        pairs: scores on pairs; None unless there are both.
        smiles: scores on people who smile for a while, in all photos and in clear ones; empty if nobody has the photos.
        calibration: calibration errors.
        warnings: what makes the scores doubtful.
        decisions: file -> probabilities of the weight, in the order of its labels.
    """

    weights: str
    info: WeightInfo
    engine: str
    rule: str
    judges: tuple[Judge, ...]
    choices: Confusion | None = None
    shares: Mapping[str, Measure] | None = None
    voices: VoiceScores | None = None
    pairs: PairScores | None = None
    smiles: tuple[SmileScores, ...] = ()
    calibration: tuple[CalibrationScores, ...] = ()
    warnings: tuple[str, ...] = ()
    decisions: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What must hold."""
        own = self.judges[0]
        voices, pairs = self.voices, self.pairs
        changes = {change.change: change.cost for change in voices.changes} if voices else {}
        return (
            Requirement("happy or neutral, all photos", 0.89, own.measure("all", "two"), 0.906),
            Requirement("happy or neutral, clear photos", 0.94, own.measure("clear", "two"), 0.951),
            Requirement("UAR of four, all photos", 0.71, own.measure("all", "four"), 0.732),
            Requirement("UAR of four, clear photos", 0.76, own.measure("clear", "four"), 0.814),
            Requirement("UAR of voices", 0.68, voices.uar if voices else None),
            Requirement("rank correlation of arousal", 0.79, voices.arousal if voices else None),
            *(
                Requirement(f"UAR lost: {name}", 0.1, changes.get(name), largest=True)
                for name in ("12 dB louder", "12 dB quieter", "telephone band", "20 dB babble")
            ),
            Requirement("gain of face and voice over the better one", 0.05, pairs.gain if pairs else None),
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; it names no person but the speakers of the voices."""
        own = self.judges[0]
        return {
            "schema": SCHEMA,
            "weights": {"name": self.weights, "dataset": self.info.dataset, "labels": list(self.info.labels)},
            "engine": self.engine,
            "rule": self.rule,
            "intervals": {"level": 0.95, "draws": DRAWS, "resampled": "people"},
            "judges": [judge.to_dict() for judge in self.judges],
            "faces": None
            if self.choices is None
            else {
                "scores": [scores.to_dict() for scores in own.faces],
                "confusion": self.choices.to_dict(),
                "shares": {label: measure.to_dict() for label, measure in (self.shares or {}).items()},
            },
            "voices": None if self.voices is None else self.voices.to_dict(),
            "pairs": None if self.pairs is None else self.pairs.to_dict(),
            "smiles": [scores.to_dict() for scores in self.smiles],
            "calibration": [scores.to_dict() for scores in self.calibration],
            "requirements": [requirement.to_dict() for requirement in self.requirements],
            "warnings": list(self.warnings),
        }

    def grids(self) -> list[Grid]:
        """Make the tables."""
        grids = [self._compare_judges()]
        if self.choices is not None:
            grids += [self._list_photos(), *_show_confusion("photos, choice among all labels", self.choices)]
        if self.shares:
            grids.append(
                Grid(
                    "mean probability on photos of happiness and neutral",
                    ("label", "probability", "photos"),
                    tuple((label, str(measure), str(measure.n)) for label, measure in self.shares.items()),
                )
            )
        if self.voices is not None:
            grids += [
                _list_voices(self.voices),
                *_show_confusion("voices, choice among all labels", self.voices.confusion),
            ]
        if self.pairs is not None:
            grids.append(_list_pairs(self.pairs))
        if self.smiles:
            grids.append(_list_smiles(self.smiles))
        if self.calibration:
            grids.append(self._list_errors())
        return [*grids, self._list_requirements()]

    def to_markdown(self) -> str:
        """Make a page of all tables."""
        lines = [f"# Check on real people: {one_line(self.weights)}", "", f"{self.rule}.", ""]
        for warning in self.warnings:
            lines += [f"> **Warning:** {one_line(warning)}.", ""]
        for grid in self.grids():
            lines += [one_line(line) for line in grid.to_section()]
        ratings = ", ".join(f"{label} {rating:g}" for label, rating in AROUSAL.items())
        lines += [
            f"In brackets: 95 % intervals, percentile bootstrap over people, {DRAWS} resamples; over files if all are "
            "of one person.",
            "",
            f"Arousal of each emotion: {ratings}.",
            "",
        ]
        return "\n".join(lines)

    def _compare_judges(self) -> Grid:
        def row(judge: Judge) -> tuple[str, ...]:
            return (
                judge.name,
                _show(judge.measure("all", "two")),
                _show(judge.measure("clear", "two")),
                _show(judge.measure("all", "four")),
                _show(judge.measure("clear", "four")),
                _show(judge.voices),
            )

        return Grid(
            "judges",
            ("judge", "happy or neutral", "the same, clear", "UAR of four", "the same, clear", "UAR of voices"),
            tuple(map(row, self.judges)),
        )

    def _list_photos(self) -> Grid:
        return Grid(
            "photos, by group",
            ("photos", "happy or neutral", "UAR of four", "photos of each"),
            tuple(
                (
                    scores.photos,
                    _show(scores.two),
                    _show(scores.four),
                    ", ".join(f"{label} {count}" for label, count in scores.counts.items()),
                )
                for scores in self.judges[0].faces
            ),
        )

    def _list_errors(self) -> Grid:
        return Grid(
            "calibration error",
            ("files", "n", "before", "after", "temperature"),
            tuple(
                (
                    row.files,
                    str(row.before.n),
                    str(row.before),
                    _show(row.after),
                    _NOTHING if row.temperature is None else f"{row.temperature:.2f}",
                )
                for row in self.calibration
            ),
        )

    def _list_requirements(self) -> Grid:
        words = {True: "yes", False: "NO", None: "not measured"}
        return Grid(
            "must hold",
            ("what", "bound", "goal", "measured", "holds"),
            tuple(
                (
                    each.name,
                    f"{'at most' if each.largest else 'at least'} {each.bound:.2f}",
                    _NOTHING if each.goal is None else f"{each.goal:.3f}",
                    _show(each.measured),
                    words[each.is_met],
                )
                for each in self.requirements
            ),
        )


def _show(measure: Measure | None) -> str:
    return _NOTHING if measure is None else str(measure)


def _show_confusion(title: str, confusion: Confusion) -> list[Grid]:
    if len(confusion.columns) > _MOST_LABELS:
        return []
    rows = tuple((name, *map(str, row)) for name, row in zip(confusion.rows, confusion.counts, strict=True))
    return [Grid(title, ("true label", *confusion.columns), rows)]


def _list_voices(voices: VoiceScores) -> Grid:
    rows = [
        (f"UAR of {len(voices.labels)} labels", voices.uar, None),
        *((f"speaker {name}", measure, None) for name, measure in voices.speakers.items()),
        *((change.change, change.uar, change.cost) for change in voices.changes),
        ("rank correlation of arousal", voices.arousal, None),
    ]
    return Grid(
        "voices",
        ("what", "score", "UAR lost", "n"),
        tuple((name, str(measure), _show(cost), str(measure.n)) for name, measure, cost in rows),
    )


def _list_pairs(pairs: PairScores) -> Grid:
    rows = (("face alone", pairs.face), ("voice alone", pairs.voice), ("both", pairs.both))
    gain = (f"both above the {pairs.better}", pairs.gain)
    return Grid(
        f"pairs of a face and a voice, {pairs.draws} draws",
        ("streams", "UAR", "n"),
        tuple((name, str(measure), str(measure.n)) for name, measure in (*rows, gain)),
    )


def _list_smiles(smiles: Sequence[SmileScores]) -> Grid:
    rows = [
        (scores.photos, what, str(measure), str(measure.n))
        for scores in smiles
        for what, measure in (
            ("told in this order", scores.in_order),
            ("happiness more probable in the middle than before and after", scores.happiest),
        )
    ]
    return Grid("photos in time: neutral, happy, neutral", ("photos", "what", "share of people", "people"), tuple(rows))
