"""What a score means: on whom it was measured, how the weight was chosen, and what the paper has beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.dataset import Dataset, SplitFacts
from hicmae_cli.corpora.manifest import ALL_FOLDS
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.label_maps import Matched
from hicmae_cli.evaluation.results import Evaluation

OPTIMISTIC = "chosen on the test clips: optimistic"
SELECTIONS = {
    "": "how its epoch was chosen is not recorded",
    "val": "its epoch was chosen on clips set aside from training; the test clips chose nothing",
    "last": "its last epoch was taken; nothing was chosen",
    "test-best": f"its epoch was {OPTIMISTIC}",
}
UNKNOWN = "unknown"
"""What an imported weight says it was trained on, unless told."""


@dataclass(frozen=True)
class Protocol:
    """On what a model was tested.

    Attributes:
        name: of the dataset, or of the manifest's file.
        dataset: what is known of it, if anything.
        fold: the one that was tested, ``all``, or empty where there are none.
        split: of a manifest without folds.
        matched: what was done to the labels.
        cross: whether only labels that both sides share were kept, for a weight of another corpus.
    """

    name: str
    dataset: Dataset | None = None
    fold: str = ""
    split: str = ""
    matched: Matched | None = None
    cross: bool = False

    @property
    def merge_by(self) -> int:
        """See ``Dataset``."""
        return self.dataset.merge_by if self.dataset else 0

    def to_dict(self, result: Evaluation | FoldsEvaluation) -> dict[str, Any]:
        """The result's document, and what it means in words and beside the published numbers."""
        pooled = result.pooled
        document = result.to_dict()
        document["dataset"] = self.name
        document["fold"] = self.fold
        document["protocol"] = self.words(result)
        document["selection"] = selection_of(result)
        document["warnings"] = self.warnings(result)
        document["published"] = {} if self._missing(result) else self.published(pooled)
        if isinstance(result, FoldsEvaluation) and pooled.modality == "av":
            for fold, found in result.folds.items():
                document["folds"][fold]["published"] = self._beside(fold, found.metrics, f"fold {fold}")
        if self.matched and (self.cross or self.matched.mapping or self.matched.dropped):
            document["label_map"] = {"mapping": dict(self.matched.mapping), "dropped": dict(self.matched.dropped)}
        if self.cross:
            document["cross"] = {"trained_on": pooled.info.dataset, "shared": list(pooled.labels)}
            document["baselines"] = pooled.baselines()
        return document

    def words(self, found: Evaluation | FoldsEvaluation) -> list[str]:
        """How the scores came about, a sentence each."""
        result = found.pooled
        told = [self._on_whom(result)]
        if self.cross:
            apart = same_clips(result.info.dataset, self.name) is False
            told.append(
                f"The weight was trained on {result.info.dataset} and has seen nothing of {self.name}."
                if apart
                else f"The weight was trained on {result.info.dataset}; whether people of {self.name} are among those "
                "it learned from is not known."
            )
            told.append(
                f"The {len(result.labels)} labels that both have are scored ({', '.join(result.labels)}), and the "
                "weight's probabilities are made to sum to one over them."
            )
        if self.matched and self.matched.mapping:
            pairs = ", ".join(f"{left} as {right}" for left, right in self.matched.mapping.items())
            told.append(f"Labels were mapped: {pairs}.")
        if self.matched and self.matched.dropped:
            counts = ", ".join(f"{count} of {label}" for label, count in self.matched.dropped.items())
            told.append(f"Clips left out for their label: {counts}.")
        told.append(
            f"Each clip is seen in two segments of 16 frames, {_nth(result.sampling_rate)} frame; the clip's "
            f"answer is the mean of {'the values' if result.is_regression else 'the softmax'} over them. No chance "
            "is involved: a second run gives the same numbers."
        )
        if self.merge_by:
            told.append(
                f"Clips that share the first {self.merge_by} fields of their id are decided as one, by the mean over "
                f"all their views: {len(result.samples)} decisions from {result.clips} clips."
            )
        told.append(f"The weight: {selection_of(found)['words']}; made by: {result.info.source}.")
        return told

    def _on_whom(self, result: Evaluation) -> str:
        people = {sample.speaker for sample in result.samples if sample.speaker}
        of_people = f" of {len(people)} speakers" if people else ""
        place = f", split {self.split}" if self.split else ""
        if self.fold:
            place = ", all folds, each by its own weight" if self.fold == ALL_FOLDS else f", fold {self.fold}"
            place = ", all folds" if self.cross and self.fold == ALL_FOLDS else place
        title = self.dataset.title if self.dataset else self.name
        rule = f" ({self.dataset.fold_rule})" if self.dataset and self.dataset.fold_rule else ""
        streams = {"av": "audio and video", "video": "video only", "audio": "audio only"}[result.modality]
        return f"{title}{place}{rule}: {result.clips} clips{of_people}, {streams}."

    def warnings(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        """What a reader of the scores must know."""
        told = []
        if selection_of(result)["optimistic"]:
            told.append(f"the weight's epoch was {OPTIMISTIC}")
        trained_on = result.pooled.info.dataset
        if self.dataset and not self.cross and trained_on not in (self.name, UNKNOWN):
            told.append(f"the weight says it was trained on {trained_on}, not on {self.name}")
        if self.split not in ("", "test"):
            told.append(
                f"scored on the split {self.split}, not on the test clips alone: the weight may have learned from them"
            )
        if missing := self._missing(result):
            told.append(f"without fold {', '.join(missing)}: of it there are no clips")
        parts = result.folds if isinstance(result, FoldsEvaluation) else {self.fold: result}
        for fold, found in parts.items():
            where = f"fold {fold}" if fold else "the test clips"
            if found.absent:
                told.append(
                    f"{where}: no clip of {', '.join(found.absent)}; UAR is over the "
                    f"{len(found.labels) - len(found.absent)} classes that are there, macro F1 also over those answered"
                )
            published = self._facts(fold)
            whole = found.clips + len(found.failures)
            dropped = self.matched is not None and bool(self.matched.dropped)
            if published and not self.cross and not dropped and published.test != whole:
                told.append(f"{where}: {whole} clips, {published.test} are published")
        if failures := len(result.pooled.failures):
            told.append(f"{failures} clips could not be read and are not in the scores")
        return told

    def _missing(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        """Folds of the dataset that are not among those which were tested."""
        if self.dataset is None or not isinstance(result, FoldsEvaluation):
            return []
        return [fold for fold in self.dataset.folds if fold not in result.folds]

    def _facts(self, fold: str) -> SplitFacts | None:
        return self.dataset.published.get(fold) if self.dataset else None

    def published(self, result: Evaluation) -> dict[str, dict[str, Any]]:
        """Metric -> measured, published and their difference, of those that are published.

        Of one fold, the paper's number of that fold where it is printed, else the one over all folds, and which of the
        two under ``of``. Nothing where the streams, the labels or the clips are not the paper's.
        """
        if result.modality != "av":
            return {}
        if self.fold in ("", ALL_FOLDS):
            of = "all folds" if self.dataset and self.dataset.folds else "the test split"
            facts = self._facts("")
            return self._beside("", result.metrics, of, overall=not (facts and facts.scores))
        mine = self._beside(self.fold, result.metrics, f"fold {self.fold}")
        return mine or self._beside("", result.metrics, "all folds", overall=True)

    def _beside(
        self, fold: str, metrics: Mapping[str, float], of: str, overall: bool = False
    ) -> dict[str, dict[str, Any]]:
        if self.dataset is None or self.cross or self.split not in ("", "test"):
            return {}
        if self.matched and (self.matched.dropped or self._merges(self.matched.mapping)):
            return {}
        facts = self._facts(fold)
        scores = self.dataset.scores if overall else (facts.scores if facts else {})
        return {
            name: {"measured": metrics[name], "published": score, "difference": metrics[name] - score, "of": of}
            for name, score in scores.items()
            if name in metrics
        }

    def _merges(self, mapping: Mapping[str, str]) -> bool:
        """Whether two labels of the dataset are one to the model: a task of fewer classes is another task."""
        labels = self.dataset.labels if self.dataset else ()
        return len({mapping.get(label, label) for label in labels}) < len(labels)


def selection_of(result: Evaluation | FoldsEvaluation) -> dict[str, Any]:
    """How the epoch of a weight was chosen; of several weights, each way that is among them."""
    infos = [found.info for found in result.folds.values()] if isinstance(result, FoldsEvaluation) else [result.info]
    rules: Sequence[str] = sorted({info.selection for info in infos})
    return {
        "rule": "+".join(rule or "unknown" for rule in rules) if any(rules) else "",
        "words": "; ".join(SELECTIONS[rule] for rule in rules),
        "optimistic": "test-best" in rules,
    }


def _nth(number: int) -> str:
    special = {1: "every", 2: "every second", 3: "every third", 4: "every fourth", 5: "every fifth"}
    return special.get(number, f"one in {number}")
