"""Metadata of a weight file: one JSON text, the same in safetensors and ONNX files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from hicmae_cli import __version__
from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.labels import canonical_label, is_label
from hicmae_cli.models.config import Architecture, DecoderDims, ModelDims, find_variant

METADATA_KEY = "hicmae"
"""Key of the JSON text among the metadata of either file format."""
OUR_FRONT_END = "hicmae.align/1"
"""Faces as ``faces.align_face`` cuts them out."""
AUTHORS_FRONT_END = "openface-similarity/160"
"""Faces as the paper's authors cut them out, with OpenFace."""
VOXCELEB2_FRONT_END = "voxceleb2/160"
"""Faces as VoxCeleb2 has them, rows 0 to 160 and columns 32 to 192 of its pictures."""
FRAME_FOLDERS = "frame-folders"
"""Faces that were given as pictures; the way they were cut is unknown."""

_MAX_LABELS = 1000

Selection = Literal["", "val", "last", "test-best"]
"""Which epoch was kept: the best on clips set aside, the last, or the best on the test clips."""


class PretrainingFacts(BaseModel):
    """Additional metadata of a pre-trained weight: decoders, masks and contrast. The defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decoder_width: int
    decoder_heads: int
    skip_layers: tuple[int, ...]
    skips: bool = True
    frame_difference: bool = True
    video_mask: str = "tube"
    audio_mask: str = "random"
    video_mask_ratio: float = 0.9
    audio_mask_ratio: float = 0.8
    contrast_layers: tuple[int, ...] | None = None  # None: those the decoders read
    contrast_centred: bool = False
    contrast_segments: int = 1

    @property
    def decoder_dims(self) -> DecoderDims:
        """Sizes of the decoders."""
        return DecoderDims(self.decoder_width, self.decoder_heads, self.skip_layers)


class WeightInfo(BaseModel):
    """Metadata of one weight file; ``docs/weight-format.md`` describes every field.

    Labels are canonical names (``anger``, never ``ANG`` or 0), in the order of the model's outputs. A pre-trained
    weight (task ``pretraining``) has none, and cannot predict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    format: Literal["hicmae.weight/1"] = "hicmae.weight/1"
    variant: str
    dims: dict[str, int]
    task: Literal["classification", "regression", "pretraining"] = "classification"
    labels: tuple[str, ...]
    dataset: str
    sampling_rate: int
    front_end: str
    licence: str
    source: str
    metrics: dict[str, dict[str, float]] = {}
    created_with: str = f"hicmae {__version__}"
    selection: Selection = ""
    modality: Literal["av", "video", "audio"] = "av"
    fold: str = ""
    layer_fusion: bool = True
    pretraining: PretrainingFacts | None = None

    @field_validator("labels")
    @classmethod
    def _canonical(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(canonical_label(label) for label in labels)
        if len(names) > _MAX_LABELS:
            raise ValueError(f"expected at most {_MAX_LABELS} labels, got {len(names)}")
        if not all(map(is_label, names)) or len(set(names)) != len(names):
            raise ValueError(f"expected distinct, short and printable label names, got {list(labels)}")
        return names

    @field_validator("sampling_rate")
    @classmethod
    def _positive(cls, rate: int) -> int:
        if rate < 1:
            raise ValueError(f"expected a sampling rate >= 1, got {rate}")
        return rate

    @model_validator(mode="after")
    def _task_fits(self) -> WeightInfo:
        if self.task == "pretraining" and (self.labels or self.pretraining is None):
            raise ValueError("a pre-trained weight has no labels, and says what it was pre-trained to do")
        if self.task != "pretraining" and (not self.labels or self.pretraining is not None):
            raise ValueError("labels: a weight that predicts has some, and none of the pre-training facts")
        return self

    @model_validator(mode="after")
    def _dims_fit(self) -> WeightInfo:
        try:
            variant = find_variant(self.model_dims)
        except WeightsError as error:
            raise ValueError(str(error)) from error
        if self.variant != variant:
            raise ValueError(f"the variant says {self.variant!r} but the dims are those of {variant!r}")
        return self

    @property
    def model_dims(self) -> ModelDims:
        """Sizes of the network."""
        return ModelDims.from_dict(self.dims)

    @property
    def architecture(self) -> Architecture:
        """What decides the parameters of the network.

        Raises:
            WeightsError: sizes that do not fit together.
        """
        facts = self.pretraining
        if facts is None:
            return Architecture(self.model_dims, outputs=len(self.labels), layer_fusion=self.layer_fusion)
        return Architecture(
            self.model_dims, decoder=facts.decoder_dims, skips=facts.skips, contrast_layers=facts.contrast_layers
        )

    @property
    def is_demo(self) -> bool:
        """Whether the model never learned from real people, so that its answers about them mean nothing."""
        return self.dataset == "puppets"

    def to_json(self) -> str:
        """The one JSON text, with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON text: without optional fields that have no value."""
        silent = {name for name in ("pretraining", "selection", "fold") if not getattr(self, name)}
        silent |= {"modality"} if self.modality == "av" else set()
        silent |= {"layer_fusion"} if self.layer_fusion else set()
        return self.model_dump(mode="json", exclude=silent)

    @classmethod
    def from_metadata(cls, metadata: dict[str, str] | None, path: Path) -> WeightInfo:
        """Read the metadata of a weight file.

        Raises:
            WeightsError: no hicmae metadata, or malformed; names every field at fault.
        """
        text = (metadata or {}).get(METADATA_KEY)
        if text is None:
            raise WeightsError(
                f"{path}: no hicmae metadata in this file; it is not one of ours "
                "(an authors' .pth is taken in with `hicmae weights import`)"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'metadata'}: {fault['msg']}" for fault in error.errors()
            )
            raise WeightsError(one_line(f"{path}: malformed hicmae metadata: {faults}")) from error
