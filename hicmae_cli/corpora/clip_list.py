"""What a dataset's name, a folder and a manifest stand for: a list of prepared clips, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.corpora.catalogue import data_home, dataset_root, find_dataset, prepared_manifest
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.errors import ManifestError, SettingsError, one_line


@dataclass(frozen=True)
class ClipList:
    """A list of prepared clips.

    Attributes:
        manifest: the file.
        dataset: what is known of it; None for a manifest of one's own.
        name: the dataset's name in the metadata of weights that are trained on it.
    """

    manifest: Path
    dataset: Dataset | None
    name: str


def find_clips(
    dataset: str | None = None,
    root: Path | None = None,
    manifest: Path | None = None,
    *,
    draw_puppets: Callable[[Path], Path] | None = None,
) -> ClipList:
    """Find the clips of a dataset by name, of a manifest, or of a manifest that lists a known dataset.

    Args:
        dataset: name of a known dataset.
        root: its folder; by default the one in `data_home`.
        manifest: a list of clips, instead of the dataset's own.
        draw_puppets: draws the generated corpus into a folder, or completes it, and returns its manifest. Without
            it, puppets that are not drawn are an error.

    Raises:
        SettingsError: neither a dataset nor a manifest, a root with a manifest, or an unknown dataset.
        ManifestError: the dataset is not there, or not prepared; says what to do.
    """
    if dataset is None and manifest is None:
        raise SettingsError(
            "got neither a dataset nor a manifest; give one, or both where the file lists a known dataset"
        )
    if manifest is not None and root is not None:
        raise SettingsError(
            "got both a root and a manifest; the root is a dataset's folder, and the manifest already lists clips"
        )
    known = find_dataset(dataset) if dataset is not None else None
    if manifest is None:
        assert known is not None
        manifest = _manifest_of(known, root, draw_puppets)
    return ClipList(manifest, known, known.name if known else manifest_name(manifest))


def _manifest_of(dataset: Dataset, root: Path | None, draw_puppets: Callable[[Path], Path] | None) -> Path:
    if dataset.name == "puppets" and draw_puppets is not None:
        return draw_puppets(root or data_home() / dataset.folder)
    folder = dataset_root(dataset, root)
    # A store that `prepare --output` made elsewhere may be given as the root, too.
    for path in (prepared_manifest(dataset, folder), folder / f"{dataset.name}.csv"):
        if path.is_file():
            return path
    raise ManifestError(
        one_line(f"{folder}: {dataset.title} is not prepared yet: run `hicmae prepare {dataset.name} --root {folder}`")
    )


def manifest_name(manifest: Path) -> str:
    """The dataset's name in the metadata of weights that are trained on a manifest.

    Puppets keep their name however the file is called: their models must say that they cannot judge real people.
    """
    return "puppets" if (manifest.parent / "corpus.json").is_file() else manifest.stem
