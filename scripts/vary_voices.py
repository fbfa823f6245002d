"""Re-synthesise the clips of a sound-only list as other speakers would say them, with the same prosody.

    python scripts/vary_voices.py prepared/emodb.csv --output varied --times 12

Each clip is analysed by the WORLD vocoder (`pip install pyworld "setuptools<80"`, MIT) and synthesised again with
another pitch (up to 5 semitones), other formants (up to 16 %), another tempo (up to 18 %) and another tilt of the
spectrum, all drawn once for a clip. The contour of the pitch, in semitones, and the order of events stay: so does the
emotion, as far as prosody carries it. Every clip is written once more as a room, a noise or a telephone changes it, by
the values of the recipe `default-nano` but with a telephone for half of them: its cues can then be measured on what is
heard. The folder gets two lists, with the speakers of the originals: `originals.csv` and `variants.csv`, so that a
recipe can give each its share. Clips of validation and test, and of `--test-speakers`, stay as they are; clips without
a split are for training.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from hicmae_cli.augmentation.sound import augment_samples
from hicmae_cli.corpora.manifest import HEADER, read_manifest, write_csv
from hicmae_cli.media import read_audio
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.recipes.augmentation_settings import AugmentationSettings
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings

STEP_MS = 10.0
PITCH_OCTAVES = 0.42
FORMANTS = (0.86, 1.16)
TEMPO = (0.85, 1.18)
TILT_DB = 4.0
# A telephone changes a voice more than a room or a noise does, and is learned more slowly.
TELEPHONE = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Speech:
    """What WORLD finds in a clip: pitch (T,) in Hz, spectral envelope and aperiodicity (T, F)."""

    pitch_hz: Floats
    envelope: Floats
    aperiodicity: Floats


def analyse(world: Any, samples: Floats) -> Speech:
    """Analyse a clip (n,)."""
    pitch_hz, times_s = world.dio(samples, SAMPLE_RATE_HZ, f0_floor=60, f0_ceil=600, frame_period=STEP_MS)
    pitch_hz = world.stonemask(samples, pitch_hz, times_s, SAMPLE_RATE_HZ)
    envelope = world.cheaptrick(samples, pitch_hz, times_s, SAMPLE_RATE_HZ)
    return Speech(pitch_hz, envelope, world.d4c(samples, pitch_hz, times_s, SAMPLE_RATE_HZ))


def synthesise(world: Any, speech: Speech, rng: np.random.Generator) -> Floats:
    """Synthesise a clip as another speaker -> (m,) with a peak of 1."""
    pitch = 2 ** rng.uniform(-PITCH_OCTAVES, PITCH_OCTAVES)
    tempo = rng.uniform(*TEMPO)
    bins = speech.envelope.shape[1]
    read_at = np.clip(np.arange(bins) / rng.uniform(*FORMANTS), 0, bins - 1)
    below = read_at.astype(int)
    above, share = np.minimum(below + 1, bins - 1), read_at - below
    tilt = 10 ** (rng.normal(0, TILT_DB) * np.linspace(-0.5, 0.5, bins) / 10)
    logs = np.log(speech.envelope)
    envelope = np.exp(logs[:, below] * (1 - share) + logs[:, above] * share) * tilt
    aperiodicity = speech.aperiodicity[:, below] * (1 - share) + speech.aperiodicity[:, above] * share
    said = world.synthesize(
        speech.pitch_hz * pitch,
        np.ascontiguousarray(envelope),
        np.ascontiguousarray(np.clip(aperiodicity, 1e-4, 1)),
        SAMPLE_RATE_HZ,
        STEP_MS * tempo,
    )
    return np.asarray(said / max(1e-6, float(np.abs(said).max())), np.float64)


def transmit(samples: Floats, settings: AugmentationSettings, rng: np.random.Generator) -> Floats:
    """Change a clip (n,) as a room, a noise or a telephone would -> (n,) with a peak of 1."""
    heard = augment_samples(samples.astype(np.float32), settings, rng).astype(np.float64)
    return np.asarray(heard / max(1e-6, float(np.abs(heard).max())), np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--times", type=int, default=12, help="variants of each clip")
    parser.add_argument("--labels", default="", metavar="A,B,…", help="leave out the clips of other labels")
    parser.add_argument("--test-speakers", default="", metavar="A,B,…", help="speakers to test on, never to train on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    world = import_module("pyworld")
    # Loudness and time change no cue, so the training changes them itself.
    channel = load_settings(FinetuneSettings, "default-nano").model_copy(
        update={"audio_gain_db": 0.0, "audio_shift_s": 0.0, "telephone": TELEPHONE}
    )

    labels = given.labels.split(",") if given.labels else []
    tested = set(given.test_speakers.split(",")) if given.test_speakers else set()
    samples = [sample for sample in read_manifest(given.manifest) if not labels or sample.label in labels]
    if unknown := sorted(tested - {sample.speaker for sample in samples}):
        parser.error(f"--test-speakers: there are no clips of {', '.join(unknown)}")
    given.output.mkdir(parents=True, exist_ok=True)
    originals: list[tuple[str, ...]] = []
    variants: list[tuple[str, ...]] = []
    for index, sample in enumerate(samples):
        assert sample.audio is not None
        rng = np.random.default_rng([given.seed, index])
        split = "test" if sample.speaker in tested else sample.split or "train"
        recorded = read_audio(sample.audio).astype(np.float64)
        said = {"00": recorded}
        if split == "train":
            speech = analyse(world, recorded)
            said |= {f"{variant:02d}": synthesise(world, speech, rng) for variant in range(1, given.times + 1)}
            said |= {f"{variant}-heard": transmit(clip, channel, rng) for variant, clip in said.items()}
        for variant, clip in said.items():
            name = f"{sample.id}-{variant}"
            soundfile.write(given.output / f"{name}.flac", clip, SAMPLE_RATE_HZ)
            lines = originals if variant.startswith("00") else variants
            lines.append((name, "", f"{name}.flac", sample.label, "", split, sample.speaker))
        if index % 50 == 49:
            print(f"{index + 1} of {len(samples)} clips", flush=True)
    for kind, lines in (("variants", variants), ("originals", originals)):
        write_csv(given.output / f"{kind}.csv", HEADER, lines)
        print(f"wrote {len(lines)} clips to {given.output / kind}.csv")


if __name__ == "__main__":
    main()
