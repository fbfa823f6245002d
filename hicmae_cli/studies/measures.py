"""The measures of finished weights: their names, parameters, and which weight each one reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.degradations import parse_degradations
from hicmae_cli.metric_names import METRICS
from hicmae_cli.studies.study import Study


@dataclass(frozen=True)
class Measure:
    """A measure.

    Attributes:
        meaning: what its numbers are.
        defaults: its parameters with their usual values.
        gives: how the names of its numbers begin.
        reads: ``pretrained`` for the pre-trained weight, ``finetuned`` for the fine-tuned one, or ``last`` for the last
            weight of a run.
        count_passes: number of clips of each split, and parameters -> how many clips go through the model.
        more_s: seconds of one core that it takes besides, about.
    """

    meaning: str
    defaults: Mapping[str, Any]
    gives: tuple[str, ...]
    reads: str
    count_passes: Callable[[Mapping[str, int], Mapping[str, Any]], int]
    more_s: float = 0.0


def _count_test(counts: Mapping[str, int], _: Mapping[str, Any]) -> int:
    return counts.get("test", 0)


def _count_degraded(counts: Mapping[str, int], parameters: Mapping[str, Any]) -> int:
    conditions = len(parse_degradations(parameters["degrade"])) if parameters["degrade"] else 0
    return (3 + conditions) * counts.get("test", 0)


MEASURES: Final[Mapping[str, Measure]] = {
    "reconstruction": Measure(
        "error of rebuilt test clips, with the masks of the training and with one mask for all runs",
        {"video_mask": "random", "audio_mask": "random", "video_ratio": 0.8, "audio_ratio": 0.8, "clips": 64},
        ("video_error", "audio_error"),
        "pretrained",
        lambda counts, given: 2 * min(counts.get("test", 0), given["clips"]),
    ),
    "alignment": Measure(
        "modality gap, and retrieval of a face's voice and back, in each layer, on test clips",
        {"clips": 128},
        ("recall_at_1", "modality_gap"),
        "pretrained",
        lambda counts, given: min(counts.get("test", 0), given["clips"]),
    ),
    "probe": Measure(
        "UAR of a linear probe of each layer",
        {},
        ("probe ",),
        "last",
        lambda counts, _: sum(counts.values()),
        more_s=20.0,
    ),
    "layer-weights": Measure("learned weights of the fused layers", {}, ("weight ",), "finetuned", lambda *_: 0),
    "transfer": Measure(
        "UAR on the test clips and on another corpus, and what is lost between them",
        {},
        ("uar ",),
        "finetuned",
        # The other corpus is taken to have as many.
        lambda counts, given: 2 * _count_test(counts, given),
    ),
    "streams": Measure(
        "UAR with streams dropped or degraded at test time", {"degrade": ""}, ("uar ",), "finetuned", _count_degraded
    ),
}
"""Name -> measure. Fine-tuning itself gives the scores of the test."""


def needs_labels(measure: str) -> bool:
    """Whether a measure reads the last weight of a run, not that of the pre-training."""
    return MEASURES[measure].reads != "pretrained"


def check_measures(study: Study) -> None:
    """Check the measures of a study.

    Raises:
        SettingsError: an unknown measure or parameter, a metric that nothing measures, or a measure of a phase that the
            study does not have.
    """
    scores = {name for names in METRICS.values() for name in names} if study.finetune is not None else set()
    starts = ["recall "] if study.finetune is not None else []
    every = [*study.factors, *(factor for each in study.budgets.values() for factor in each.factors or ())]
    # A run from scratch has no pre-trained weight to measure.
    from_scratch = any(level.start == "scratch" for factor in every for level in factor.levels)
    for name, given in study.measures.items():
        if name not in MEASURES:
            raise SettingsError(
                f"study {study.name}: measures: no measure named {name!r}; expected {', '.join(MEASURES)}"
            )
        measure = MEASURES[name]
        for key, value in given.items():
            usual = measure.defaults.get(key)
            if usual is None or not isinstance(value, type(usual)):
                known = ", ".join(f"{each} ({type(one).__name__})" for each, one in measure.defaults.items()) or "none"
                raise SettingsError(f"study {study.name}: measures.{name}.{key}={value!r}: expected {known}")
        if measure.reads == "pretrained" and study.pretrain is None:
            raise SettingsError(f"study {study.name}: measures.{name}: needs the table `pretrain`")
        if measure.reads == "finetuned" and study.finetune is None:
            raise SettingsError(f"study {study.name}: measures.{name}: needs the table `finetune`")
        if measure.reads != "pretrained" or not from_scratch:
            starts += measure.gives
        if name == "streams" and given.get("degrade"):
            parse_degradations(given["degrade"])
    for metric in study.metrics:
        if metric not in scores and not metric.startswith(tuple(starts)):
            known = ", ".join([*sorted(scores), *(f"{start.strip()} …" for start in dict.fromkeys(starts))])
            raise SettingsError(f"study {study.name}: metrics: nothing measures {metric!r}; expected {known}")
