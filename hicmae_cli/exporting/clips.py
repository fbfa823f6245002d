"""Prepared clips on which a precision is chosen and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, read_prepared_clip, stack_clips
from hicmae_cli.corpora.clip_list import find_clips
from hicmae_cli.corpora.manifest import describe_fault, read_manifest
from hicmae_cli.errors import HicmaeError, ManifestError
from hicmae_cli.evaluation.scoring import restrict
from hicmae_cli.tasks import Kind, pick_labels
from hicmae_cli.weights.info import WeightInfo

MOST_CLIPS: Final = 256
"""They are all in memory, 1.3 MB each."""
_ALIKE: Final = 0.05
_WITHHELD: Final = 4


@dataclass(frozen=True)
class ClipChoice:
    """Which clips to use; as in `hicmae_cli.evaluation.evaluate.evaluate`.

    Attributes:
        dataset: name of a known dataset.
        root: its folder.
        manifest: a list of prepared clips instead; labels may be missing.
        split: only clips of this split of the list; None for all of them.
    """

    dataset: str | None = None
    root: str | Path | None = None
    manifest: str | Path | None = None
    split: str | None = None

    def read(self, info: WeightInfo) -> list[Clip]:
        """Read the first view of at most ``MOST_CLIPS`` clips, spread over the list, as a weight samples them.

        Raises:
            SettingsError: no list, or an unknown dataset.
            ManifestError: the list cannot be read or has no clips of the split, or a clip cannot be read.
        """
        found = find_clips(self.dataset, self.root, self.manifest)
        samples = [
            sample
            for sample in read_manifest(found.manifest, labelled=False)
            if self.split in (None, sample.split) and sample.has_stream(info.modality)
        ]
        if not samples:
            of_split = "" if self.split is None else f" of split={self.split!r}"
            raise ManifestError(f"{found.manifest}: no clips{of_split} that the weight can use")
        clips = []
        for at in np.unique(np.linspace(0, len(samples) - 1, MOST_CLIPS).round().astype(int)):
            sample = samples[at]
            try:
                prepared = read_prepared_clip(sample.video, sample.audio)
                view = prepared.read_evaluation_clips(info.frame_stride, info.modality)[0]
                shown = restrict(view, info.modality)
            except (HicmaeError, ValueError) as error:
                raise ManifestError(f"{found.manifest}: {describe_fault(sample, error)}") from error
            if shown is not None:
                clips.append(shown)
        if not clips:
            raise ManifestError(f"{found.manifest}: no clip has the streams of the weight ({info.modality})")
        return clips


def feed(clips: Sequence[Clip]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the inputs of the network, a clip at a time."""
    for clip in clips:
        yield dict(zip(("video", "audio"), stack_clips([clip]), strict=True))


def add_withheld(clips: Sequence[Clip]) -> list[Clip]:
    """Add some of the clips with one stream alone: a withheld one has numbers of its own, which ranges must cover."""
    alone = [restrict(clip, stream) for clip in clips[:_WITHHELD] for stream in ("video", "audio")]
    return [*clips, *(clip for clip in alone if clip is not None)]


def measure_agreement(expected: NDArray[Any], got: NDArray[Any], kind: Kind) -> float:
    """Compute the share of clips for which two models decide alike, from their outputs (n, C).

    They agree on the class, or on the whole set of labels. Values of a regression agree if they differ by at most 5 %
    of the range that the expected ones have over the clips.

    Args:
        expected: probabilities or values.
        got: of the other model.
        kind: what they are.
    """
    if kind == "regression":
        reach = _ALIKE * np.ptp(expected, axis=0)
        return float((np.abs(got - expected) <= reach).all(axis=1).mean())
    if kind == "multilabel":
        names = [str(at) for at in range(expected.shape[1])]
        pairs = zip(expected.tolist(), got.tolist(), strict=True)
        return float(np.mean([pick_labels(names, one) == pick_labels(names, other) for one, other in pairs]))
    return float((expected.argmax(axis=1) == got.argmax(axis=1)).mean())
