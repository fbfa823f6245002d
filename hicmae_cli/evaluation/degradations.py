"""Degrade clips on purpose, to see how fast a model gets worse: noise, babble, loudness, blur, late sound and more.

``DEGRADATIONS`` is the place to add one. Everything random is seeded by the clip's id, so a clip gets the same
degradation in every run and for every model, and a higher level is more of the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, PreparedClip
from hicmae_cli.errors import SettingsError
from hicmae_cli.model_input import FACE_SIZE_PX, SAMPLE_RATE_HZ, WINDOW_S
from hicmae_cli.puppets.manners import MANNERS
from hicmae_cli.puppets.voice import VoiceIdentity, speak

Faces = NDArray[np.uint8]
Samples = NDArray[np.float32]
_CLEAN_DB: Final = np.inf
_CLEAN_HZ: Final = np.inf
_TELEPHONE_HZ: Final = 300
_TALKERS: Final = 6
_GREY: Final = 127


@dataclass(frozen=True)
class Degradation:
    """A way to degrade a clip.

    Attributes:
        name: its name.
        levels: the levels that are tested, from mild to severe.
        unit: the unit of the levels.
        meaning: what a level is, in words.
        clean: the level that changes nothing.
        limits: the lowest and the highest level that it can have.
        sound: changes the sound (m,) of a clip by a level and a random generator.
        faces: changes the faces (16, H, W, 3) of an input of the model likewise.
    """

    name: str
    levels: tuple[float, ...]
    unit: str
    meaning: str
    clean: float = 0.0
    limits: tuple[float, float] = (0.0, 1.0)
    sound: Callable[[Samples, float, np.random.Generator], Samples] | None = None
    faces: Callable[[Faces, float, np.random.Generator], Faces] | None = None

    @property
    def unaffected(self) -> str:
        """The modality that it does not change."""
        return "audio" if self.sound is None else "video"


@dataclass(frozen=True)
class Degrade:
    """A degradation at one level, as ``score_clips`` applies it.

    Attributes:
        kind: the degradation.
        level: its level.
    """

    kind: Degradation
    level: float

    def degrade_sound(self, clip: PreparedClip, name: str) -> PreparedClip:
        """Return a prepared clip with degraded sound; its id seeds the noise."""
        if self.kind.sound is None or clip.samples is None or self.level == self.kind.clean:
            return clip
        return replace(clip, samples=self.kind.sound(clip.samples, self.level, self._seed(name)))

    def degrade_faces(self, clips: Sequence[Clip], name: str) -> list[Clip]:
        """Return the inputs of a clip with degraded faces; equal inputs stay one object."""
        if self.kind.faces is None or self.level == self.kind.clean:
            return list(clips)
        changed = {
            id(clip): clip
            if clip.video is None
            else replace(clip, video=self.kind.faces(clip.video, self.level, self._seed(name)))
            for clip in clips
        }
        return [changed[id(clip)] for clip in clips]

    def _seed(self, name: str) -> np.random.Generator:
        return np.random.default_rng([zlib.crc32(name.encode("utf-8", "surrogateescape"))])


def add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add white noise with a signal-to-noise ratio over the whole clip; silence stays silent."""
    return _mix(samples, rng.standard_normal(len(samples)), snr_db)


