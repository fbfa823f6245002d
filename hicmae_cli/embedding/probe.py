"""Linear probes: how well a linear classifier reads the label from each layer of a frozen model (Alain & Bengio 2016).

Every layer gets the same classifier, the same folds and the same search of the regularisation, which is done on the
people of the training clips only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import Split, find_shared_people, list_folds, split_by_column, split_by_fold
from hicmae_cli.embedding.table import Embeddings, read_embeddings
from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.intervals import Intervals, classification_intervals, warn_of_people
from hicmae_cli.evaluation.metrics import classification_metrics, confusion

SCHEMA: Final = "hicmae.probe/1"
STRENGTHS: Final = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Values of scikit-learn's ``C``, the inverse of the regularisation, to choose among."""
_INNER_FOLDS = 3
_STEPS = 2000


@dataclass(frozen=True)
class LayerScore:
    """How well a layer's embeddings predict the label.

    Attributes:
        layer: its name.
        metrics: UAR, WAR and F1 scores over the test clips of all folds.
        intervals: their intervals.
        folds: fold -> its UAR; empty without folds.
        confusion: true class (row) by predicted class (column).
        predictions: id of each test clip -> the predicted label.
    """

    layer: str
    metrics: Mapping[str, float]
    intervals: Intervals
    folds: Mapping[str, float]
    confusion: list[list[int]]
    predictions: Mapping[str, str]


