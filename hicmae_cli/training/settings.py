"""Training settings: a recipe (TOML) plus options, checked as a whole before anything runs."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hicmae_cli.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class FinetuneSettings(BaseModel):
    """Everything that decides a fine-tuning run. ``recipes/*.toml`` explain every value.

    Unknown keys are refused; all faults are reported together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Model
    variant: Literal["nano", "tiny", "small", "base"] = "base"
    drop_path: float = Field(0.1, ge=0, lt=1)
    fit_start_clips: int = Field(0, ge=0)
    freeze_patches: bool = False
    # Data
    sampling_rate: int = Field(4, ge=1)
    batch_size: int = Field(56, ge=1)
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
    betas: tuple[float, float] = (0.9, 0.999)
    clip_grad_norm: float | None = Field(None, gt=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    mixed_precision: Literal["no", "bf16"] = "no"
    seed: int = Field(0, ge=0, lt=2**32)
    # Augmentation
    crop_area: tuple[float, float] = (0.08, 1.0)
    flip: float = Field(0.5, ge=0, le=1)
    colour_jitter: float = Field(0.0, ge=0, le=1)
    erase: float = Field(0.25, ge=0, le=1)
    frame_jitter: float = Field(0.0, ge=0, le=1)
    wobble_px: float = Field(0.0, ge=0, le=16)
    noise_levels: int = Field(0, ge=0, le=64)
    audio_gain_db: float = Field(0.0, ge=0)
    audio_shift_s: float = Field(0.0, ge=0, lt=2.56)
    mask_time_frames: int = Field(0, ge=0, lt=256)
    mask_mel_bins: int = Field(0, ge=0, lt=128)
    drop_stream: float = Field(0.0, ge=0, le=0.9)
    drop_video_tokens: float = Field(0.0, ge=0, lt=1)
    drop_audio_tokens: float = Field(0.0, ge=0, lt=1)

    @property
    def peak_lr(self) -> float:
        """Base learning rate scaled by batch / 256."""
        return self.base_lr * self.batch_size / 256

    @property
    def final_lr(self) -> float:
        """Lowest learning rate, scaled the same way."""
        return self.min_lr * self.batch_size / 256


def available_recipes() -> list[str]:
    """Names of the recipes that ship with the package."""
    folder = resources.files("hicmae_cli") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def load_settings(recipe: str | Path, overrides: dict[str, Any] | None = None) -> FinetuneSettings:
    """Read a recipe by name or path, apply overrides, check the whole.

    Raises:
        SettingsError: no such recipe, not TOML, or values that cannot be used; every fault is named.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        if str(recipe) not in available_recipes():
            raise SettingsError(f"no recipe named {recipe}; there are {', '.join(available_recipes())}")
        text = (resources.files("hicmae_cli") / "recipes" / f"{recipe}.toml").read_text("utf-8")
    else:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise SettingsError(f"{path}: cannot read the recipe: {error.strerror}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{recipe}: not valid TOML: {error}") from error
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        return FinetuneSettings.model_validate({**values, **given})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise SettingsError(f"recipe {recipe}: {faults}") from error
