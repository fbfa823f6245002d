"""The measures of finished weights: their names, parameters, and which weight each one reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.degradations import Degrade, parse_degradations
from hicmae_cli.metric_names import METRICS
from hicmae_cli.studies.study import Study

RECALL: Final = "recall "
"""How the names of the recalls of classes begin, which fine-tuning itself gives."""


@dataclass(frozen=True)
class Measure:
    """A measure.

    Attributes:
        meaning: what its numbers are.
        defaults: its parameters with their usual values.
        gives: parameters -> names of its numbers; ``N`` stands for any whole number from 1.
        reads: ``pretrained`` for the pre-trained weight, ``finetuned`` for the fine-tuned one, or ``last`` for the last
            weight of a run.
        count_passes: number of clips of each split, and parameters -> how many clips go through the model.
        more_s: seconds of one core that it takes besides, about.
        classifies: whether it needs clips of several classes.
        pairs: whether it needs test clips with video and sound.
    """

    meaning: str
    defaults: Mapping[str, Any]
    gives: Callable[[Mapping[str, Any]], Sequence[str]]
    reads: str
    count_passes: Callable[[Mapping[str, int], Mapping[str, Any]], int]
    more_s: float = 0.0
    classifies: bool = False
    pairs: bool = False


def _count_test(counts: Mapping[str, int], _: Mapping[str, Any]) -> int:
    return counts.get("test", 0)


def _count_degraded(counts: Mapping[str, int], parameters: Mapping[str, Any]) -> int:
    return (3 + len(list_conditions(parameters))) * counts.get("test", 0)


def list_conditions(parameters: Mapping[str, Any]) -> dict[str, Degrade]:
    """List the degradations of the measure ``streams``, by the name of the number that each one gives.

    Raises:
        SettingsError: they cannot be read.
    """
    steps = parse_degradations(parameters["degrade"]) if parameters["degrade"] else ()
    return {f"uar {step.kind.name} {step.level:g} {step.kind.unit}": step for step in steps}


def _name_layers(_: Mapping[str, Any]) -> Sequence[str]:
    kinds = ("recall_at_1", "modality_gap")
    return [f"{kind}{where}" for kind in kinds for where in ("", " last layer", " layer N")]


def _name_probes(_: Mapping[str, Any]) -> Sequence[str]:
    streams = [f"probe {stream}{where}" for stream in ("video", "audio") for where in ("", "_fusion", "_N")]
    return ["probe fused", *streams]


def _name_conditions(parameters: Mapping[str, Any]) -> Sequence[str]:
    return ["uar both", "uar video alone", "uar audio alone", *list_conditions(parameters)]


MEASURES: Final[Mapping[str, Measure]] = {
    "reconstruction": Measure(
        "error of rebuilt test clips, with the masks of the training and with one mask for all runs",
        {"video_mask": "random", "audio_mask": "random", "video_ratio": 0.8, "audio_ratio": 0.8, "clips": 64},
        lambda _: ["video_error", "audio_error", "video_error common mask", "audio_error common mask"],
        "pretrained",
        lambda counts, given: 2 * min(counts.get("test", 0), given["clips"]),
        pairs=True,
    ),
    "alignment": Measure(
        "modality gap, and retrieval of a face's voice and back, in each layer, on test clips",
        {"clips": 128},
        _name_layers,
        "pretrained",
        lambda counts, given: min(counts.get("test", 0), given["clips"]),
        pairs=True,
    ),
    "probe": Measure(
        "UAR of a linear probe of each layer",
        {},
        _name_probes,
        "last",
        lambda counts, _: sum(counts.values()),
        more_s=20.0,
        classifies=True,
    ),
    "layer-weights": Measure(
        "learned weights of the fused layers",
        {},
        lambda _: ["weight video_N", "weight audio_N"],
        "finetuned",
        lambda *_: 0,
    ),
    "transfer": Measure(
        "UAR on the test clips and on another corpus, and what is lost between them",
        {},
        lambda _: ["uar own corpus", "uar other corpus", "uar lost"],
        "finetuned",
        # The other corpus is taken to have as many.
        lambda counts, given: 2 * _count_test(counts, given),
        classifies=True,
    ),
    "streams": Measure(
        "UAR with streams dropped or degraded at test time",
        {"degrade": ""},
        _name_conditions,
        "finetuned",
        _count_degraded,
        classifies=True,
        pairs=True,
    ),
}
"""Name -> measure. Fine-tuning itself gives the scores of the test."""


def check_measures(study: Study) -> None:
    """Check the measures of a study.

    Raises:
        SettingsError: an unknown measure or parameter, a metric that nothing measures, or a measure of a phase that the
            study does not have.
    """
    scores = {name for kind in METRICS.values() for name in kind} if study.finetune is not None else set()
    names = [f"{RECALL}LABEL"] if study.finetune is not None else []
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
            names += measure.gives({**measure.defaults, **given})
    for metric in study.metrics:
        if metric not in scores and not any(_is_named(metric, name) for name in names):
            known = ", ".join([*sorted(scores), *names])
            raise SettingsError(f"study {study.name}: metrics: nothing measures {metric!r}; expected {known}")


def _is_named(metric: str, name: str) -> bool:
    """Whether a metric has the name of a measure's number, in which ``N`` is a number and ``LABEL`` any label."""
    pattern = re.escape(name).replace("N", r"[1-9][0-9]*").replace("LABEL", r"\S.*")
    return re.fullmatch(pattern, metric) is not None