@dataclass(frozen=True)
class ProbeResult:
    """The probes of all layers, in the order of the embeddings.

    Attributes:
        labels: the classes, in alphabetical order.
        layers: a score for each layer.
        clips: number of test clips.
        speakers: the speaker of each of them; empty if unknown.
        folds: names of the folds; empty without folds.
        about: the embeddings' own record.
    """

    labels: tuple[str, ...]
    layers: tuple[LayerScore, ...]
    clips: int
    speakers: tuple[str, ...]
    folds: tuple[str, ...]
    about: Mapping[str, Any]

    @property
    def best(self) -> LayerScore:
        """The layer with the highest UAR; the first one of several."""
        return max(self.layers, key=lambda layer: layer.metrics["uar"])

    @property
    def people(self) -> int:
        """Number of people in the test clips; 0 if unknown."""
        return len(set(self.speakers) - {""})

    @property
    def chance(self) -> float:
        """UAR of a guess."""
        return 1 / len(self.labels)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the intervals must know."""
        return warn_of_people(self.speakers)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "clips": self.clips,
            "people": self.people,
            "folds": list(self.folds),
            "chance": self.chance,
            "warnings": self.warnings,
            "layers": {
                layer.layer: {
                    "metrics": dict(layer.metrics),
                    "intervals": layer.intervals.to_dict(),
                    "folds": dict(layer.folds),
                    "confusion": layer.confusion,
                    "predictions": dict(layer.predictions),
                }
                for layer in self.layers
            },
            "embeddings": dict(self.about),
        }


def probe(
    embeddings: Embeddings | str | Path,
    *,
    layers: Sequence[str] = (),
    fold: str | None = None,
    seed: int = 0,
    on_start: Callable[[int], None] = lambda _: None,
    on_fit: Callable[[], None] = lambda: None,
) -> ProbeResult:
    """Fit a linear classifier to every layer of some embeddings, and test it on people it was not fitted to.

    The classifier is a multinomial logistic regression of standardised embeddings. Classes count alike whatever their
    number of clips. It is fitted to the clips outside a fold and tested on the fold, for each fold; without folds it is
    fitted to the training and validation clips and tested on the test clips. Its regularisation is chosen by UAR in a
    cross-validation over the people of the fitted clips.

    Args:
        embeddings: a table, or its file.
        layers: layers to probe; by default all.
        fold: one fold to test; by default all, one by one.
        seed: seed of the inner folds, where people are unknown.
        on_start: called with the number of classifiers to fit.
        on_fit: called after each.

    Raises:
        SettingsError: unknown layers.
        ManifestError: clips without labels, fewer than two classes, no test clips, or people who are in both the
            fitted and the test clips.
        HicmaeError: the file cannot be read.
    """
    table = embeddings if isinstance(embeddings, Embeddings) else read_embeddings(embeddings)
    names = tuple(layers) or tuple(table.layers)
    for name in names:
        table[name]
    samples = _make_samples(table)
    folds = list_folds(samples) if fold is None else [fold]
    splits = {name: split_by_fold(samples, name) for name in folds} or {"": split_by_column(samples)}
    labels = _check_splits(samples, splits)
    on_start(len(names) * len(splits))
    row = {sample.id: index for index, sample in enumerate(samples)}
    truth = np.array([labels.index(sample.label) for sample in samples])
    scores = []
    for name in names:
        answers: dict[int, int] = {}
        by_fold = {}
        for part, split in splits.items():
            fitted = [row[sample.id] for sample in (*split.train, *split.validation)]
            tested = [row[sample.id] for sample in split.test]
            people = [samples[index].speaker for index in fitted]
            found = _fit(table[name][fitted], truth[fitted], people, seed).predict(table[name][tested])
            answers |= dict(zip(tested, map(int, found), strict=True))
            by_fold[part] = classification_metrics(truth[tested], np.asarray(found), len(labels))["uar"]
            on_fit()
        scores.append(_score(name, samples, labels, truth, answers, by_fold if folds else {}))
    speakers = tuple(samples[index].speaker for index in answers)
    return ProbeResult(labels, tuple(scores), len(answers), speakers, tuple(folds), table.about)


def _make_samples(table: Embeddings) -> list[Sample]:
    """Make the lines of a manifest from the rows of a table; rows of one clip are told apart by their number."""
    columns = {name: table.columns[name].tolist() for name in ("id", "label", "fold", "split", "speaker")}
    return [
        Sample(f"{index} {id_}", None, None, label, fold, split, speaker)
        for index, (id_, label, fold, split, speaker) in enumerate(zip(*columns.values(), strict=True))
    ]


def _check_splits(samples: Sequence[Sample], splits: Mapping[str, Split[Sample]]) -> tuple[str, ...]:
    """Check that the clips can be probed, and return the classes."""
    if unlabelled := sum(not sample.label for sample in samples):
        raise ManifestError(f"{unlabelled} of {len(samples)} embeddings have no label; a probe needs one for each")
    labels = tuple(sorted({sample.label for sample in samples}))
    if len(labels) < 2:
        raise ManifestError(f"all embeddings are labelled {labels[0]}; a probe needs at least two classes")
    for fold, split in splits.items():
        where = f"fold {fold}" if fold else "the split column"
        fitted = [*split.train, *split.validation]
        if not split.test or len({sample.label for sample in fitted}) < 2:
            raise ManifestError(
                f"{where}: {len(fitted)} clips to fit to and {len(split.test)} to test on; give the manifest a fold "
                "column, or a split column with train and test"
            )
        if shared := find_shared_people(fitted, split.test):
            raise ManifestError(
                f"{where}: {len(shared)} people are in both the fitted and the test clips, e.g. {shared[0]}"
            )
    return labels


def _fit(
    values: NDArray[np.float32], truth: NDArray[np.int64], people: Sequence[str], seed: int
) -> GridSearchCV | Pipeline:
    """Fit a classifier to embeddings (n, W), with the regularisation that is best on other people."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=_STEPS))
    rarest = int(np.bincount(truth)[np.unique(truth)].min())
    known = all(people) and len(set(people)) >= _INNER_FOLDS
    if known:
        inner: Any = StratifiedGroupKFold(_INNER_FOLDS, shuffle=True, random_state=seed)
    elif rarest >= _INNER_FOLDS:
        inner = StratifiedKFold(_INNER_FOLDS, shuffle=True, random_state=seed)
    else:
        # Too few clips to choose on: the default of scikit-learn.
        return classifier.fit(values, truth)
    grid = {"logisticregression__C": STRENGTHS}
    search = GridSearchCV(classifier, grid, cv=inner, scoring="balanced_accuracy")
    return search.fit(values, truth, groups=people if known else None)


def _score(
    layer: str,
    samples: Sequence[Sample],
    labels: tuple[str, ...],
    truth: NDArray[np.int64],
    answers: Mapping[int, int],
    folds: Mapping[str, float],
) -> LayerScore:
    tested = np.array(sorted(answers))
    predicted = np.array([answers[index] for index in tested.tolist()])
    speakers = [samples[index].speaker for index in tested.tolist()]
    return LayerScore(
        layer,
        classification_metrics(truth[tested], predicted, len(labels)),
        classification_intervals(truth[tested], predicted, len(labels), speakers),
        folds,
        confusion(truth[tested], predicted, len(labels)),
        {samples[index].id.partition(" ")[2]: labels[answers[index]] for index in tested.tolist()},
    )
