"""Metadata of a weight file: one JSON text, the same for safetensors and ONNX files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hicmae_cli import __version__
from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.labels import PUPPETS_NAME, canonical_label, is_label
from hicmae_cli.modalities import Modality
from hicmae_cli.model_input import FRAME_STEP_S
from hicmae_cli.models.config import VIDEO_TOKENS, Architecture, DecoderDims, ModelDims, VideoTokens, find_variant
from hicmae_cli.records.facts import Phase, RunFacts
from hicmae_cli.records.seen import SeenData
from hicmae_cli.tasks import JOINT, Kind
from hicmae_cli.weights.facts import HeldOutScore

METADATA_KEY = "hicmae"
"""Key of the JSON text in the metadata of both file formats."""
STORAGE_KEY = "hicmae.storage"
"""Key of a second JSON text in an ONNX file: how its numbers are stored, and where each parameter is."""
OUR_FRONT_END = "hicmae.align/1"
"""Faces that ``faces.align_face`` aligned."""
AUTHORS_FRONT_END = "openface-similarity/160"
"""Faces that the paper's authors aligned with OpenFace."""
VOXCELEB2_FRONT_END = "voxceleb2/160"
"""VoxCeleb2's faces: rows 0 to 160 and columns 32 to 192 of its pictures."""
FRAME_FOLDERS = "frame-folders"
"""Folders of face pictures with an unknown alignment."""

UNKNOWN = "unknown"
"""Dataset or licence that nobody has named."""

_MAX_LABELS = 1000
_ALWAYS_WRITTEN = {"format", "task", "metrics", "created_with"}

