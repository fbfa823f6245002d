"""The result of an evaluation: scores by modality, what they mean, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hicmae_cli.corpora.manifest import ALL_FOLDS
from hicmae_cli.evaluation.calibration import describe_calibration, is_determined
from hicmae_cli.evaluation.degradations import Degrade
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.groups import describe_groups
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.metric_names import MAIN_METRIC
from hicmae_cli.report.score_files import save_scores
from hicmae_cli.report.scores import format_scores


@dataclass(frozen=True)
class ScoreSheet:
    """Scores of one evaluation; ``print`` shows them as tables.

    Attributes:
        weights: the weight, as the caller named it.
        protocol: how it was tested.
        results: modality -> scores; the first is the main one.
        unscored: modalities that no clip has, or that a fold lacks.
        calibration: a temperature and what it was fitted on; by default that of the weight is used.
        columns: column -> id of a clip -> field: the groups that are scored, too.
        degraded: degradation -> modality -> scores.

    Raises:
        ValueError: there are no results.
    """

    weights: str
    protocol: Protocol
    results: Mapping[str, Evaluation | FoldsEvaluation]
    unscored: tuple[str, ...] = ()
    calibration: tuple[float, str] | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    degraded: Sequence[tuple[Degrade, Mapping[str, Evaluation | FoldsEvaluation]]] = ()

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
        undetermined = [
            f"the {words} do not determine a temperature, as without a single error, or without any skill: none is "
            "applied"
            for temperature, words in filter(None, [self.calibration])
            if not is_determined(temperature)
        ]
        lacking = [
            f"{name}: skipped {found.pooled.skipped} clips that have no {name}; scores of other streams are over other "
            "clips"
            for name, found in self.results.items()
            if found.pooled.skipped
        ]
        return [*self.protocol.warn(self.main), *absent, *lacking, *undetermined]

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae.evaluate/1``, as ``hicmae evaluate --json`` writes it."""
        document = self.protocol.to_dict(self.main)
        document["warnings"] = self.warnings
        if len(self.results) > 1:
            document["by_modality"] = {name: _describe_stream(found.pooled) for name, found in self.results.items()}
        pooled = self.main.pooled
        if self.calibration and is_determined(self.calibration[0]):
            document["calibration"] = describe_calibration(self.main, *self.calibration)
        if self.columns:
            metric = MAIN_METRIC[pooled.info.kind]
            document["groups"] = [
                describe_groups(pooled, column, values, metric) for column, values in self.columns.items()
            ]
        if self.degraded:
            document["robustness"] = self._describe_degraded()
        return document

    def _describe_degraded(self) -> list[dict[str, Any]]:
        """One entry for each degradation and modality, with the clean score first."""
        curves: dict[tuple[str, str], dict[str, Any]] = {}
        for degrade, results in self.degraded:
            kind = degrade.kind
            for modality, found in results.items():
                start = {"level": None, **_describe_level(self.results[modality].pooled)}
                facts = {"degradation": kind.name, "unit": kind.unit, "meaning": kind.meaning, "modality": modality}
                curve = curves.setdefault((kind.name, modality), {**facts, "levels": [start]})
                curve["levels"].append({"level": degrade.level, **_describe_level(found.pooled)})
        return list(curves.values())

    def save(self, folder: str | Path, figure_format: str = "png") -> None:
        """Write all files of a result into a folder; see ``report.score_files.save_scores``.

        Args:
            folder: the folder.
            figure_format: ``png``, ``svg`` or ``pdf``.

        Raises:
            HicmaeError: the folder cannot be written to.
            SettingsError: another format.
        """
        save_scores(self.to_dict(), self.weights, Path(folder), figure_format)

    def __str__(self) -> str:
        return format_scores(self.to_dict())


def _describe_stream(result: Evaluation) -> dict[str, Any]:
    """The entry of a modality in the document, with all that a paired test between two modalities needs."""
    return {
        **result.metrics,
        "decisions": len(result.samples),
        "skipped": result.skipped,
        **result.to_details(),
        "samples": result.write_samples(),
    }


def _describe_level(result: Evaluation) -> dict[str, Any]:
    return {"metrics": result.metrics, "intervals": result.intervals().to_dict(), "decisions": len(result.samples)}
