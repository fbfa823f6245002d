"""The settings of both phases, and those whose defaults differ between the phases; see ``settings.py``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.config import VARIANTS, ModelDims
from hicmae_cli.recipes.setting_types import Clips, Epochs, Momentum, OneOf, Probability, Steps, Tracker, Unit

# The settings whose defaults differ between the phases. Bounds are written once for each setting: of two bounds of one
# kind, pydantic drops one.
DropPath = Annotated[
    Probability,
    Field(ge=0, lt=1, description="Stochastic depth: how often the last layer is skipped, rising from 0 at the first."),
]
BatchSize = Annotated[Clips, Field(ge=1, description="Clips of one optimiser step over all processes and rounds.")]
TotalEpochs = Annotated[Epochs, Field(ge=1, description="Length of the run; the learning rate falls until its end.")]
BaseRate = Annotated[
    float, Field(gt=0, description="Highest learning rate for 256 clips a step; scaled by batch_size / 256.")
]
LeastRate = Annotated[
    float, Field(ge=0, description="Learning rate at the end of the run for 256 clips a step; scaled likewise.")
]
Betas = Annotated[
    tuple[Momentum, Momentum], Field(strict=False, description="Momentum of AdamW: of the gradient and of its square.")
]


class Settings(BaseModel):
    """The settings of both phases. Unknown keys are refused, and values are never converted from another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
    phase: ClassVar[str]
    """The phase in words."""

    # Model
    variant: Annotated[str, OneOf(tuple(VARIANTS))] = Field("base", description="Size of the model.")
    encoder_width: int | None = Field(None, ge=1, description="Channels of the encoders; unset is the variant's.")
    encoder_heads: int | None = Field(
        None, ge=1, description="Attention heads of the encoders; unset is the variant's."
    )
    encoder_depth: int | None = Field(
        None, ge=1, description="Layers of the encoder of each stream; unset is the variant's."
    )
    fusion_depth: int | None = Field(
        None,
        ge=0,
        description="Layers that fuse both streams; unset is the variant's. 0 trains the encoders alone, for a later "
        "run to start from.",
    )
    drop_path: DropPath
    fit_start_clips: Clips = Field(
        0, ge=0, description="Whiten the patches of a new model over so many training clips before step 1; 0 does not."
    )
    freeze_patches: bool = Field(False, description="Keep the patch embeddings as they are at the start.")
    compile: bool = Field(False, description="Compile the model by torch.compile: a slow start, then faster steps.")
    gradient_checkpointing: bool = Field(
        False, description="Compute activations again in the backward pass: less memory for a third more time."
    )
    # Data
    batch_size: BatchSize
    accumulation: int = Field(
        1, ge=1, description="Rounds in which a process works through its clips of a step; more need less memory."
    )
    num_workers: int = Field(1, ge=0, description="Processes that read clips, for each training process; 0 uses none.")
    cache_clips: bool = Field(False, description="Keep decoded videos in memory, about 1.4 MB each.")
    audio_gain: bool = Field(True, description="Multiply the sound by a random Beta(10, 10) + 0.5.")
    # Optimisation
    epochs: TotalEpochs
    warmup_epochs: Annotated[float, Unit("epochs")] = Field(
        5, ge=0, description="The learning rate rises linearly from 0 over so many epochs."
    )
    base_lr: BaseRate
    min_lr: LeastRate
    weight_decay: float = Field(0.05, ge=0, description="Weight decay of AdamW; biases and norms have none.")
    betas: Betas
    clip_grad_norm: float | None = Field(None, gt=0, description="Scale gradients down to this norm; unset does not.")
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        "no",
        description="Compute in this type instead of float32; fp16 needs a GPU. auto is fp16 on a CUDA GPU, else no.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of everything random in the run.")
    # Checkpoints
    checkpoint_every: Steps = Field(500, ge=1, description="Save a checkpoint so often, and after each epoch.")
    keep_checkpoints: int = Field(2, ge=1, description="Number of checkpoints to keep; older ones are removed.")
    trackers: tuple[Tracker, ...] | None = Field(
        None,
        strict=False,
        description="Where to log beside metrics.jsonl; unset is TensorBoard if it is installed, [] is nowhere.",
    )

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
            usual.fusion_depth if self.fusion_depth is None else self.fusion_depth,
        )

    @property
    def peak_lr(self) -> float:
        """Base learning rate scaled by batch / 256."""
        return self.base_lr * self.batch_size / 256

    @property
    def final_lr(self) -> float:
        """Lowest learning rate, scaled by batch / 256."""
        return self.min_lr * self.batch_size / 256
