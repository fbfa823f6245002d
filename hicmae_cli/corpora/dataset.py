"""Facts about a dataset: the files it comes as, its labels, and how it is trained and tested.

Each module in ``known/`` holds one or more ``Dataset`` values; ``catalogue.py`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.metric_names import Metric
from hicmae_cli.tasks import Kind

FacePlace: TypeAlias = tuple[float, float, float, float, float]
"""Where a face is at a time: seconds in the recording, then left, top, width and height as shares of the picture."""


@dataclass(frozen=True)
class RecordingPart:
    """The part of a recording that belongs to one item: a time span, and where in the picture its person is.

    Attributes:
        start_s: start of the item in the recording.
        end_s: its end.
        columns: left and right edge of the speaker's side, as shares of the picture's width.
        places: where the person's face is, in order of time; empty to keep the person who is seen most.
    """

    start_s: float
    end_s: float
    columns: tuple[float, float] = (0.0, 1.0)
    places: tuple[FacePlace, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Item:
    """One clip of a dataset, as distributed.

    Attributes:
        id: unique name in the dataset; may contain ``/``.
        label: canonical name, or the regression targets as Python writes them, separated by one space.
        speaker: the person who speaks; empty if unknown.
        video: the recording; need not exist. May also be a sound file, for a clip without pictures, or a picture, for a
            still.
        audio: a separate sound file; None if the sound is in ``video``.
        fold: the fold that tests this clip; empty if the dataset has a fixed split.
        split: ``train``, ``validation`` or ``test`` if the dataset has a fixed split.
        part: the part of ``video`` that is the item; None for all of it. With a part, ``audio`` is a file that holds
            the sound of exactly that part; None for the sound of ``video`` in that part.
        extra: more columns for the manifest.
    """

    id: str
    label: str
    speaker: str
    video: Path
    audio: Path | None = None
    fold: str = ""
    split: str = ""
    part: RecordingPart | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitFacts:
    """Published facts about one fold, or about the fixed split.

    Attributes:
        train: number of training clips.
        test: number of test clips.
        train_sha256: hash of the training clips' ids and labels (``splits.hash_split``); empty if unknown.
        test_sha256: hash of the test clips.
        scores: the paper's result, e.g. ``{"uar": 0.8666, "war": 0.8667}``; empty if not printed.
        train_counts: training clips per label, in the order of the dataset's labels; empty if unknown.
        test_counts: test clips per label.
    """

    train: int
    test: int
    train_sha256: str = ""
    test_sha256: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    train_counts: tuple[int, ...] = ()
    test_counts: tuple[int, ...] = ()


def _no_items(root: Path) -> list[Item]:
    raise ManifestError(one_line(f"{root}: this dataset has no items to prepare"))


def _no_actors(root: Path) -> dict[str, dict[str, str]]:
    return {}


def _no_warnings(root: Path) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Everything known about a dataset, and the function that lists its items.

    Attributes:
        name: name on the command line and in weights.
        title: name in running text.
        recorded: how its clips came about (acted, in the wild, …), in words; empty if nothing is known.
        languages: ISO 639-1 codes of the languages that are spoken; empty if unknown, or if nobody speaks words.
        folder: its folder below ``HICMAE_DATA``; datasets that differ only in their labels share one.
        task: ``classification``, ``multilabel`` (sets of labels), ``regression`` (one value per label), or
            ``pretraining`` (no labels).
        labels: canonical names of classes, labels or targets, in the order of the model's outputs; empty if the data
            decide.
        codes: the dataset's own codes -> canonical names.
        folds: names of the test folds; empty for a fixed split.
        fold_rule: which clips each fold tests, in words.
        metric: the metric that chooses the best epoch; empty without labels.
        reported: the metrics that the paper reports.
        sampling_rate: s, to use every s-th frame, if frames are counted.
        sampling: ``frames`` to count frames, as the paper does, or ``time`` for one frame every 0.16 s.
        recipe: name of its fine-tuning recipe, or path of a .toml file; empty without labels.
        pretrain_recipe: name of the recipe that pre-trains on it; empty if there is none.
        items: root -> items as distributed, sorted by id. It reads names and annotations and opens no media file.
            Without its annotations it raises ``ManifestError``; where file names are the list, an empty root has no
            items.
        deal: usable items -> the same items with their folds; None if `items` names the folds. `prepare` calls it once
            it has opened all videos and knows which items are usable.
        ignored: root -> a warning for each kind of video that ``items`` ignores.
        actors: root -> what is known about the speakers, such as sex and age: column -> speaker -> field.
        layout: its files, relative to the root, one per line.
        citation: the publication to cite.
        licence: licence, or a summary of the permitted use.
        access: where to ask for it.
        excluded: id -> reason why the dataset is used without this clip.
        choices: our choices where the paper does not say.
        published: fold (``""`` for a fixed split) -> published facts.
        people: number of people who train and who test in the published fixed split; None if unknown.
        scores: the paper's result over all folds, by metric; ``<metric>_<target>`` if printed per target.
        merge_by: number of leading fields of an id, separated by ``_``, that name one decision; 0: each clip is one.
        frames_suffix: what the authors append to an id in the names of their face picture folders.
        own: whether these are a user's recordings: two datasets of this name may hold different clips.
        generated_by: the command that generates it, with prepared clips; empty for recordings.
        takes_every_video: whether every video below the root becomes an item.
        root_may_be_file: whether the root may also be the list itself instead of its folder.
        prepared_list: path of the manifest of prepared clips, relative to the root; by default
            ``prepared/<name>.csv``.
        sound_only: whether it has no pictures: ``Item.video`` is a sound file, and the recipe has
            ``modality = "audio"``.
        pictures_only: whether it has stills only: ``Item.video`` is a picture, and the recipe has
            ``modality = "video"``.
        shares_people: why its published split has the same people in several parts; empty if it has not.
        package: the package of a plug-in that it comes from; hicmae fills it in.

    Raises:
        ValueError: a dataset without labels has labels, folds or a fine-tuning recipe, or the other way round.
    """

    name: str
    title: str
    recorded: str = ""
    languages: tuple[str, ...] = ()
    folder: str
    task: Literal[Kind, "pretraining"]
    labels: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    folds: tuple[str, ...] = ()
    fold_rule: str
    metric: Metric | Literal[""] = ""
    reported: tuple[Metric, ...] = ()
    sampling_rate: int
    sampling: Literal["frames", "time"] = "frames"
    recipe: str = ""
    pretrain_recipe: str = ""
    items: Callable[[Path], list[Item]] = _no_items
    deal: Callable[[Sequence[Item]], list[Item]] | None = None
    ignored: Callable[[Path], list[str]] = _no_warnings
    actors: Callable[[Path], Mapping[str, Mapping[str, str]]] = _no_actors
    layout: str
    citation: str
    licence: str
    access: str
    excluded: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    published: Mapping[str, SplitFacts] = field(default_factory=dict)
    people: tuple[int, int] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    merge_by: int = 0
    frames_suffix: str = ""
    own: bool = False
    generated_by: str = ""
    takes_every_video: bool = False
    root_may_be_file: bool = False
    prepared_list: str = ""
    sound_only: bool = False
    pictures_only: bool = False
    shares_people: str = ""
    package: str = ""

    def __post_init__(self) -> None:
        if not self.is_labelled == bool(self.recipe) == bool(self.metric):
            raise ValueError(
                f"{self.name}: expected a recipe and a metric exactly if there are labels, got {self.recipe!r} and "
                f"{self.metric!r} for {self.task}"
            )
        if not self.is_labelled and (self.labels or self.folds or self.published):
            raise ValueError(f"{self.name}: expected no labels, folds or published splits for pretraining")

    @property
    def is_labelled(self) -> bool:
        """Whether its clips have labels; without them it is for pre-training only."""
        return self.task != "pretraining"

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        facts = {
            key: value
            for key, value in vars(self).items()
            if key not in ("items", "deal", "ignored", "actors", "layout", "published", "prepared_list")
        }
        return {
            **facts,
            "layout": self.layout.splitlines(),
            "published": {fold: asdict(split) for fold, split in self.published.items()},
        }
