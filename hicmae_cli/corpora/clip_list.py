"""Find the list of prepared clips that a dataset's name, a folder or a manifest stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.corpora.catalogue import data_home, dataset_root, find_dataset, prepared_manifest
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.puppets import MARK, PUPPETS
from hicmae_cli.errors import ManifestError, SettingsError, one_line


@dataclass(frozen=True)
class ClipList:
    """A list of prepared clips.

    Attributes:
        manifest: the file.
        dataset: the known dataset that it lists; None for other manifests.
        name: the dataset's name in the metadata of weights that are trained on it.
    """

    manifest: Path
    dataset: Dataset | None
    name: str


def find_clips(
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    *,
    draw_puppets: Callable[[Path], Path] | None = None,
) -> ClipList:
    """Find the clips of a dataset, of a manifest, or of a manifest that lists a known dataset.

    Args:
        dataset: name of a known dataset.
        root: its folder; by default the one in `data_home`.
        manifest: a list of clips to use instead of the dataset's own list.
        draw_puppets: draws or completes the generated corpus in a folder and returns its manifest. Without it, missing
            puppets are an error.

    Raises:
        SettingsError: neither a dataset nor a manifest, a root together with a manifest, or an unknown dataset or one
            without labels.
        ManifestError: the dataset is missing or not prepared; says what to do.
    """
    if dataset is None and manifest is None:
        raise SettingsError(
            "got neither `dataset` nor `manifest`; give one of them, or both if the manifest lists a known dataset"
        )
    if manifest is not None and root is not None:
        raise SettingsError(
            "got both `root` and `manifest`; give `root` to use a dataset's own list, or `manifest` alone"
        )
    known = find_dataset(dataset) if dataset is not None else None
    if manifest is not None:
        found = Path(manifest)
    else:
        assert known is not None
        found = _find_manifest(known, None if root is None else Path(root), draw_puppets)
    return ClipList(found, known, known.name if known else manifest_name(found))


def _find_manifest(dataset: Dataset, root: Path | None, draw_puppets: Callable[[Path], Path] | None) -> Path:
    if dataset.generated_by and draw_puppets is not None:
        return draw_puppets(root or data_home() / dataset.folder)
    folder = dataset_root(dataset, root)
    # The root may also be a store that `prepare` wrote to another place.
    for path in (prepared_manifest(dataset, folder), folder / f"{dataset.name}.csv"):
        if path.is_file():
            return path
    raise ManifestError(
        one_line(f"{folder}: {dataset.title} is not prepared yet: run `hicmae prepare {dataset.name} --root {folder}`")
    )


def manifest_name(manifest: Path) -> str:
    """Return the dataset's name in the metadata of weights that are trained on a manifest.

    Puppets keep their name whatever the file is called: their models must say that they cannot judge real people.
    """
    return PUPPETS.name if (manifest.parent / MARK).is_file() else manifest.stem
