"""The result of an evaluation: scores by modality, what they mean, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hicmae_cli.corpora.manifest import ALL_FOLDS
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.report.files import make_folder
from hicmae_cli.report.score_files import write_scores
from hicmae_cli.report.scores import format_scores


@dataclass(frozen=True)
class ScoreSheet:
    """Scores of one evaluation; ``print`` shows them as tables.

    Attributes:
        weights: the weight, as the caller named it.
        protocol: how it was tested.
        results: modality -> scores; the first is the main one.
        unscored: modalities that no clip has, or that a fold lacks.

    Raises:
        ValueError: there are no results.
    """

    weights: str
    protocol: Protocol
    results: Mapping[str, Evaluation | FoldsEvaluation]
    unscored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.results:
            raise ValueError("a score sheet needs the scores of at least one modality")

    @property
    def main(self) -> Evaluation | FoldsEvaluation:
        """The scores of the main modality."""
        return next(iter(self.results.values()))

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> score of the main modality; over folds, of the pooled decisions."""
        return self.main.pooled.metrics

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """(clip, reason) of the clips that could not be read."""
        return self.main.pooled.failures

    @property
    def warnings(self) -> list[str]:
        """What a reader of the scores must know."""
        missing = "a fold" if self.protocol.fold == ALL_FOLDS else "the list"
        absent = [f"{name}: no scores, as {missing} has no clip with it" for name in self.unscored]
        return [*self.protocol.warn(self.main), *absent]

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae.evaluate/1``, as ``hicmae evaluate --json`` writes it."""
        document = self.protocol.to_dict(self.main)
        document["warnings"] = self.warnings
        if len(self.results) > 1:
            document["by_modality"] = {
                name: {**found.pooled.metrics, "decisions": len(found.pooled.samples)}
                for name, found in self.results.items()
            }
        return document

    def save(self, folder: str | Path) -> None:
        """Write ``result.json``, ``result.md`` and, for classes, ``confusion.png`` into a folder.

        Raises:
            HicmaeError: the folder cannot be written to.
        """
        folder = Path(folder)
        make_folder(folder)
        document = self.to_dict()
        picture = folder / "confusion.png" if document.get("confusion") else None
        write_scores(document, self.weights, folder / "result.json", folder / "result.md", picture)

    def __str__(self) -> str:
        return format_scores(self.to_dict())