def add_babble(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add six voices that talk at once, with a signal-to-noise ratio over the whole clip; silence stays silent.

    They are those of puppets, each another person in another manner, so no recording is needed.
    """
    babble = np.zeros(len(samples))
    for _ in range(_TALKERS):
        speaker = VoiceIdentity.draw(rng, female=rng.random(), age_years=rng.uniform(20, 70))
        manner = list(MANNERS)[int(rng.integers(len(MANNERS)))]
        said = speak(manner, speaker, rng.random(), len(samples) / SAMPLE_RATE_HZ, rng).samples
        babble += said / np.sqrt(np.mean(said**2))
    return _mix(samples, babble, snr_db)


def _mix(samples: Samples, noise: NDArray[np.float64], snr_db: float) -> Samples:
    """Add noise (m,), scaled to a signal-to-noise ratio over the whole clip."""
    power = float(np.mean(samples.astype(np.float64) ** 2))
    scale = np.sqrt(power / 10 ** (snr_db / 10) / np.mean(noise**2))
    noisy: Samples = (samples + scale * noise).astype(np.float32)
    return noisy


def change_loudness(samples: Samples, gain_db: float, _: np.random.Generator) -> Samples:
    """Multiply the sound; what is beyond -1 to 1 is clipped, as in a file."""
    louder: Samples = np.clip(samples * 10 ** (gain_db / 20), -1, 1).astype(np.float32)
    return louder


def limit_band(samples: Samples, highest_hz: float, _: np.random.Generator) -> Samples:
    """Keep the band from 300 Hz to ``highest_hz`` and round every sample to 8 bits by mu-law, as a telephone does."""
    hz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 1)
    # Butterworth filters of order 4 and 10.
    band = 1 / np.sqrt((1 + (_TELEPHONE_HZ / hz) ** 8) * (1 + (hz / highest_hz) ** 20))
    level = np.clip(np.fft.irfft(np.fft.rfft(samples) * band, len(samples)), -1, 1)
    code = np.round(127 * np.log1p(255 * np.abs(level)) / np.log(256)) / 127
    heard: Samples = (np.sign(level) * np.expm1(code * np.log(256)) / 255).astype(np.float32)
    return heard


def shift_sound(samples: Samples, seconds: float, _: np.random.Generator) -> Samples:
    """Delay the sound against the pictures, and fill the gap with silence; negative seconds bring it forward."""
    shift = round(seconds * SAMPLE_RATE_HZ)
    moved = np.zeros_like(samples)
    if abs(shift) < len(samples):
        start, end = max(shift, 0), len(samples) + min(shift, 0)
        moved[start:end] = samples[start - shift : end - shift]
    return moved


def blur_faces(faces: Faces, sigma_px: float, _: np.random.Generator) -> Faces:
    """Blur every face by a Gaussian with this standard deviation."""
    return np.stack([cv2.GaussianBlur(face, (0, 0), sigma_px) for face in faces]).astype(np.uint8)


def occlude_faces(faces: Faces, share: float, rng: np.random.Generator) -> Faces:
    """Cover a grey square with this share of the picture's area, at one place for the whole clip."""
    height, width = faces.shape[1:3]
    side = np.sqrt(share)
    tall, wide = round(side * height), round(side * width)
    across, down = rng.random(2)
    top, left = round(down * (height - tall)), round(across * (width - wide))
    covered = faces.copy()
    covered[:, top : top + tall, left : left + wide] = _GREY
    return covered


def drop_frames(faces: Faces, share: float, rng: np.random.Generator) -> Faces:
    """Make this share of the frames black, as a frame without a face is; more of the same ones at a higher share."""
    dropped = faces.copy()
    dropped[rng.permutation(len(faces))[: round(share * len(faces))]] = 0
    return dropped


DEGRADATIONS: Final[Mapping[str, Degradation]] = {
    kind.name: kind
    for kind in (
        Degradation(
            "noise",
            (20, 15, 10, 5, 0),
            "dB",
            "signal-to-noise ratio of added white noise",
            clean=_CLEAN_DB,
            limits=(-100, 100),
            sound=add_noise,
        ),
        Degradation(
            "babble",
            (20, 15, 10, 5, 0),
            "dB",
            "signal-to-noise ratio of six other voices",
            clean=_CLEAN_DB,
            limits=(-100, 100),
            sound=add_babble,
        ),
        Degradation(
            "loudness",
            (-6, 6, -12, 12),
            "dB",
            "change of the loudness, clipped at full scale",
            limits=(-60, 60),
            sound=change_loudness,
        ),
        Degradation(
            "telephone",
            (3400, 2400),
            "Hz",
            "upper end of a telephone's band, from 300 Hz on",
            clean=_CLEAN_HZ,
            limits=(600, SAMPLE_RATE_HZ / 2),
            sound=limit_band,
        ),
        Degradation(
            "blur",
            (1, 2, 4, 8),
            "px",
            "standard deviation of a Gaussian blur of the face",
            limits=(0, FACE_SIZE_PX),
            faces=blur_faces,
        ),
        Degradation(
            "occlusion", (0.1, 0.25, 0.5), "share", "share of the face under a grey square", faces=occlude_faces
        ),
        Degradation(
            "drop-frames", (0.25, 0.5, 0.75), "share", "share of the frames replaced by black ones", faces=drop_frames
        ),
        Degradation(
            "desync",
            (0.1, 0.2, 0.4, 0.8),
            "s",
            "delay of the sound against the faces",
            limits=(-WINDOW_S, WINDOW_S),
            sound=shift_sound,
        ),
    )
}
"""Name -> degradation."""


def parse_degradations(given: str | Mapping[str, Sequence[float]]) -> list[Degrade]:
    """Read which degradations to test, at which levels.

    Args:
        given: names such as ``noise,blur``; ``noise=0..10dB`` keeps the levels in a range, ``noise=7`` is one level. A
            name that is repeated adds its levels. Or a mapping, name -> levels.

    Raises:
        SettingsError: an unknown name, or levels that cannot be read.
    """
    if isinstance(given, str):
        wanted: dict[str, tuple[float, ...]] = {}
        for name, _, text in (part.strip().partition("=") for part in given.split(",")):
            wanted[name] = tuple(dict.fromkeys((*wanted.get(name, ()), *_read_levels(name, text, given))))
    else:
        wanted = {name: tuple(map(float, levels)) for name, levels in given.items()}
    for name, levels in wanted.items():
        low, high = _find(name, str(given)).limits
        for level in levels:
            if not low <= level <= high:
                unit = DEGRADATIONS[name].unit
                raise SettingsError(f"degrade={str(given)!r}: {name} {level:g} {unit}: expected {low:g} to {high:g}")
    return [Degrade(DEGRADATIONS[name], level) for name, levels in wanted.items() for level in levels]


def _find(name: str, given: str) -> Degradation:
    if name not in DEGRADATIONS:
        raise SettingsError(f"degrade={given!r}: no degradation {name!r}; expected {', '.join(DEGRADATIONS)}")
    return DEGRADATIONS[name]


def _read_levels(name: str, text: str, given: str) -> tuple[float, ...]:
    kind = _find(name, given)
    if not text:
        return kind.levels
    bounds = text.removesuffix(kind.unit).split("..")
    try:
        numbers = [float(bound.removesuffix(kind.unit)) for bound in bounds]
    except ValueError:
        numbers = []
    if not numbers or len(numbers) > 2 or not np.isfinite(numbers).all():
        example = f"{name}={min(kind.levels):g}..{max(kind.levels):g}{kind.unit}"
        raise SettingsError(f"degrade={given!r}: cannot read the levels {text!r}; write {example}, or one level")
    if len(numbers) == 1:
        return tuple(numbers)
    levels = tuple(level for level in kind.levels if min(numbers) <= level <= max(numbers))
    if not levels:
        raise SettingsError(
            f"degrade={given!r}: {name} has no level in {text}; its levels are {', '.join(map(str, kind.levels))}"
        )
    return levels
