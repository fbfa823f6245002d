"""What a score means: the clips it was measured on, how the weight was chosen, and the published numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.dataset import Dataset, SplitFacts
from hicmae_cli.corpora.manifest import ALL_FOLDS
from hicmae_cli.corpora.values import format_target
from hicmae_cli.evaluation.calibration import describe_calibration
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.intervals import warn_of_people
from hicmae_cli.evaluation.label_maps import Matched
from hicmae_cli.evaluation.learned import describe_leak, warn_of_learned
from hicmae_cli.evaluation.official import NO_DATASET, Official, compare_with_published, join_folds
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.model_input import FRAME_STEP_S
from hicmae_cli.tasks import THRESHOLD, Kind
from hicmae_cli.weights.info import UNKNOWN, Selection, WeightInfo

OPTIMISTIC = "chosen on the test clips: optimistic"
SELECTIONS: dict[Selection | Literal[""], str] = {
    "": "how its epoch was chosen is not recorded",
    "val": "its epoch was chosen on validation clips; the test clips had no influence",
    "last": "the last epoch was kept; no epoch was chosen",
    "test-best": f"its epoch was {OPTIMISTIC}",
}
_OUTPUTS: dict[Kind, str] = {
    "classification": "of the softmax",
    "multilabel": "of the sigmoids",
    "regression": "of the values",
}
_STREAMS: dict[str, str] = {"av": "audio and video", "video": "video only", "audio": "audio only"}


@dataclass(frozen=True)
class Protocol:
    """How a model was tested.

    Attributes:
        name: name of the dataset, or of the manifest's file.
        dataset: the known dataset, if the clips are of one.
        fold: the tested fold, ``all``, or empty without folds.
        split: the tested split of a list without folds.
        matched: how the labels of the clips were matched with the weight's.
        cross: whether only shared labels were kept, because the weight is of another corpus.
        drawn_rule: which clips each fold tests, in words, if the run drew its folds; empty if the list has them.
        listed: fold ("" without folds) -> id and label, as the dataset names it, of each listed test clip; by default
            the scored clips.
    """

    name: str
    dataset: Dataset | None = None
    fold: str = ""
    split: str = ""
    matched: Matched | None = None
    cross: bool = False
    drawn_rule: str = ""
    listed: Mapping[str, Sequence[tuple[str, str]]] | None = None

    @property
    def merge_by(self) -> int:
        """See ``Dataset``."""
        return self.dataset.merge_by if self.dataset else 0

    def to_dict(self, result: Evaluation | FoldsEvaluation) -> dict[str, Any]:
        """The result's document, with its meaning in words and the published numbers."""
        pooled = result.pooled
        document = result.to_dict()
        document["dataset"] = self.name
        document["fold"] = self.fold
        document["protocol"] = self.explain(result)
        document["selection"] = self.describe_selection(result)
        document["warnings"] = self.warn(result)
        official = self.verify(result)
        document["official"], document["official_reason"] = official.value, official.reason
        document["published"] = self.compare(result) if official.may_be_published else {}
        if isinstance(result, FoldsEvaluation) and pooled.modality == "av":
            for fold, found in result.folds.items():
                known = self._verify_fold(fold, found).may_be_published and not found.info.relabelled
                own = self._compare_with(fold, found.metrics, f"fold {fold}") if known else {}
                document["folds"][fold]["published"] = own
        if pooled.is_classification:
            document["calibration"] = describe_calibration(result)
        if self.matched and (self.cross or self.matched.mapping or self.matched.dropped):
            document["label_map"] = {"mapping": dict(self.matched.mapping), "dropped": dict(self.matched.dropped)}
        if self.cross:
            document["cross"] = {"trained_on": pooled.info.dataset, "shared": list(pooled.labels)}
            document["baselines"] = pooled.baselines()
        return document

    def explain(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        """Say how the scores were measured, one sentence each."""
        pooled = result.pooled
        official = self.verify(result)
        sentences = [self._describe_clips(pooled, official)]
        if self.dataset and self.dataset.published and not self.cross:
            answer = {True: "yes", False: "no", None: "not verified"}[official.value]
            sentences.append(f"The published test clips: {answer}; {official.reason}.")
        if self.cross:
            apart = same_clips(pooled.info.dataset, self.name) is False
            sentences.append(
                f"The weight was trained on {pooled.info.dataset} and on no clip of {self.name}."
                if apart
                else f"The weight was trained on {pooled.info.dataset}; whether this corpus shares people with "
                f"{self.name} is not known."
            )
            sentences.append(
                f"Only the {len(pooled.labels)} shared labels are scored ({', '.join(pooled.labels)}); the weight's "
                "probabilities are scaled to sum to one over them."
            )
        if self.matched and self.matched.mapping:
            pairs = ", ".join(f"{left} as {right}" for left, right in self.matched.mapping.items())
            sentences.append(f"Labels were mapped: {pairs}.")
        if self.matched and self.matched.dropped:
            counts = ", ".join(f"{count} of {label}" for label, count in self.matched.dropped.items())
            sentences.append(f"Clips skipped for their label: {counts}.")
        sentences.append(
            f"Each clip is tested in two segments of 16 frames, {_name_step(pooled.sampling_rate)}; its result is "
            f"the mean {_OUTPUTS[pooled.info.kind]} over both. Nothing is random: a second run gives the same numbers."
        )
        if pooled.info.task == "multilabel":
            sentences.append(
                f"The predicted set of a clip holds each label with a probability above {THRESHOLD}, or else the most "
                "probable label."
            )
        if self.merge_by:
            sentences.append(
                f"Clips whose ids share the first {self.merge_by} fields have one decision, by the mean over all their "
                f"views: {len(pooled.samples)} decisions from {pooled.clips} clips."
            )
        sentences.append(f"The weight: {self.describe_selection(result)['words']}; made by: {pooled.info.source}.")
        return sentences

    def verify(self, result: Evaluation | FoldsEvaluation) -> Official:
        """Compare the tested clips with the published test clips, by ids and labels where these are published."""
        if self.dataset is not None and isinstance(result, FoldsEvaluation):
            return join_folds(self.dataset, {fold: self._verify_fold(fold, r) for fold, r in result.folds.items()})
        return self._verify_fold(self.fold, result.pooled)

    def _verify_fold(self, fold: str, result: Evaluation) -> Official:
        if self.dataset is None:
            return NO_DATASET
        if self.cross:
            return Official(False, "clips and labels are chosen for a weight of another corpus")
        if self.split not in ("", "test"):
            return Official(False, f"the split {self.split} was scored, not the test clips alone")
        if self.listed is not None:
            return compare_with_published(self.dataset, fold, self.listed.get(fold, ()))
        if result.failures:
            return Official(None, f"{len(result.failures)} clips could not be read, so the lists could not be compared")
        renamed = {right: left for left, right in (self.matched.mapping if self.matched else {}).items()}
        clips = [
            (name, renamed.get(label, label))
            for sample in result.samples
            for name, label in ((name, format_target(sample.target)) for name in sample.clips or (sample.id,))
        ]
        return compare_with_published(self.dataset, fold, clips)

    def _describe_clips(self, result: Evaluation, official: Official) -> str:
        people = {sample.speaker for sample in result.samples if sample.speaker}
        of_people = f" of {len(people)} speaker{'' if len(people) == 1 else 's'}" if people else ""
        place = f", split {self.split}" if self.split else ""
        if self.fold:
            place = ", all folds, each by its own weight" if self.fold == ALL_FOLDS else f", fold {self.fold}"
            place = ", all folds" if self.cross and self.fold == ALL_FOLDS else place
        title = self.dataset.title if self.dataset else self.name
        rule = ""
        if self.dataset and self.dataset.fold_rule and official.may_be_published:
            doubt = "; not verified" if self.dataset.scores and official.value is None else ""
            rule = f" ({self.dataset.fold_rule}{doubt})"
        if self.drawn_rule:
            rule = f" ({self.drawn_rule}; not the official folds)"
        return f"{title}{place}{rule}: {result.clips} clips{of_people}, {_STREAMS[result.modality]}."

    def warn(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        """List what a reader of the scores must know."""
        warnings = []
        if self.describe_selection(result)["optimistic"]:
            warnings.append(f"the weight's epoch was {OPTIMISTIC}")
        if self.dataset and self.dataset.shares_people and not self.cross and not self.drawn_rule:
            warnings.append(f"{self.dataset.shares_people}; the scores do not show how the model does on new people")
        trained_on = result.pooled.info.dataset
        if self.dataset and not self.cross and trained_on not in (self.name, UNKNOWN):
            warnings.append(f"the weight says it was trained on {trained_on}, not on {self.name}")
        if self.split not in ("", "test"):
            warnings.append(
                f"scored on the split {self.split}, not on the test clips alone: the weight may be trained on them"
            )
        if renamed := sorted({text for found in self._parts(result).values() for text in found.info.list_renamed()}):
            warnings.append(
                f"labels of the weight were renamed after its training: {', '.join(renamed)}; no published scores are "
                "shown"
            )
        warnings += self._warn_of_folds(result)
        speakers = [sample.speaker for sample in result.pooled.samples]
        warnings += warn_of_people(speakers) if all(speakers) else []
        if failures := len(result.pooled.failures):
            warnings.append(f"{failures} clips could not be read and are not in the scores")
        for fold, found in self._parts(result).items():
            warnings += warn_of_learned(found.info, self.name, fold, found.samples)
        if not self.cross:
            warnings += filter(None, (describe_leak(found.info, fold) for fold, found in self._parts(result).items()))
        # Folds may give the same one.
        return list(dict.fromkeys(warnings))

    def _warn_of_folds(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        warnings = []
        if missing := self._missing_folds(result):
            assert self.dataset is not None
            warnings.append(
                f"the scores lack fold {', '.join(missing)}: the list has no clips of it"
                if len(missing) < len(self.dataset.folds)
                else f"the list has other folds than the published ones ({', '.join(missing)}): no published scores "
                "are shown"
            )
        for fold, found in self._parts(result).items():
            where = f"fold {fold}" if fold else "the test clips"
            if found.absent:
                score, kind = ("UAR", "classes") if found.is_classification else ("mAP", "labels")
                warnings.append(
                    f"{where}: no clip of {', '.join(found.absent)}; {score} is over the "
                    f"{len(found.labels) - len(found.absent)} {kind} with clips, macro F1 also over predicted ones"
                )
            if self.dataset and self.dataset.scores and not self.cross and self.split in ("", "test") and not missing:
                official = self._verify_fold(fold, found)
                if official.value is False:
                    warnings.append(f"{official.reason}: the published scores are not shown")
        return warnings

    def _parts(self, result: Evaluation | FoldsEvaluation) -> Mapping[str, Evaluation]:
        return result.folds if isinstance(result, FoldsEvaluation) else {self.fold: result}

    def _missing_folds(self, result: Evaluation | FoldsEvaluation) -> list[str]:
        """Folds of the dataset that were not tested, though all folds were asked for."""
        if self.dataset is None or not isinstance(result, FoldsEvaluation):
            return []
        return [fold for fold in self.dataset.folds if fold not in result.folds]

    def _find_facts(self, fold: str) -> SplitFacts | None:
        return self.dataset.published.get(fold) if self.dataset else None

    def describe_selection(self, result: Evaluation | FoldsEvaluation) -> dict[str, Any]:
        """Say how the epoch of a weight was chosen; for the weights of several folds, each way that was used."""
        infos = [found.info for found in self._parts(result).values()]
        rules = sorted({info.selection for info in infos})
        chosen_here = [info for info in infos if info.selection == "test-best" and self._may_share_clips(info)]
        words = dict(SELECTIONS)
        if not chosen_here:
            elsewhere = ", ".join(sorted({info.dataset for info in infos if info.selection == "test-best"}))
            words["test-best"] = f"its epoch was chosen on the test clips of {elsewhere}, which are not tested here"
        return {
            "rule": "+".join(rule or "unknown" for rule in rules) if any(rules) else "",
            "words": "; ".join(words[rule] for rule in rules),
            "optimistic": bool(chosen_here),
        }

    def _may_share_clips(self, info: WeightInfo) -> bool:
        """Whether the clips that chose a weight's epoch may be those that are tested."""
        return not self.cross and same_clips(info.dataset, self.name) is not False

    def compare(self, result: Evaluation | FoldsEvaluation) -> dict[str, dict[str, Any]]:
        """Put the published scores beside the measured ones: metric -> measured, published and their difference.

        For a single fold this is the paper's number of the fold if it is printed, else the one over all folds; ``of``
        says which. Empty where the streams, the labels or the clips are not the paper's.
        """
        result = result.pooled
        if result.modality != "av" or result.info.relabelled:
            return {}
        if self.fold in ("", ALL_FOLDS):
            of = "all folds" if self.dataset and self.dataset.folds else "the test split"
            facts = self._find_facts("")
            return self._compare_with("", result.metrics, of, overall=not (facts and facts.scores))
        own = self._compare_with(self.fold, result.metrics, f"fold {self.fold}")
        return own or self._compare_with("", result.metrics, "all folds", overall=True)

    def _compare_with(
        self, fold: str, metrics: Mapping[str, float], of: str, *, overall: bool = False
    ) -> dict[str, dict[str, Any]]:
        if self.dataset is None or self.cross or self.split not in ("", "test"):
            return {}
        if self.matched and (self.matched.dropped or self._merges_labels(self.matched.mapping)):
            return {}
        facts = self._find_facts(fold)
        scores = self.dataset.scores if overall else (facts.scores if facts else {})
        return {
            name: {"measured": metrics[name], "published": score, "difference": metrics[name] - score, "of": of}
            for name, score in scores.items()
            if name in metrics
        }

    def _merges_labels(self, mapping: Mapping[str, str]) -> bool:
        """Whether a map merges two labels of the dataset: a task with fewer classes is another task."""
        labels = self.dataset.labels if self.dataset else ()
        return len({mapping.get(label, label) for label in labels}) < len(labels)


def _name_step(sampling_rate: int | None) -> str:
    """Name the frames that are sampled: every n-th one, or by time."""
    if sampling_rate is None:
        return f"one every {FRAME_STEP_S} s"
    names = {1: "every", 2: "every second", 3: "every third", 4: "every fourth", 5: "every fifth"}
    return f"{names.get(sampling_rate, f'one in {sampling_rate}')} frame"
