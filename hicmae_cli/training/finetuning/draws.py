"""Which clips an epoch takes: each clip once, or draws by source, label and person. Letter: N clips of the list."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import format_target
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.order import epoch_order

SOURCE: Final = "source"
"""Column of a manifest with the corpus that a clip comes from."""


class EpochClips(NamedTuple):
    """The clips of one epoch, in order.

    Attributes:
        rows: index of the clip at each place of the epoch.
        repeats: whether a clip may come more than once.
    """

    rows: list[int]
    repeats: bool = False

    @property
    def keys(self) -> Sequence[int]:
        """What batches list: clips, or the places of an epoch that repeats clips."""
        return range(len(self.rows)) if self.repeats else self.rows

    @property
    def row_of_key(self) -> Sequence[int] | None:
        """Clip at each place, if ``keys`` are places; None if they are clips."""
        return self.rows if self.repeats else None


class _Cell(NamedTuple):
    """Clips that share a number of draws: those of a source, or of a label in it.

    Attributes:
        rows: indices of the clips (K,).
        groups: number of each clip's person and label (K,), from 0.
        draws: how many draws of an epoch the cell gets on average.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    draws: float


@dataclass(frozen=True)
class EpochSampler:
    """Draws the clips of every epoch; each draw follows from the seed and the epoch.

    Attributes:
        count: N, the number of clips in the list.
        seed: of all draws.
        size: number of clips of an epoch.
        cap: the most draws of one person with one label, where there are enough others; 0 for no limit.
        cells: the clips by source and label; none if each epoch takes each clip once.
    """

    count: int
    seed: int
    size: int
    cap: int = 0
    cells: tuple[_Cell, ...] = ()

    @classmethod
    def plan(cls, samples: Sequence[Sample], settings: FinetuneSettings) -> EpochSampler:
        """Plan the epochs of a run, as its recipe says.

        Raises:
            SettingsError: ``source_shares`` names other sources than the list has.
            ManifestError: the list has no column ``source``, but ``source_shares`` needs it.
        """
        if not settings.draws_clips:
            return cls(len(samples), settings.seed, len(samples))
        size = settings.epoch_clips or len(samples)
        return cls(len(samples), settings.seed, size, settings.person_cap, _list_cells(samples, settings, size))

    def draw(self, epoch: int) -> EpochClips:
        """Draw the clips of an epoch; every process gets the same ones.

        Within a source (and label), no clip comes twice before each has come once, except for the persons' cap.
        """
        if not self.cells:
            return EpochClips(epoch_order(self.count, self.seed, epoch))
        rng = np.random.default_rng([self.seed, epoch])
        counts = _round_draws([cell.draws for cell in self.cells], rng)
        drawn = [_draw_from(cell, count, self.cap, rng) for cell, count in zip(self.cells, counts, strict=True)]
        return EpochClips(rng.permutation(np.concatenate(drawn)).tolist(), repeats=True)

    def mean_draws(self) -> NDArray[np.float64]:
        """Return how often each clip is drawn in an epoch on average (N,), without regard to the persons' cap."""
        draws = np.ones(self.count)
        for cell in self.cells:
            draws[cell.rows] = cell.draws / len(cell.rows)
        return draws


def name_source(sample: Sample) -> str:
    """Return the source of a clip; empty if the manifest names none."""
    return sample.extra.get(SOURCE, "").strip()


def keep_sources(samples: Sequence[Sample], shares: Mapping[str, float]) -> list[Sample]:
    """Return the clips without those of sources whose share is 0."""
    return [sample for sample in samples if shares.get(name_source(sample), 1.0) > 0]


def _list_cells(samples: Sequence[Sample], settings: FinetuneSettings, size: int) -> tuple[_Cell, ...]:
    sources = [name_source(sample) for sample in samples]
    found = Counter(sources)
    shares: Mapping[str, float] = settings.source_shares
    if shares:
        _check_shares(shares, found)
    else:
        shares = {source: count / len(samples) for source, count in found.items()}
    regression = any(isinstance(sample.target, tuple) for sample in samples)
    # The values of a regression are no classes: a person's cap then counts all clips.
    labels = ["" if regression else format_target(sample.target) for sample in samples]
    by_label = settings.balance != "none"
    weigh: Callable[[int], float] = math.sqrt if settings.balance == "root" else lambda _: 1.0
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (source, label) in enumerate(zip(sources, labels, strict=True)):
        rows.setdefault((source, label if by_label else ""), []).append(row)
    weights: dict[str, float] = defaultdict(float)
    for (source, _), indices in rows.items():
        weights[source] += weigh(len(indices))
    numbers: dict[tuple[bool, str, str], int] = {}
    groups = [
        # A clip of nobody in particular counts as a person of its own.
        numbers.setdefault((bool(sample.speaker), sample.speaker or sample.id, label), len(numbers))
        for sample, label in zip(samples, labels, strict=True)
    ]
    return tuple(
        _Cell(
            np.array(indices),
            np.unique([groups[row] for row in indices], return_inverse=True)[1],
            size * shares[source] * weigh(len(indices)) / weights[source],
        )
        for (source, _), indices in sorted(rows.items())
    )


def _check_shares(shares: Mapping[str, float], found: Mapping[str, int]) -> None:
    """Check that the recipe shares an epoch among the sources of the list."""
    if set(found) == {""}:
        raise ManifestError(f"source_shares: the training clips have no column {SOURCE}; add it, or set no shares")
    if absent := sorted(source for source, share in shares.items() if share > 0 and source not in found):
        raise SettingsError(
            f"source_shares: there are no training clips of {', '.join(absent)}; there are some of "
            f"{', '.join(sorted(found))}"
        )
    if unnamed := sorted(set(found) - set(shares)):
        raise SettingsError(
            f"source_shares: has no share for {', '.join(name or 'clips without a source' for name in unnamed)}; "
            "give each source of the training clips its share, or 0 to skip it"
        )


def _round_draws(draws: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Round numbers of draws to whole ones with the same sum; each is exact on average (systematic sampling)."""
    # Sums of shares such as 0.1 miss whole numbers by a rounding error.
    ends = np.round(np.cumsum(draws), 6)
    found: list[int] = np.diff(np.floor(ends + rng.random()), prepend=0).astype(int).tolist()
    return found


def _draw_from(cell: _Cell, count: int, cap: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw clips of a cell (count,): whole passes in random order, in which persons at their cap are skipped."""
    if not cap:
        passes = [rng.permutation(cell.rows) for _ in range(math.ceil(count / len(cell.rows)))]
        return np.concatenate([cell.rows[:0], *passes])[:count]
    groups = int(cell.groups.max()) + 1
    # With fewer people than the draws need, all are drawn equally often.
    limit = max(cap, math.ceil(count / groups))
    times = np.zeros(groups, int)
    drawn: list[int] = []
    while len(drawn) < count:
        for place in rng.permutation(len(cell.rows)):
            if len(drawn) < count and times[cell.groups[place]] < limit:
                times[cell.groups[place]] += 1
                drawn.append(int(cell.rows[place]))
    return np.array(drawn, np.int64)
