"""The settings that change training clips at random: faces, sound, and mixing. Beyond the paper's, all are off."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from hicmae_cli.model_input import FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES, WINDOW_S
from hicmae_cli.recipes.policy import parse_policy
from hicmae_cli.recipes.setting_types import Probability, Share, Unit
from hicmae_cli.recipes.shared_settings import Settings

_LEAST_FACE_PX = 16


class AugmentationSettings(Settings):
    """How a fine-tuning changes its clips at random (HiCMAE, section 4.2)."""

    # Faces: view
    rand_augment: str = Field(
        "rand-m7-n4-mstd0.5-inc1",
        description="RandAugment policy as in timm: m magnitude, n operations, mstd spread; an empty text is none.",
    )
    crop_area: Annotated[tuple[float, float], Unit("share of the picture")] = Field(
        (0.08, 1.0), strict=False, description="Least and greatest area of the random crop; [1, 1] does not crop."
    )
    flip: Probability = Field(0.5, ge=0, le=1, description="Mirror the faces.")
    frame_jitter: Share = Field(
        0.0, ge=0, le=1, description="Share of the frames that are shown one frame too early or too late."
    )
    wobble_px: Annotated[float, Unit("px")] = Field(
        0.0,
        ge=0,
        le=16,
        description="Standard deviation of a random shift of the crop, and half as much in each frame.",
    )
    rotate_deg: Annotated[float, Unit("degrees")] = Field(
        0.0, ge=0, le=45, description="Rotate all faces of a clip by up to so much either way."
    )
    scale: Annotated[tuple[float, float], Unit("factor")] = Field(
        (1.0, 1.0), strict=False, description="Least and greatest zoom of all faces of a clip; [1, 1] does not zoom."
    )
    shift_px: Annotated[float, Unit("px")] = Field(
        0.0, ge=0, le=64, description="Shift all faces of a clip by up to so much in each direction."
    )
    # Faces: light and colour
    light: Share = Field(
        0.0, ge=0, le=1, description="Greatest change of a random brightness gradient over the face, and of gamma."
    )
    colour_jitter: Share = Field(
        0.0, ge=0, le=1, description="Change brightness, contrast, saturation and tint by up to this share."
    )
    grey: Probability = Field(0.0, ge=0, le=1, description="Remove the colour of a clip.")
    # Faces: camera and codec
    blur_px: Annotated[float, Unit("px")] = Field(
        0.0, ge=0, le=16, description="Greatest standard deviation of a blur; each clip gets another one from 0 on."
    )
    least_face_px: Annotated[int, Unit("px")] = Field(
        0,
        ge=0,
        le=FACE_SIZE_PX,
        description="Shrink half of the clips to a random size of at least this and enlarge them again; 0 is off.",
    )
    jpeg: Annotated[int, Unit("quality of 100")] = Field(
        0, ge=0, le=100, description="Lowest quality of a JPEG compression of a quarter of the clips; 0 is off."
    )
    noise_levels: Annotated[int, Unit("grey levels of 256")] = Field(
        0, ge=0, le=64, description="Greatest amount of noise added to the faces, like that of a codec."
    )
    # Faces: parts that are covered
    edges: Probability = Field(
        0.0, ge=0, le=1, description="Cover strips along the sides, and fill black borders with something else."
    )
    occlude: Probability = Field(
        0.0, ge=0, le=1, description="Cover a part of the face by a moving hand, microphone, bar or blob."
    )
    erase: Probability = Field(0.25, ge=0, le=1, description="Replace one box of the faces by noise.")
    # Mixing
    mixup: float = Field(0.8, ge=0, description="Alpha of mixup (blends two clips and their targets); 0 is off.")
    cutmix: float = Field(1.0, ge=0, description="Alpha of cutmix (pastes a box of another clip); 0 is off.")
    mix_probability: Probability = Field(1.0, ge=0, le=1, description="Mix a batch at all, by mixup or cutmix.")
    mix_switch: Probability = Field(0.5, ge=0, le=1, description="Choose cutmix over mixup, where both are on.")
    mix_audio: bool = Field(False, description="Mix the sound too, in the same shares; the paper leaves it unmixed.")
    # Sound
    audio_gain_db: Annotated[float, Unit("dB")] = Field(
        0.0, ge=0, description="Change the loudness by up to so much either way."
    )
    audio_shift_s: Annotated[float, Unit("s")] = Field(
        0.0, ge=0, lt=WINDOW_S, description="Shift the sound by up to so much either way."
    )
    speed: Share = Field(
        0.0, ge=0, le=0.3, description="Speak faster or slower by up to this share; the pitch changes with the tempo."
    )
    babble: Probability = Field(0.0, ge=0, le=1, description="Add a murmur, made from the clip's own voice.")
    babble_db: Annotated[tuple[float, float], Unit("dB")] = Field(
        (5.0, 30.0), strict=False, description="Least and greatest signal-to-noise ratio of that murmur."
    )
    room: Probability = Field(
        0.0, ge=0, le=1, description="Add the echo of a room, with a reverberation time of 0.1 to 0.6 s."
    )
    audio_noise_db: Annotated[tuple[float, float], Unit("dB")] | None = Field(
        None,
        strict=False,
        description="Least and greatest signal-to-noise ratio of noise, white to brown, in half of the clips; unset is "
        "off.",
    )
    tilt_db: Annotated[float, Unit("dB")] = Field(
        0.0, ge=0, le=40, description="Change the loudness of bands of the sound by up to so much either way."
    )
    telephone: Probability = Field(
        0.0, ge=0, le=1, description="Keep only the band of a telephone, 300 to 3400 Hz, with its distortions."
    )
    warp_mel: Share = Field(
        0.0, ge=0, le=0.3, description="Stretch the frequencies by up to this share, as another vocal tract would."
    )
    mask_time_frames: Annotated[int, Unit("log-mel frames")] = Field(
        0, ge=0, lt=LOG_MEL_FRAMES, description="Greatest width of a blanked band of time (SpecAugment)."
    )
    mask_mel_bins: Annotated[int, Unit("mel bins")] = Field(
        0, ge=0, lt=LOG_MEL_BINS, description="Greatest width of a blanked band of frequency (SpecAugment)."
    )

    @field_validator("rand_augment")
    @classmethod
    def _is_policy(cls, text: str) -> str:
        parse_policy(text)
        return text

    @field_validator("crop_area")
    @classmethod
    def _is_share(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1] <= 1:
            raise ValueError(f"expected two rising shares of the picture, above 0 and at most 1, got {list(area)}")
        return area

    @field_validator("scale")
    @classmethod
    def _is_zoom(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0.5 <= scale[0] <= scale[1] <= 2:
            raise ValueError(f"expected two rising factors from 0.5 to 2, got {list(scale)}")
        return scale

    @field_validator("least_face_px")
    @classmethod
    def _is_a_face(cls, side_px: int) -> int:
        if 0 < side_px < _LEAST_FACE_PX:
            raise ValueError(f"expected 0 (off), or {_LEAST_FACE_PX} to {FACE_SIZE_PX}, got {side_px}")
        return side_px

    @field_validator("babble_db", "audio_noise_db")
    @classmethod
    def _rises(cls, ratios_db: tuple[float, float] | None) -> tuple[float, float] | None:
        if ratios_db is not None and not -40 <= ratios_db[0] <= ratios_db[1] <= 100:
            raise ValueError(f"expected two rising ratios from -40 to 100 dB, got {list(ratios_db)}")
        return ratios_db

    @property
    def mixes(self) -> bool:
        """Whether mixup or cutmix mixes the clips of a batch; a regression never mixes."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)
