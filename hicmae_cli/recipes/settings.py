"""Every setting of a training run, with its bounds, unit and meaning. The defaults are the paper's.

``recipes/*.toml`` set them; ``recipes/recipe.py`` reads the files and reports all mistakes together. No torch here: a
recipe can be checked, and its keys can be listed, before torch is loaded.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, field_validator, model_validator

from hicmae_cli.errors import WeightsError
from hicmae_cli.modalities import Modality
from hicmae_cli.models.config import (
    AUDIO_GRID,
    DECODERS,
    TEMPERATURE,
    VIDEO_GRID,
    VIDEO_TOKENS,
    Architecture,
    DecoderDims,
    MaskKind,
    VideoTokens,
)
from hicmae_cli.models.losses import AUTO, LOSSES
from hicmae_cli.recipes.augmentation_settings import AugmentationSettings
from hicmae_cli.recipes.setting_types import Clips, Epochs, Layers, OneOf, Probability, Share, Steps, Unit
from hicmae_cli.recipes.shared_settings import BaseRate, BatchSize, Betas, DropPath, LeastRate, Settings, TotalEpochs
from hicmae_cli.weights.info import Sampling, Selection

_ROUNDING: Final = 1e-6
"""How far shares of a whole may sum to something else than 1."""


FrozenParts = Literal["none", "patches", "streams", "encoders"]


class FinetuneSettings(AugmentationSettings):
    """The settings of a fine-tuning run (HiCMAE, section 4.2)."""

    phase: ClassVar[str] = "fine-tuning"

    # Model
    drop_path: DropPath = 0.1
    layer_fusion: bool = Field(
        True, description="The head reads all layers (hierarchical feature fusion); false reads the last one only."
    )
    video_tokens: VideoTokens = Field(
        VIDEO_TOKENS,
        description="Video tokens that the model reads of a clip, here and in prediction: with fewer, it sees each "
        "place of the face at fewer times, and is faster. A step with drop_video_tokens draws its own.",
    )
    attention_start: Literal["random", "mimetic"] = Field(
        "random",
        description="First weights of the encoders' attention in a run without --init; mimetic starts like a trained "
        "one, which a small corpus learns from much faster.",
    )
    freeze: FrozenParts = Field(
        "none",
        description="Parts of the model to keep as they are at the start. With streams, the encoders of both streams "
        "do not learn, but their fusion does; with encoders, only layer weights, last norm and head learn.",
    )
    lora_rank: int = Field(
        0, ge=0, description="Learn low-rank updates (LoRA) of the frozen encoders' matrices, of this rank; 0 is off."
    )
    # Task
    modality: Modality = Field("av", description="Streams that the model gets, in training and later.")
    loss: Annotated[str, OneOf((AUTO, *LOSSES))] = Field(
        AUTO,
        description="Loss to minimise; auto is cross_entropy for classes, binary_cross_entropy for sets of labels and "
        "mse for a regression.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced weights each class by the inverse of its number of clips."
    )
    # Selection
    selection: Selection = Field(
        "val", description="Epoch to keep: the best on validation clips, the last, or the best on the test clips."
    )
    validation_share: Annotated[float, Unit("share of the clips")] = Field(
        0.1,
        gt=0,
        le=0.5,
        description="Training clips to set aside for validation, by whole people, if the list has none.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Seed that draws validation people, folds and the label share; seed draws all else.",
    )
    label_share: Annotated[float, Unit("share of the clips")] = Field(
        1.0, gt=0, le=1, description="Training clips of each class to learn from, for learning curves."
    )
    patience: Annotated[int, Unit("validations")] | None = Field(
        None, ge=1, description="Early stopping after so many validations without a better one; unset never stops."
    )
    # Data
    sampling: Sampling = Field(
        "frames", description="Count frames (sampling_rate), as the paper does; or by time: one frame every 0.16 s."
    )
    sampling_rate: Annotated[int, Unit("frames")] = Field(
        4, ge=1, description="Take every n-th frame of a clip, if frames are counted."
    )
    batch_size: BatchSize = 56
    # Several corpora
    epoch_clips: Clips = Field(
        0, ge=0, description="Clips of an epoch, drawn from the training clips; 0 is as many as there are."
    )
    source_shares: Annotated[dict[str, float], Unit("share of an epoch")] = Field(
        {}, description="Share of each source (a column of the manifest) in an epoch; empty takes clips as they come."
    )
    balance: Literal["none", "label", "root"] = Field(
        "none",
        description="label draws each label of a source equally often, root in proportion to the square root of its "
        "number of clips; none draws each clip equally often.",
    )
    person_cap: Annotated[int, Unit("clips")] = Field(
        0,
        ge=0,
        description="Most draws of one person and label in an epoch, if there are enough other people; 0 is off.",
    )
    pair_streams: Probability = Field(
        0.0, ge=0, le=1, description="Give a clip that has one stream the other one of a clip with the same label."
    )
    pair_disagreeing: Share = Field(
        0.0, ge=0, le=1, description="Share of these pairs whose labels differ; the target is the mean of both."
    )
    teacher_weight: Share = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the probabilities in the columns teacher_LABEL in each target; the label has the rest.",
    )
    auxiliary_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of the loss of the cues in the columns aux_face_NAME and aux_voice_NAME; 0 is off.",
    )
    # Optimisation
    epochs: TotalEpochs = 50
    validate_every: Epochs = Field(1, ge=1, description="Validate so often, and after the last epoch.")
    base_lr: BaseRate = 1e-3
    min_lr: LeastRate = 1e-6
    layer_decay: float = Field(
        0.75, gt=0, le=1, description="Learning rate of a layer as a share of that of the layer above it."
    )
    betas: Betas = (0.9, 0.999)
    label_smoothing: Share = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of each target that is spread over all classes, or over yes and no for each label of a set.",
    )
    ema_decay: float | None = Field(
        None, gt=0, lt=1, description="Validate and keep a moving average of the weights with this decay, e.g. 0.9999."
    )
    # Dropping
    drop_stream: Probability = Field(
        0.0,
        ge=0,
        le=0.9,
        description="Withhold one of the streams, so that the model also learns from the other alone.",
    )
    skip_absent_streams: bool = Field(
        False, description="Encode a missing stream once per step, for all clips that lack it; saves time on a CPU."
    )
    drop_video_tokens: Share = Field(0.0, ge=0, lt=1, description="Video tokens to drop in each step; saves time.")
    drop_audio_tokens: Share = Field(0.0, ge=0, lt=1, description="Audio tokens to drop in each step; saves time.")

    @field_validator("source_shares")
    @classmethod
    def _are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        if shares and (min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > _ROUNDING):
            given = ", ".join(f"{source} {share:g}" for source, share in shares.items())
            raise ValueError(f"expected shares of at least 0 that sum to 1, got {given}")
        return shares

    @model_validator(mode="after")
    def _fits_together(self) -> FinetuneSettings:
        if 0 < self.epoch_clips < self.batch_size:
            raise ValueError(f"epoch_clips: expected at least batch_size {self.batch_size}, got {self.epoch_clips}")
        if self.pair_disagreeing and not self.pair_streams:
            raise ValueError("pair_disagreeing: is a share of the pairs that pair_streams makes; set both")
        if self.pair_streams and self.modality != "av":
            raise ValueError(f"pair_streams: needs modality='av', got {self.modality!r}, which withholds a stream")
        if self.fit_start_clips == 1:
            raise ValueError("fit_start_clips: a single clip has no variance to whiten by; use 0, or at least 2")
        if self.mixes and self.drop_video_tokens:
            raise ValueError(
                "drop_video_tokens: must be 0 with mixup or cutmix, which mix whole clips; or set both of them to 0"
            )
        if self.lora_rank and self.freeze in ("streams", "encoders"):
            raise ValueError(
                f"lora_rank: changes the encoders that freeze={self.freeze!r} keeps; use only one of the two"
            )
        if self.selection == "last" and self.patience is not None:
            raise ValueError("patience: needs validation, which selection last does not do")
        return self

    @property
    def frozen(self) -> FrozenParts:
        """Parts of the model that do not learn; LoRA's updates are no part of the encoders."""
        if self.lora_rank:
            return "encoders"
        return "patches" if self.freeze == "none" and self.freeze_patches else self.freeze

    @property
    def frame_stride(self) -> int | None:
        """Frames from one sampled frame to the next; None if clips are sampled by time."""
        return self.sampling_rate if self.sampling == "frames" else None

    @property
    def draws_clips(self) -> bool:
        """Whether an epoch is drawn from the training clips; if not, it takes each of them once."""
        return bool(self.epoch_clips or self.source_shares or self.person_cap) or self.balance != "none"

    @property
    def softens_targets(self) -> bool:
        """Whether targets are probabilities as clips are read: means of two clips, or mixed with a teacher's."""
        return self.teacher_weight > 0 or self.pair_disagreeing > 0


