"""The result of a comparison: scores of systems, differences of pairs, warnings; as a document, tables and text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.evaluation.comparison.significance import McNemar, SignedRank
from hicmae_cli.evaluation.comparison.words import format_p
from hicmae_cli.evaluation.intervals import LEVEL
from hicmae_cli.metric_names import format_metric
from hicmae_cli.report.grid import Grid

SCHEMA = "hicmae.compare/1"
_TEXT_CELLS = 120


@dataclass(frozen=True)
class SystemScore:
    """The score of one system.

    Attributes:
        name: of the system.
        source: the path that it was read from, or empty.
        modality: the streams that the model got.
        runs: seed or repetition -> score of its run.
        score: the mean over the runs.
        sd: standard deviation (unbiased) over the runs; None for a single run.
        interval: bounds of the score.
    """

    name: str
    source: str
    modality: str
    runs: Mapping[str, float]
    score: float
    sd: float | None
    interval: tuple[float, float]


@dataclass(frozen=True)
class PairDifference:
    """How two systems differ.

    Attributes:
        first: name of the first system.
        second: name of the second system.
        difference: the score of the first minus that of the second.
        interval: bounds of the difference, for this pair alone.
        p: two-sided, by the same bootstrap.
        p_holm: corrected over all pairs; None for a single pair.
        identical: whether both decided every clip alike.
        mcnemar: tests on accuracy, one for each run; empty for a regression and for different seeds.
        wilcoxon: tests over folds and over runs, where there are several.
        words: the difference in a sentence.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float | None = None
    identical: bool = False
    mcnemar: tuple[McNemar, ...] = ()
    wilcoxon: tuple[SignedRank, ...] = ()
    words: str = ""


@dataclass(frozen=True)
class Comparison:
    """The result of ``compare``; prints and dumps itself.

    Attributes:
        metric: name of the compared metric.
        labels: classes or targets.
        clips: number of clips.
        people: number of speakers; 0 if they are unknown.
        resampled: what the bootstrap drew: ``speaker`` or ``clip``.
        draws: number of resamples.
        seed: seed of the resamples.
        systems: the systems, in the order given.
        pairs: every pair of them.
        warnings: what a reader must know.
    """

    metric: str
    labels: tuple[str, ...]
    clips: int
    people: int
    resampled: str
    draws: int
    seed: int
    systems: tuple[SystemScore, ...]
    pairs: tuple[PairDifference, ...]
    warnings: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """Each pair in words."""
        return [pair.words for pair in self.pairs]

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae.compare/1``, as ``hicmae compare --json`` writes it."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "labels": list(self.labels),
            "clips": self.clips,
            "people": self.people,
            "level": LEVEL,
            "resampled": self.resampled,
            "draws": self.draws,
            "seed": self.seed,
            "systems": [{**asdict(system), "interval": list(system.interval)} for system in self.systems],
            "pairs": [_write_pair(pair) for pair in self.pairs],
            "warnings": list(self.warnings),
        }

    def grids(self) -> list[Grid]:
        """Make the tables: the systems, their differences, and the other tests of these."""
        grids = [self._make_system_grid(), self._make_difference_grid(), self._make_test_grid()]
        return [grid for grid in grids if grid.rows]

    def _make_system_grid(self) -> Grid:
        title = format_metric(self.metric)
        rows = tuple(
            (
                system.name,
                str(len(system.runs)),
                f"{system.score:.4f}",
                _format_interval(system.interval),
                "" if system.sd is None else f"{system.sd:.4f}",
            )
            for system in self.systems
        )
        return Grid(f"{title} on {self.clips} clips", ("", "runs", title, "95 % interval", "sd over runs"), rows)

    def _make_difference_grid(self) -> Grid:
        drawn = f"{self.people} speakers" if self.resampled == "speaker" else f"{self.clips} clips"
        rows = tuple(
            (
                f"{pair.first} - {pair.second}",
                f"{pair.difference:+.4f}",
                _format_interval(pair.interval, sign="+"),
                *_format_ps(pair.p, pair.p_holm),
            )
            for pair in self.pairs
        )
        header = ("", "difference", "95 % interval", *self._p_titles)
        return Grid(f"differences, by a paired bootstrap over {drawn}", header, rows)

    def _make_test_grid(self) -> Grid:
        rows: list[tuple[str, ...]] = []
        for pair in self.pairs:
            name = f"{pair.first} - {pair.second}"
            for test in pair.mcnemar:
                found = f"only {pair.first} right: {test.only_first}, only {pair.second}: {test.only_second}"
                title = f"McNemar, {test.run}" if test.run else "McNemar"
                rows.append((name, title, found, *_format_ps(test.p, test.p_holm)))
            for rank in pair.wilcoxon:
                count = len(rank.differences)
                found = f"higher in {sum(difference > 0 for difference in rank.differences)} of {count}"
                rows.append((name, f"Wilcoxon, {count} {rank.over}", found, *_format_ps(rank.p, rank.p_holm)))
        title = "other tests (McNemar's treats clips as independent)"
        return Grid(title, ("", "test", "found", *self._p_titles), tuple(rows))

    @property
    def _p_titles(self) -> list[str]:
        return ["p", "p (Holm)"] if len(self.pairs) > 1 else ["p"]

    def to_markdown(self) -> str:
        """Make a Markdown page: warnings, tables, and each pair in words."""
        lines = [f"# {format_metric(self.metric)} compared", ""]
        for warning in self.warnings:
            lines += [f"> **Warning:** {warning}.", ""]
        for grid in self.grids():
            lines += grid.to_section()
        lines += [f"- {sentence}" for sentence in self.sentences]
        lines += [
            "",
            f"Intervals: {100 * LEVEL:.0f} %, expanded percentiles of {self.draws} resamples of the {self.resampled}s, "
            f"seed {self.seed}.",
            "",
        ]
        return "\n".join(map(one_line, lines))

    def render_sentences(self) -> list[Text]:
        """Each pair in words, for a terminal."""
        return [Text(one_line(sentence)) for sentence in self.sentences]

    def save(self, folder: str | Path) -> None:
        """Write ``comparison.json`` and ``comparison.md`` into a folder.

        Raises:
            HicmaeError: the folder cannot be written to.
        """
        from hicmae_cli.report.files import make_folder, to_json, write_text

        make_folder(Path(folder))
        write_text(Path(folder) / "comparison.json", to_json(self.to_dict()))
        write_text(Path(folder) / "comparison.md", self.to_markdown())

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=_TEXT_CELLS, color_system=None)
        with console.capture() as captured:
            for grid in self.grids():
                console.print(grid)
        lines = [*self.sentences, *(f"warning: {warning}" for warning in self.warnings)]
        return captured.get() + "".join(f"{one_line(line)}\n" for line in lines)


def _write_pair(pair: PairDifference) -> dict[str, Any]:
    return {
        **asdict(pair),
        "interval": list(pair.interval),
        "mcnemar": [asdict(test) for test in pair.mcnemar],
        "wilcoxon": [{**asdict(test), "differences": list(test.differences)} for test in pair.wilcoxon],
    }


def _format_interval(bounds: tuple[float, float], sign: str = "") -> str:
    return f"{bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f}"


def _format_ps(p: float, p_holm: float | None) -> list[str]:
    return [format_p(p), *([] if p_holm is None else [format_p(p_holm)])]
