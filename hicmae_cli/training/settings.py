"""Every value that decides a training run. ``recipes/*.toml`` explain them; the defaults are the paper's.

Unknown keys are refused; all faults are reported together (``training/recipes.py``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hicmae_cli.errors import WeightsError
from hicmae_cli.model_input import LOG_MEL_BINS, LOG_MEL_FRAMES, WINDOW_S
from hicmae_cli.models.config import AUDIO_GRID, DECODERS, VARIANTS, VIDEO_GRID, Architecture, DecoderDims, ModelDims
from hicmae_cli.models.masking import count_masked
from hicmae_cli.models.objectives import TEMPERATURE
from hicmae_cli.training.rand_augment import parse_policy

Momentum = Annotated[float, Field(ge=0, lt=1)]
Variant = Literal["nano", "tiny", "small", "base"]


class Settings(BaseModel):
    """What both phases share: how faults are found, how a step is dealt out, and the learning rate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Encoder sizes that a recipe does not give are those of the variant.
    variant: Variant = "base"
    encoder_width: int | None = Field(None, ge=1)
    encoder_heads: int | None = Field(None, ge=1)
    encoder_depth: int | None = Field(None, ge=1)
    fusion_depth: int | None = Field(None, ge=1)
    batch_size: int = Field(ge=1)
    accumulation: int = Field(1, ge=1)
    epochs: int = Field(ge=1)
    warmup_epochs: float = Field(ge=0)
    base_lr: float = Field(gt=0)
    min_lr: float = Field(ge=0)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Settings:
        try:
            _ = self.dims
        except WeightsError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def dims(self) -> ModelDims:
        """Sizes of the encoders: those of the variant, unless the recipe gives others."""
        usual = VARIANTS[self.variant]
        return ModelDims(
            self.encoder_width or usual.width,
            self.encoder_heads or usual.heads,
            self.encoder_depth or usual.depth,
            self.fusion_depth or usual.fusion_depth,
        )

    @property
    def peak_lr(self) -> float:
        """Base learning rate scaled by batch / 256."""
        return self.base_lr * self.batch_size / 256

    @property
    def final_lr(self) -> float:
        """Lowest learning rate, scaled the same way."""
        return self.min_lr * self.batch_size / 256


