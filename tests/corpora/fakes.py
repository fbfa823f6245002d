"""Small corpora in the layout in which each dataset is distributed, with real media: a real face, a real voice.

``make_fake("crema-d", root)`` writes one and returns the items it holds. Annotations also name what a reader has to
pass over: labels that are not used, files known broken, what single listeners said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hicmae_cli.corpora.dataset import Item
from tests.corpora import other_fakes, paper_fakes
from tests.corpora.fake_media import put_picture, put_sound, put_video

Maker = Callable[[Path, int | None, int | None], list[Item]]


def make_fake(
    name: str, root: Path, *, folds: int | None = None, labels: int | None = None, media: bool = True
) -> list[Item]:
    """Write a fake corpus.

    Args:
        name: a dataset's name in the catalogue, but for puppets.
        root: where to.
        folds: how many folds have clips; all by default. A fixed split has both parts always.
        labels: how many of the labels occur, the first ones; all by default.
        media: whether videos and sounds can be played; if not they are empty files.

    Returns:
        What the dataset lists of it, sorted by id (for ``folder`` without folds).
    """
    items = sorted(_MAKERS[name](root, folds, labels), key=lambda item: item.id)
    for item in items:
        if item.video.suffix == ".wav":  # the dataset is sound only
            put_sound(item.video, media=media)
        elif item.video.suffix == ".jpg":
            put_picture(item.video, media=media)
        else:
            put_video(item.video, pair=item.part is not None, media=media)
        if item.audio is not None:
            put_sound(item.audio, media=media)
    return items


_MAKERS: dict[str, Maker] = {
    "crema-d": paper_fakes.fake_crema_d,
    "crema-d-4": paper_fakes.fake_crema_d_4,
    "ravdess": paper_fakes.fake_ravdess,
    "mafw": paper_fakes.fake_mafw,
    "mafw-43": paper_fakes.fake_mafw_43,
    "dfew": paper_fakes.fake_dfew,
    "mer2023": paper_fakes.fake_mer2023,
    "msp-improv": paper_fakes.fake_msp_improv,
    "iemocap": paper_fakes.fake_iemocap,
    "werewolf-xl": paper_fakes.fake_werewolf_xl,
    "avcaffe-arousal": paper_fakes.fake_avcaffe,
    "avcaffe-valence": paper_fakes.fake_avcaffe_valence,
    "meld": other_fakes.fake_meld,
    "emodb": other_fakes.fake_emodb,
    "blemore": other_fakes.fake_blemore,
    "folder": other_fakes.fake_folder,
    "manifest": other_fakes.fake_manifest,
    "photos": other_fakes.fake_photos,
    "annotations": other_fakes.fake_annotations,
}
FAKES = tuple(_MAKERS)
"""Names of the datasets that can be faked."""


def list_annotations(root: Path) -> list[Path]:
    """The texts and tables of a fake corpus; none where file names hold everything."""
    return [p for p in sorted(root.rglob("*")) if p.suffix in (".txt", ".csv") and not p.name.startswith(".")]


def _is_annotated(name: str) -> bool:
    with TemporaryDirectory() as folder:
        make_fake(name, Path(folder), folds=1, labels=1, media=False)
        return bool(list_annotations(Path(folder)))


ANNOTATED = tuple(name for name in FAKES if _is_annotated(name))
"""Names of the fakes that hold annotations."""