class PretrainSettings(Settings):
    """The settings of a pre-training run (HiCMAE, sections 3.3, 3.4 and 4.2)."""

    phase: ClassVar[str] = "pre-training"

    # Model
    drop_path: DropPath = 0.0
    skip_connections: bool = Field(
        True, description="The decoders read encoder layers (hierarchical skip connections)."
    )
    skip_layers: Layers | None = Field(
        None, description="Encoder layers that the decoders read; unset is the variant's."
    )
    decoder_width: int | None = Field(None, ge=1, description="Channels of the decoders; unset is the variant's.")
    decoder_heads: int | None = Field(
        None, ge=1, description="Attention heads of the decoders; unset is the variant's."
    )
    # Task
    video_mask: MaskKind = Field("tube", description="How video tokens are hidden; tube hides the same places always.")
    audio_mask: MaskKind = Field("random", description="How audio tokens are hidden; dual needs dual for both streams.")
    video_mask_ratio: Share = Field(0.9, ge=0, le=1, description="Share of the video tokens to hide.")
    audio_mask_ratio: Share = Field(0.8, ge=0, le=1, description="Share of the audio tokens to hide.")
    frame_difference: bool = Field(
        True, description="Rebuild the second frame of a pair as its difference from the first."
    )
    rebuilt_share: Share = Field(
        1.0, gt=0, le=1, description="Share of the clips of a step to rebuild; the contrast uses all. Less saves time."
    )
    contrast_loss: Literal["infonce", "cycle", "clusters"] = Field(
        "infonce",
        description="How faces and voices are aligned: infonce is the paper's contrast; with cycle, a face must find "
        "itself again over its nearest voice; with clusters, each stream predicts the cluster of the other.",
    )
    clusters: int = Field(32, ge=2, description='Number of clusters, with contrast_loss = "clusters".')
    contrast_weight: float = Field(0.0025, ge=0, description="Weight of the contrastive loss; 0 is off.")
    contrast_layers: Layers | None = Field(
        None, description="Encoder layers to contrast, -1 for the last one; unset is those that the decoders read."
    )
    temperature: float = Field(TEMPERATURE, gt=0, description="Temperature of the contrastive loss; more is softer.")
    contrast_centred: bool = Field(False, description="Subtract the mean of the batch before clips are contrasted.")
    contrast_segments: Literal[1, 2, 4, 8] = Field(
        1, description="Parts of a clip's time that are contrasted; more compare sound and lips at each moment."
    )
    negatives: Literal["local", "all"] = Field(
        "local", description="Contrast a clip with those of its own process, or with those of all processes."
    )
    # Data
    batch_size: BatchSize = 160
    crop_scales: Annotated[tuple[float, ...], Unit("share of the side")] = Field(
        (1.0, 0.875, 0.75, 0.66), strict=False, description="Heights and widths of the random crop; [1] does not crop."
    )
    # Optimisation
    epochs: TotalEpochs = 100
    base_lr: BaseRate = 3e-4
    min_lr: LeastRate = 1e-5
    betas: Betas = (0.9, 0.95)
    # Checkpoints
    picture_every: Steps = Field(1000, ge=0, description="Draw the reconstruction of a clip so often; 0 is never.")

    @model_validator(mode="after")
    def _fits_together(self) -> PretrainSettings:
        try:
            _ = self.architecture
        except WeightsError as error:
            raise ValueError(str(error)) from error
        if (self.video_mask == "dual") != (self.audio_mask == "dual"):
            raise ValueError("video_mask, audio_mask: set both to dual, or neither")
        _check_mask("video_mask_ratio", self.video_mask, VIDEO_GRID, self.video_mask_ratio)
        _check_mask("audio_mask_ratio", self.audio_mask, AUDIO_GRID, self.audio_mask_ratio)
        if not self.crop_scales or not all(0.1 <= scale <= 1 for scale in self.crop_scales):
            raise ValueError(f"crop_scales: expected shares from 0.1 to 1, got {list(self.crop_scales)}")
        return self

    @property
    def architecture(self) -> Architecture:
        """What decides the parameters of the network."""
        return Architecture(
            self.dims, decoder=self.decoder, skips=self.skip_connections, contrast_layers=self.contrasted
        )

    @property
    def decoder(self) -> DecoderDims:
        """Sizes of the decoders: the variant's, with the recipe's changes."""
        usual = DECODERS[self.variant]
        return DecoderDims(
            self.decoder_width or usual.width,
            self.decoder_heads or usual.heads,
            usual.skip_layers if self.skip_layers is None else self.skip_layers,
        )

    @property
    def contrasted(self) -> tuple[int, ...]:
        """Encoder layers to contrast: by default those that the decoders read; none if the weight is 0."""
        if not self.contrast_weight:
            return ()
        if self.contrast_layers is None:
            return self.decoder.skip_layers
        return tuple(self.dims.depth - 1 if layer == -1 else layer for layer in self.contrast_layers)


def _check_mask(key: str, kind: MaskKind, grid: tuple[int, ...], ratio: float) -> None:
    # It imports torch, which pre-training needs anyway.
    from hicmae_cli.models.masking import count_masked

    try:
        count_masked(kind, grid, ratio)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


PHASES: Final[dict[str, type[Settings]]] = {"finetune": FinetuneSettings, "pretrain": PretrainSettings}
"""The command of a phase -> its settings."""

OF_THE_MACHINE: Final = frozenset(
    {"num_workers", "cache_clips", "checkpoint_every", "keep_checkpoints", "picture_every", "trackers"}
)
"""Settings that do not change the numbers of a run; a run may be resumed with other values."""
