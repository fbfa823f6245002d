"""Auxiliary targets: cues of face and voice that a training learns beside the labels, and that no weight predicts.

Letters: B batch, n training clips, A auxiliary targets, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from hicmae_cli.corpora.manifest import CUE, FACE_CUE, VOICE_CUE, Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.layers import initialise
from hicmae_cli.training.machine import seeded

_LEAST_DEVIATION: Final = 1e-3


@dataclass(frozen=True)
class Cues:
    """The auxiliary targets of the training clips.

    Attributes:
        names: of the A columns, those of faces first.
        values: as the manifest has them (n, A) float32; NaN where a clip has none.
    """

    names: tuple[str, ...]
    values: Tensor

    @property
    def of_faces(self) -> int:
        """Number of the targets that only faces can tell; they come first."""
        return sum(name.startswith(FACE_CUE) for name in self.names)

    def pick(self, face_row: int | None, voice_row: int | None) -> Tensor:
        """Return the targets (A,) of an item.

        Args:
            face_row: index of the clip whose faces it has; None without faces.
            voice_row: index of the clip whose sound it has; None without sound.
        """
        picked = torch.full((len(self.names),), math.nan)
        if face_row is not None:
            picked[: self.of_faces] = self.values[face_row, : self.of_faces]
        if voice_row is not None:
            picked[self.of_faces :] = self.values[voice_row, self.of_faces :]
        return picked


def read_cues(samples: Sequence[Sample], weight: float) -> Cues | None:
    """Read the auxiliary targets of the training clips; a column that no clip fills is skipped.

    Args:
        samples: the training clips.
        weight: the recipe's ``auxiliary_weight``.

    Returns:
        The targets; None if the weight is 0.

    Raises:
        ManifestError: text that is no number, or a column whose name does not say its stream.
        SettingsError: no training clip has a target.
    """
    if not weight:
        return None
    # Sorted, faces come before voices.
    names = sorted({name for sample in samples for name, text in sample.extra.items() if _is_target(name, text)})
    if not names:
        raise SettingsError(
            f"auxiliary_weight={weight:g}: no training clip has columns such as {FACE_CUE}jawOpen or "
            f"{VOICE_CUE}pitch_median; add them, or use auxiliary_weight=0"
        )
    for name in names:
        if not name.startswith((FACE_CUE, VOICE_CUE)):
            raise ManifestError(f"column {name}: expected a name that begins with {FACE_CUE} or {VOICE_CUE}; rename it")
    rows = [[_read_value(sample, name) for name in names] for sample in samples]
    return Cues(tuple(names), torch.tensor(rows, dtype=torch.float32))


def _is_target(name: str, text: str) -> bool:
    return name.startswith(CUE) and bool(text.strip())


def _read_value(sample: Sample, name: str) -> float:
    text = sample.extra.get(name, "").strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ManifestError(f"clip {sample.id}: expected a number or nothing in the column {name}, got {text!r}")
    return value


class AuxiliaryHead(nn.Module):
    """A linear layer from the classifier's features to the auxiliary targets, standardised.

    Its state holds the mean and the deviation of each target over the training clips that have it, so a resumed run has
    the same targets to the last bit.

    Args:
        cues: the targets.
        width: of the features.
        seed: of the first weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, cues: Cues, width: int, seed: int) -> None:
        super().__init__()
        self.of_faces = cues.of_faces
        with seeded(seed, torch.device("cpu")):
            self.layer = nn.Linear(width, len(cues.names))
            self.layer.apply(initialise)
        values = cues.values.double()
        mean = values.nanmean(dim=0)
        deviation = (values - mean).square().nanmean(dim=0).sqrt()
        self.register_buffer("mean", mean.float())
        # A target that hardly changes would otherwise be noise at the scale of the others.
        self.register_buffer("deviation", deviation.clamp(min=_LEAST_DEVIATION).float())

    def forward(self, features: Tensor) -> Tensor:
        """(B, 4D) -> standardised targets (B, A)."""
        return self.layer(features)  # type: ignore[no-any-return]

    def sum_losses(self, outputs: Tensor, cues: Tensor) -> Tensor:
        """Sum the smooth L1 loss over the known targets -> () float32; 0 with gradients of 0 if none is known.

        Args:
            outputs: of the layer (B, A).
            cues: targets as the manifest has them (B, A); NaN where unknown.
        """
        known = ~cues.isnan()
        # Unknown targets must be numbers: NaN times 0 is NaN, also in a gradient.
        targets = ((cues - self.mean) / self.deviation).where(known, 0.0)
        losses = functional.smooth_l1_loss(outputs.float(), targets, reduction="none")
        return losses.where(known, 0.0).sum()


class AuxiliaryLearner(nn.Module):
    """A classifier and an auxiliary head on its features, as one model to train.

    The classifier stays what it is: its state, its moving average and its file know nothing of the head.
    """

    def __init__(self, classifier: Classifier, head: AuxiliaryHead) -> None:
        super().__init__()
        self.classifier, self.head = classifier, head

    def forward(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Arguments of ``Classifier.forward`` -> its outputs (B, C), and those of the auxiliary head (B, A)."""
        features = self.classifier.features(video, audio, keep_video, keep_audio)
        return self.classifier.head(features), self.head(features)

    def list_depths(self) -> dict[str, int]:
        """Depth of every parameter by its name; the auxiliary head is as deep as the classifier's."""
        depths = self.classifier.list_depths()
        named = {f"classifier.{name}": depth for name, depth in depths.items()}
        return named | {f"head.{name}": depths["head.weight"] for name, _ in self.head.named_parameters()}
