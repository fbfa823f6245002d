"""What a check of a dataset finds: typed, as JSON and on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from hicmae_cli.errors import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LISTED: Final = 20
"""Number of items or people that the screen shows of each kind; JSON has them all."""
_TEXT_WIDTH: Final = 100


@dataclass(frozen=True)
class Remark:
    """A remark about one item."""

    id: str
    text: str


@dataclass(frozen=True)
class FoldCheck:
    """One fold, as found and as published.

    Attributes:
        fold: its name; empty for a fixed split.
        train: number of training items.
        test: number of test items.
        published_train: the published number; None if there is none.
        published_test: the published number; None if there is none.
        train_is_same: whether ids and labels have the published hash; None if there is none.
        test_is_same: the same for the test items.
        labels_are_same: whether each label occurs as often as published; None if unknown.
        people_are_same: whether the numbers of people are as published; None if unknown.
        people_are_known: whether every item names its speaker.
        leaks: people in two parts, sorted; validation is the third part.
        leaks_allowed: why the published split has them; empty if they are a fault.
    """

    fold: str
    train: int
    test: int
    published_train: int | None
    published_test: int | None
    train_is_same: bool | None
    test_is_same: bool | None
    labels_are_same: bool | None
    people_are_same: bool | None
    people_are_known: bool
    leaks: tuple[str, ...]
    leaks_allowed: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it has no known fault."""
        return self.is_as_published and (not self.leaks or bool(self.leaks_allowed))

    @property
    def is_as_published(self) -> bool:
        """Whether counts, ids and labels equal the published ones, as far as these exist."""
        counts = self.published_train in (None, self.train) and self.published_test in (None, self.test)
        return counts and False not in (
            self.train_is_same,
            self.test_is_same,
            self.labels_are_same,
            self.people_are_same,
        )

    @property
    def is_published(self) -> bool:
        """Whether anything is published to compare it with."""
        return self.published_train is not None or self.people_are_same is not None

    @property
    def shared_people(self) -> str:
        """How many people are in two parts, in words."""
        if self.leaks:
            return str(len(self.leaks))
        return "none" if self.people_are_known else "unknown"