class FinetuneSettings(Settings):
    """Everything that decides a fine-tuning run (HiCMAE, section 4.2).

    ``batch_size`` counts the clips of one optimiser step over all processes, so that a recipe means the same on one GPU
    and on eight; ``accumulation`` is in how many pieces each process takes its share.
    """

    # Model
    drop_path: float = Field(0.1, ge=0, lt=1)
    layer_fusion: bool = True
    fit_start_clips: int = Field(0, ge=0)
    freeze_patches: bool = False
    # Task
    modality: Literal["av", "video", "audio"] = "av"
    loss: Literal["auto", "cross_entropy", "mse", "l1", "smooth_l1", "ccc", "pcc"] = "auto"
    class_weights: Literal["none", "balanced"] = "none"
    # Selection
    selection: Literal["val", "last", "test-best"] = "val"
    validation_share: float = Field(0.1, gt=0, le=0.5)
    patience: int | None = Field(None, ge=1)
    # Data
    sampling_rate: int = Field(4, ge=1)
    batch_size: int = Field(56, ge=1)
    accumulation: int = Field(1, ge=1)
    num_workers: int = Field(1, ge=0)
    cache_clips: bool = False
    # Optimisation
    epochs: int = Field(50, ge=1)
    validate_every: int = Field(1, ge=1)
    warmup_epochs: float = Field(5, ge=0)
    base_lr: float = Field(1e-3, gt=0)
    min_lr: float = Field(1e-6, ge=0)
    layer_decay: float = Field(0.75, gt=0, le=1)
    weight_decay: float = Field(0.05, ge=0)
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    clip_grad_norm: float | None = Field(None, gt=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    seed: int = Field(0, ge=0, lt=2**32)
    # What is kept
    checkpoint_every: int = Field(500, ge=1)
    keep_checkpoints: int = Field(2, ge=1)
    # Augmentation
    rand_augment: str = "rand-m7-n4-mstd0.5-inc1"
    crop_area: tuple[float, float] = (0.08, 1.0)
    flip: float = Field(0.5, ge=0, le=1)
    colour_jitter: float = Field(0.0, ge=0, le=1)
    erase: float = Field(0.25, ge=0, le=1)
    frame_jitter: float = Field(0.0, ge=0, le=1)
    wobble_px: float = Field(0.0, ge=0, le=16)
    noise_levels: int = Field(0, ge=0, le=64)
    mixup: float = Field(0.8, ge=0)
    cutmix: float = Field(1.0, ge=0)
    mix_probability: float = Field(1.0, ge=0, le=1)
    mix_switch: float = Field(0.5, ge=0, le=1)
    mix_audio: bool = False
    audio_gain: bool = True
    audio_gain_db: float = Field(0.0, ge=0)
    audio_shift_s: float = Field(0.0, ge=0, lt=WINDOW_S)
    mask_time_frames: int = Field(0, ge=0, lt=LOG_MEL_FRAMES)
    mask_mel_bins: int = Field(0, ge=0, lt=LOG_MEL_BINS)
    drop_stream: float = Field(0.0, ge=0, le=0.9)
    drop_video_tokens: float = Field(0.0, ge=0, lt=1)
    drop_audio_tokens: float = Field(0.0, ge=0, lt=1)

    @field_validator("rand_augment")
    @classmethod
    def _is_policy(cls, text: str) -> str:
        parse_policy(text)
        return text

    @field_validator("crop_area")
    @classmethod
    def _is_share(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1] <= 1:
            raise ValueError(f"expected two rising shares of the picture, above 0 and up to 1, got {list(area)}")
        return area

    @model_validator(mode="after")
    def _fits_together(self) -> FinetuneSettings:
        if self.fit_start_clips == 1:
            raise ValueError("fit_start_clips: one clip has no spread to fit to; use 0, or two at least")
        if self.mixes and self.drop_video_tokens:
            raise ValueError(
                "drop_video_tokens: must be 0 with mixup or cutmix, which mix whole clips; or set both of them to 0"
            )
        if self.selection == "last" and self.patience is not None:
            raise ValueError("patience: with selection last nothing is validated, so nothing can get worse")
        return self

    @property
    def mixes(self) -> bool:
        """Whether clips of a batch are mixed by mixup or cutmix; never for regression, whatever this says."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)


class PretrainSettings(Settings):
    """Everything that decides a pre-training run (HiCMAE, sections 3.3, 3.4 and 4.2).

    ``batch_size`` counts the clips of one optimiser step over all processes, so that a recipe means the same on one GPU
    and on eight; ``accumulation`` is in how many pieces each process takes its share.
    """

    # Model
    drop_path: float = Field(0.0, ge=0, lt=1)
    fit_start_clips: int = Field(0, ge=0)
    freeze_patches: bool = False
    skip_connections: bool = True
    skip_layers: tuple[int, ...] | None = None
    decoder_width: int | None = Field(None, ge=1)
    decoder_heads: int | None = Field(None, ge=1)
    # Task
    video_mask: Literal["tube", "random", "frame", "block", "dual"] = "tube"
    audio_mask: Literal["random", "frame", "block", "tube", "dual"] = "random"
    video_mask_ratio: float = 0.9
    audio_mask_ratio: float = 0.8
    frame_difference: bool = True
    rebuilt_share: float = Field(1.0, gt=0, le=1)
    contrast_weight: float = Field(0.0025, ge=0)
    contrast_layers: tuple[int, ...] | None = None
    temperature: float = Field(TEMPERATURE, gt=0)
    contrast_centred: bool = False
    contrast_segments: Literal[1, 2, 4, 8] = 1
    negatives: Literal["local", "all"] = "local"
    # Data
    batch_size: int = Field(160, ge=1)
    accumulation: int = Field(1, ge=1)
    num_workers: int = Field(1, ge=0)
    cache_clips: bool = False
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    audio_gain: bool = True
    # Optimisation
    epochs: int = Field(100, ge=1)
    warmup_epochs: float = Field(5, ge=0)
    base_lr: float = Field(3e-4, gt=0)
    min_lr: float = Field(1e-5, ge=0)
    weight_decay: float = Field(0.05, ge=0)
    betas: tuple[Momentum, Momentum] = (0.9, 0.95)
    clip_grad_norm: float | None = Field(None, gt=0)
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    compile: bool = False
    gradient_checkpointing: bool = False
    seed: int = Field(0, ge=0, lt=2**32)
    # What is kept and shown
    checkpoint_every: int = Field(500, ge=1)
    keep_checkpoints: int = Field(2, ge=1)
    picture_every: int = Field(1000, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> PretrainSettings:
        try:
            _ = self.architecture
        except WeightsError as error:
            raise ValueError(str(error)) from error
        if (self.video_mask == "dual") != (self.audio_mask == "dual"):
            raise ValueError("masks: dual is a choice for both streams, or for neither")
        _check_mask("video_mask_ratio", self.video_mask, VIDEO_GRID, self.video_mask_ratio)
        _check_mask("audio_mask_ratio", self.audio_mask, AUDIO_GRID, self.audio_mask_ratio)
        if not self.crop_scales or not all(0.1 <= scale <= 1 for scale in self.crop_scales):
            raise ValueError(f"crop_scales: expected shares of 0.1 to 1, got {list(self.crop_scales)}")
        return self

    @property
    def architecture(self) -> Architecture:
        """What decides the parameters of the network."""
        return Architecture(
            self.dims, decoder=self.decoder, skips=self.skip_connections, contrast_layers=self.contrasted
        )

    @property
    def decoder(self) -> DecoderDims:
        """Sizes of the decoders: those of the variant, unless the recipe gives others."""
        usual = DECODERS[self.variant]
        return DecoderDims(
            self.decoder_width or usual.width,
            self.decoder_heads or usual.heads,
            usual.skip_layers if self.skip_layers is None else self.skip_layers,
        )

    @property
    def contrasted(self) -> tuple[int, ...]:
        """Encoder layers that the contrastive loss compares: by default those the decoders read; none with weight 0."""
        if not self.contrast_weight:
            return ()
        return self.decoder.skip_layers if self.contrast_layers is None else self.contrast_layers


def _check_mask(key: str, kind: str, grid: tuple[int, ...], ratio: float) -> None:
    try:
        count_masked(kind, grid, ratio)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


OF_THE_MACHINE = frozenset({"num_workers", "cache_clips", "checkpoint_every", "keep_checkpoints", "picture_every"})
"""Settings that leave the numbers of a run as they are; a run may be resumed with others."""