Selection = Literal["val", "last", "test-best"]
"""The epoch that was kept: the best on validation clips, the last, or the best on the test clips."""
OneStream = Literal["video", "audio"]
"""Streams of a clip that lacks the other one."""
Temperature = Annotated[float, Field(ge=0.01, le=100)]
"""A divisor of logits; far outside of what is fitted, probabilities would be all equal or not finite."""
Precision = Literal["float32", "float16"]
"""How a file stores the parameters, which are converted to float32 before anything is computed."""
ComputePrecision = Literal["float32", "float16", "int8"]
"""What the network of an ONNX file computes in; its inputs and outputs are float32."""
PRECISIONS: Final[tuple[ComputePrecision, ...]] = get_args(ComputePrecision)
Sampling = Literal["frames", "time"]
"""How the 16 frames of a clip are chosen: every n-th frame, as the paper does, or one every 0.16 s."""


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
    # None: the layers that the decoders read.
    contrast_layers: tuple[int, ...] | None = None
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
    task: Literal[Kind, "pretraining"] = "classification"
    labels: tuple[str, ...]
    dataset: str
    sampling_rate: int
    front_end: str
    licence: str
    source: str
    metrics: dict[str, dict[str, float]] = {}
    created_with: str = f"hicmae {__version__}"
    selection: Selection | Literal[""] = ""
    modality: Modality = "av"
    fold: str = ""
    protocol: str = ""
    split_seed: int | None = None
    label_share: float = 1.0
    extended_from: tuple[int, ...] = ()
    layer_fusion: bool = True
    withheld: Literal["zeros", "mean token"] = "zeros"
    video_tokens: VideoTokens = VIDEO_TOKENS
    temperature: Temperature | None = None
    one_stream_temperatures: dict[OneStream, Temperature] = {}
    sampling: Sampling = "frames"
    frame_step_s: float | None = Field(None, ge=0.01, le=3.75)
    pretraining: PretrainingFacts | None = None
    relabelled: dict[str, str] = {}
    filled_in: tuple[str, ...] = ()
    run: RunFacts | None = None
    seen: tuple[SeenData, ...] = ()
    trained_on: str = ""
    held_out: tuple[HeldOutScore, ...] = ()
    cannot_judge: str = ""
    intended_use: str = ""

    @field_validator("labels")
    @classmethod
    def _make_canonical(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(canonical_label(label) for label in labels)
        if len(names) > _MAX_LABELS:
            raise ValueError(f"expected at most {_MAX_LABELS} labels, got {len(names)}")
        if not all(map(is_label, names)) or len(set(names)) != len(names):
            raise ValueError(f"expected distinct, short and printable label names, got {list(labels)}")
        return names

    @field_validator("sampling_rate")
    @classmethod
    def _check_positive(cls, rate: int) -> int:
        if rate < 1:
            raise ValueError(f"expected a sampling rate >= 1, got {rate}")
        return rate

    @model_validator(mode="after")
    def _check_task(self) -> WeightInfo:
        if self.task == "pretraining" and (self.labels or self.pretraining is None):
            raise ValueError("a pre-trained weight must have `pretraining` and no labels")
        if self.task != "pretraining" and (not self.labels or self.pretraining is not None):
            raise ValueError("a weight that predicts must have labels and no `pretraining`")
        if self.task == "multilabel" and any(JOINT in label for label in self.labels):
            raise ValueError(f"a multi-label weight must have labels without {JOINT}, which joins the labels of a set")
        return self

    @model_validator(mode="after")
    def _check_relabelled(self) -> WeightInfo:
        firsts = [self.relabelled.get(label, label) for label in self.labels]
        if (
            not set(self.relabelled) <= set(self.labels)
            or len(set(firsts)) != len(firsts)
            or not all(map(is_label, firsts))
        ):
            raise ValueError(
                f"relabelled: expected present labels and their distinct first names, got {self.relabelled}"
            )
        return self

    @model_validator(mode="after")
    def _check_dims(self) -> WeightInfo:
        try:
            variant = find_variant(self.model_dims)
        except WeightsError as error:
            raise ValueError(str(error)) from error
        if self.variant != variant:
            raise ValueError(f"got variant {self.variant!r}, but the dims are those of {variant!r}")
        return self

    @property
    def kind(self) -> Kind:
        """What the outputs of a weight that predicts mean.

        Raises:
            WeightsError: a pre-trained weight, which predicts nothing.
        """
        if self.task == "pretraining":
            raise WeightsError("a pre-trained weight predicts nothing; fine-tune it first")
        return self.task

    @property
    def model_dims(self) -> ModelDims:
        """Sizes of the network."""
        return ModelDims.from_dict(self.dims)

    @property
    def frame_stride(self) -> int | None:
        """Frames from one sampled frame of a prepared clip to the next; None if the weight samples by time."""
        return self.sampling_rate if self.sampling == "frames" else None

    @property
    def step_s(self) -> float:
        """Typical time between two sampled frames in training: 0.16 s, unless frames were counted at another rate."""
        return FRAME_STEP_S if self.frame_step_s is None else self.frame_step_s

    @property
    def architecture(self) -> Architecture:
        """What decides the parameters of the network.

        Raises:
            WeightsError: sizes that do not fit together.
        """
        facts = self.pretraining
        if facts is None:
            return Architecture(
                self.model_dims,
                outputs=len(self.labels),
                layer_fusion=self.layer_fusion,
                one_token=self.withheld == "mean token",
                video_tokens=self.video_tokens,
            )
        return Architecture(
            self.model_dims, decoder=facts.decoder_dims, skips=facts.skips, contrast_layers=facts.contrast_layers
        )

    @property
    def is_demo(self) -> bool:
        """Whether the model was not trained on real people, so its predictions about them are meaningless."""
        return self.dataset == PUPPETS_NAME

    @property
    def history(self) -> tuple[SeenData, ...]:
        """The trainings of the weight and of the weights that it started from, the oldest first.

        A weight that records none has one, with the little that its other fields tell.
        """
        if self.seen:
            return self.seen
        phase: Phase = "pre-training" if self.task == "pretraining" else "fine-tuning"
        return (SeenData(dataset=self.dataset, phase=phase, fold=self.fold),)

    def find_temperature(self, modality: str) -> float | None:
        """Return the temperature that was fitted for clips of these streams; None without one.

        A temperature that was fitted with both streams says nothing about clips with one of them.
        """
        if self.task != "classification":
            return None
        if modality == self.modality:
            return self.temperature
        return next((value for stream, value in self.one_stream_temperatures.items() if stream == modality), None)

    def with_metrics(self, metrics: Mapping[str, Mapping[str, float]], temperature: float | None = None) -> WeightInfo:
        """Return the metadata of a weight that is written now: with its scores, and the time that the run took."""
        run = self.run and self.run.read_clock()
        return self.model_copy(update={"metrics": metrics, "temperature": temperature, "run": run})

    def list_renamed(self) -> list[str]:
        """List the labels that were renamed after the training, each with its first name."""
        return [f"{label} (was {first})" for label, first in self.relabelled.items()]

    def to_json(self) -> str:
        """Return the JSON text, with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON text; optional fields with their usual value are absent."""
        fields = type(self).model_fields.items()
        usual = {name for name, field in fields if not field.is_required() and getattr(self, name) == field.default}
        return self.model_dump(mode="json", exclude=usual - _ALWAYS_WRITTEN)

    @classmethod
    def from_metadata(cls, metadata: dict[str, str] | None, path: Path) -> WeightInfo:
        """Read the metadata of a weight file.

        Raises:
            WeightsError: the file has no hicmae metadata, or malformed ones; names every invalid field.
        """
        text = (metadata or {}).get(METADATA_KEY)
        if text is None:
            raise WeightsError(
                f"{path}: has no hicmae metadata, so it is not a hicmae weight; import an authors' .pth with "
                "`hicmae weights import`"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'metadata'}: {fault['msg']}" for fault in error.errors()
            )
            raise WeightsError(one_line(f"{path}: malformed hicmae metadata: {faults}")) from error