@dataclass(frozen=True)
class CheckReport:
    """The findings of a check.

    ``low_coverage``, ``gaps``, ``frame_rates``, ``doubtful`` and ``several_people`` are worth a look; all other remarks
    are faults.

    Attributes:
        dataset: its name.
        title: its title.
        items: number of items, by their names and annotations.
        excluded: number of clips that the dataset excludes by its protocol; they are not items.
        skipped: number of items that cannot be prepared.
        examined: number of items opened for this check; the results of the others were known.
        labels: items per label, in the order of the dataset.
        folds: each fold.
        missing: items without their files.
        broken: items that are unreadable or too short, or with audio and video of very different length.
        silent: items without sound, or with silence.
        faceless: items without a face in the video.
        low_coverage: prepared clips with the kept person's face in less than half of their frames.
        gaps: items whose audio and video differ by more than 0.1 s; for folders of pictures, those whose pictures and
            sound cannot cover the same time.
        doubtful: prepared clips of several people which may show another person than their label means: the largest
            face changes between people, or the kept person is in less than half of the frames.
        several_people: the other prepared clips of several people.
        frame_rates: items whose frame rate makes a window of counted frames differ by more than 10 % from 2.56 s, the
            length of a window by time.
    """

    dataset: str
    title: str
    items: int
    excluded: int
    skipped: int
    examined: int
    labels: dict[str, int]
    folds: tuple[FoldCheck, ...]
    missing: tuple[Remark, ...]
    broken: tuple[Remark, ...]
    silent: tuple[Remark, ...]
    faceless: tuple[Remark, ...]
    low_coverage: tuple[Remark, ...]
    gaps: tuple[Remark, ...]
    doubtful: tuple[Remark, ...] = ()
    several_people: tuple[Remark, ...] = ()
    frame_rates: tuple[Remark, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it found no fault."""
        return all(fold.is_good for fold in self.folds) and not (
            self.missing or self.broken or self.silent or self.faceless
        )

    @property
    def is_shortened(self) -> bool:
        """Whether the screen shows less than all."""
        return any(len(remarks) > LISTED for _, remarks, _ in self._list_remarks()) or any(
            len(fold.leaks) > LISTED for fold in self.folds
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON values; ``left_out`` is the former name of ``excluded``."""
        return {**asdict(self), "left_out": self.excluded, "is_good": self.is_good}

    def __str__(self) -> str:
        return render_text(self)

    def __rich__(self) -> RenderableType:
        from rich.console import Group

        return Group(*self._render())

    def _list_remarks(self) -> list[tuple[str, tuple[Remark, ...], bool]]:
        """Return titles and remarks, and whether the remarks are faults."""
        return [
            ("missing", self.missing, True),
            ("broken", self.broken, True),
            ("silent", self.silent, True),
            ("without a face", self.faceless, True),
            ("with few faces", self.low_coverage, False),
            ("with audio and video of different length", self.gaps, False),
            ("that may show the wrong person", self.doubtful, False),
            ("with more people than the one kept", self.several_people, False),
            ("with a frame rate at which counting frames and sampling by time differ", self.frame_rates, False),
        ]

    def _render(self) -> Iterator[RenderableType]:
        from rich.text import Text

        facts = f": {self.items} items, {self.examined} of them examined now"
        if self.excluded:
            facts += f" ({self.excluded} clips that the paper excludes are not items)"
        yield Text.assemble((self.title[:1].upper() + self.title[1:], "bold"), facts)
        if self.labels:
            yield Text(", ".join(f"{one_line(label)} {count}" for label, count in self.labels.items()))
        if self.folds:
            yield _render_folds(self.folds)
        for fold in self.folds:
            if fold.leaks:
                people = one_line(", ".join(fold.leaks[:LISTED])) + (" …" if len(fold.leaks) > LISTED else "")
                style = "yellow" if fold.leaks_allowed else "red"
                yield Text(f"people in more than one part of fold {fold.fold or 'fixed'}: {people}", style)
            if fold.leaks_allowed:
                yield Text(f"this is as published: {fold.leaks_allowed}", "yellow")
        for title, remarks, is_fault in self._list_remarks():
            if remarks:
                yield Text(f"{len(remarks)} {title}", "red" if is_fault else "yellow")
            for remark in remarks[:LISTED]:
                yield Text(f"  {one_line(f'{remark.id}: {remark.text}')}")
            if len(remarks) > LISTED:
                yield Text(f"  and {len(remarks) - LISTED} more")
        if self.skipped:
            yield Text(f"preparing will skip {self.skipped} of {self.items} items", "red")
        yield Text("no faults found", "green") if self.is_good else Text("faults found", "red")


def render_text(renderable: RenderableType) -> str:
    """Return a renderable as plain text, without cutting long lines."""
    from rich.console import Console

    console = Console(width=_TEXT_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable, soft_wrap=True)
    return capture.get().rstrip("\n")


def _render_folds(folds: tuple[FoldCheck, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    columns = _list_fold_columns(folds)
    for name, is_number, _ in columns:
        table.add_column(name, justify="right" if is_number else "left")
    for index, fold in enumerate(folds):
        table.add_row(*(Text(cells[index]) for _, _, cells in columns), style="" if fold.is_good else "red")
    return table


def _list_fold_columns(folds: tuple[FoldCheck, ...]) -> list[tuple[str, bool, list[str]]]:
    """Return name, whether it holds numbers, and cells of each column; published facts only if there are any."""

    def say(number: int | None) -> str:
        return "" if number is None else str(number)

    verdicts = ["" if not fold.is_published else "yes" if fold.is_as_published else "no" for fold in folds]
    columns = [
        ("fold", False, [one_line(fold.fold) or "fixed" for fold in folds]),
        ("train", True, [str(fold.train) for fold in folds]),
        ("published", True, [say(fold.published_train) for fold in folds]),
        ("test", True, [str(fold.test) for fold in folds]),
        ("published", True, [say(fold.published_test) for fold in folds]),
        ("as published", False, verdicts),
        ("shared people", False, [fold.shared_people for fold in folds]),
    ]
    return [column for column in columns if "published" not in column[0] or any(column[2])]
