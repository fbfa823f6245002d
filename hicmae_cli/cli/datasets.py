"""What ``--dataset``, ``--root`` and ``--manifest`` stand for: a list of clips, and what is known of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae_cli.cli.options import PUPPET_SIZES, usage_error
from hicmae_cli.errors import ManifestError, SettingsError, one_line

if TYPE_CHECKING:
    from hicmae_cli.corpora.dataset import Dataset
    from hicmae_cli.evaluation.under_test import UnderTest


@dataclass(frozen=True)
class ClipList:
    """A list of prepared clips.

    Attributes:
        manifest: the file.
        dataset: what is known of it; None for a manifest of one's own.
        name: what a weight trained on it says it was trained on.
    """

    manifest: Path
    dataset: Dataset | None
    name: str


def find_clips(dataset: str | None, root: Path | None, manifest: Path | None) -> ClipList:
    """The clips of a dataset by name, of a manifest, or of a manifest that is some known dataset's.

    Puppets are drawn first when they are not there yet, or not all of them.

    Raises:
        typer.BadParameter: neither a dataset nor a manifest.
        SettingsError: an unknown dataset.
        ManifestError: it is not there, or not prepared; says what to do.
    """
    from hicmae_cli.corpora.catalogue import find_dataset

    if dataset is None and manifest is None:
        raise usage_error(
            "give --dataset NAME, --manifest FILE, or both where the file lists a known dataset"
        )
    if manifest is not None and root is not None:
        raise usage_error("--root is where a dataset lies; --manifest already says where the clips are")
    known = find_dataset(dataset) if dataset is not None else None
    if manifest is None:
        assert known is not None
        manifest = _manifest_of(known, root)
    return ClipList(manifest, known, known.name if known else manifest_name(manifest))


def _manifest_of(dataset: Dataset, root: Path | None) -> Path:
    from hicmae_cli.corpora.catalogue import data_home, dataset_root, prepared_manifest

    if dataset.name == "puppets":
        return puppets_manifest(root or data_home() / dataset.folder)
    folder = dataset_root(dataset, root)
    # A store that `prepare --output` made elsewhere may be given as the root, too.
    for path in (prepared_manifest(dataset, folder), folder / f"{dataset.name}.csv"):
        if path.is_file():
            return path
    raise ManifestError(
        one_line(
            f"{folder}: {dataset.title} is not prepared yet: run `hicmae prepare {dataset.name} --root {folder}`"
        )
    )


def puppets_manifest(folder: Path) -> Path:
    """Manifest of the generated corpus, drawn if need be.

    Raises:
        ManifestError: the folder holds something else.
    """
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    sizes, seed = PUPPET_SIZES, 0
    begun = folder / "corpus.json"
    if begun.is_file():  # a drawing that was cut off goes on as it began
        try:
            facts = json.loads(begun.read_text("utf-8"))
            sizes, seed = (
                {str(name): int(count) for name, count in facts["sizes"].items()},
                int(facts["seed"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"{begun}: is not ours; choose another folder") from error
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, sizes, seed, workers=None)


def manifest_name(manifest: Path) -> str:
    """What a weight trained on a manifest says it was trained on.

    Puppets stay puppets however they are named on the command line: their models must say that they are no judges of
    real people.
    """
    return "puppets" if (manifest.parent / "corpus.json").is_file() else manifest.stem


def find_under_test(
    *,
    manifest: Path | None,
    dataset: str | None,
    root: Path | None,
    fold: str | None,
    split: str,
    cross: bool = False,
    label_map: str | None = None,
) -> UnderTest:
    """What the options of a command name; puppets that are not there are drawn.

    Raises:
        SettingsError: an unknown dataset, a fold it does not have, or a map that cannot be read.
        ManifestError: the dataset is not there, or not prepared.
    """
    from hicmae_cli.corpora.manifest import ALL_FOLDS
    from hicmae_cli.evaluation.label_maps import read_label_map
    from hicmae_cli.evaluation.under_test import UnderTest

    clips = find_clips(dataset, root, manifest)
    known = clips.dataset
    # Without names of its own, as of a user's manifest, the list says which there are.
    if fold and known is not None and known.folds and fold not in (ALL_FOLDS, *known.folds):
        raise SettingsError(
            f"--fold {fold}: {known.name} has no such fold; its folds are {', '.join(known.folds)}"
        )
    mapping = read_label_map(label_map, known.codes if known else None) if label_map else None
    return UnderTest(clips.name, clips.manifest, known, fold or "", split, cross, mapping)
