"""Measure how well `hicmae predict` tells who speaks, and print the numbers of docs/predict.md.

    python scripts/measure_speakers.py [--people 12] [--first 910000] [--voices DIR]

It draws talking people, reads their mouths and those of the sample clip as `predict` does, and pairs each with its own
sound and with the voices of others. `--voices` adds recordings of real voices, such as EmoDB's.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.faces import FaceFinder, TrackLinker
from hicmae_cli.faces.nets import build_region_around, read_landmarks
from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.media import Frame, read_audio, sample_frames
from hicmae_cli.media.listing import list_media
from hicmae_cli.model_input import FRAME_STEP_S, SAMPLE_RATE_HZ, WINDOW_S
from hicmae_cli.puppets.expression import add_speech, animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.speaking import SpeakerFinder
from hicmae_cli.speaking.mouths import MouthReader, MouthReading
from hicmae_cli.speaking.voice import VoiceMeter

Sound = NDArray[np.float32]
_REPEATS: Final = 50
Answers = list[tuple[float, dict[int, str]]]

_FPS: Final = 25
_TALK_S: Final = 7.0
_HOP_S: Final = 0.64
_FOREIGN: Final = 12
"""Other voices that each mouth is paired with."""


def draw_talker(seed: int, renderer: Renderer) -> tuple[list[Frame], Sound]:
    """Draw one person who talks for seven seconds."""
    rng = np.random.default_rng([seed, 0])
    identity = Identity.draw(rng)
    voice = VoiceIdentity.draw(rng, float(identity.female), identity.age_years)
    manner = CREMA_D_LABELS[seed % len(CREMA_D_LABELS)]
    spoken = speak(manner, voice, 0.6, _TALK_S, np.random.default_rng([seed, 1]))
    times_s = np.arange(round(_TALK_S * _FPS)) / _FPS
    face_rng = np.random.default_rng([seed, 2])
    curves = animate_expression(manner, 0.6, identity.style, face_rng, times_s)
    pictures = renderer.render_clip(identity, add_speech(curves, spoken.mouth.resample(times_s)), face_rng, times_s)
    return [Frame(float(t), picture) for t, picture in zip(times_s, pictures, strict=True)], spoken.samples


def read_mouths(frames: Iterable[Frame], faces: int) -> list[MouthReading]:
    """Read the mouths of a video at 25 pictures/s."""
    every = SpeakerFinder(0.0, FRAME_STEP_S).pictures_per_step
    mouths, linker, readings, between = MouthReader(), TrackLinker(), list[MouthReading](), list[Frame]()
    with FaceFinder(num_faces=faces) as detector:
        for index, frame in enumerate(frames):
            if index % every:
                between.append(frame)
            else:
                readings += mouths.read(between, frame, linker.update(frame, detector.detect(frame)))
                between = []
    return readings


def slow_down(frames: list[Frame], every: int) -> list[Frame]:
    """Keep each ``every``-th picture on display until the next."""
    return [Frame(frame.time_s, frames[index - index % every].rgb) for index, frame in enumerate(frames)]


def halve(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Shrink pictures to half their size; one that stays on display stays one array."""
    large: NDArray[np.uint8] | None = None
    small = np.zeros((1, 1, 3), np.uint8)
    for frame in frames:
        if frame.rgb is not large:
            large = frame.rgb
            small = np.asarray(cv2.resize(large, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        yield Frame(frame.time_s, small)


def judge(readings: list[MouthReading], sound: Sound) -> Answers:
    """Judge each window of a video with some sound -> share with a voice, and the answer for each person."""
    end_s = min(max(reading.time_s for reading in readings), len(sound) / SAMPLE_RATE_HZ)
    tracks = sorted({reading.track for reading in readings})
    finder = SpeakerFinder(0.0, FRAME_STEP_S)
    finder.add_readings(readings)
    for _ in finder.voice.listen([sound]):
        pass
    starts_s = np.arange(0.0, max(0.0, end_s - WINDOW_S) + 1e-6, _HOP_S)
    hearings = [finder.judge(float(start_s), float(start_s) + WINDOW_S, tracks) for start_s in starts_s]
    return [(hearing.voice, hearing.speakers) for hearing in hearings if hearing.has_voice]


def make_noises(seconds: float = 10.0) -> Iterator[tuple[str, Sound]]:
    """Make sounds without a voice."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    white = rng.normal(0, 0.1, len(t))
    brown = np.cumsum(rng.normal(0, 1, len(t)))
    brown -= np.convolve(brown, np.ones(400) / 400, "same")
    notes = np.zeros(len(t))
    for start in range(0, len(t), SAMPLE_RATE_HZ // 4):
        pitch_hz = 220 * 2 ** (int(rng.integers(0, 25)) / 12)
        u = t[: len(t) - start]
        notes[start:] += np.exp(-4 * u) * sum(0.2 / k * np.sin(2 * np.pi * pitch_hz * k * u) for k in range(1, 8))
    beat = (t % 0.5)[None]
    drums = (np.exp(-30 * beat) * (rng.normal(0, 0.4, len(t)) + 0.5 * np.sin(2 * np.pi * 80 * beat)))[0]
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330, 440)) * (1 + 0.3 * np.sin(4 * np.pi * t)) / 20
    yield from (
        (name, np.asarray(x, np.float32))
        for name, x in {
            "white noise": white,
            "quiet white noise": white / 100,
            "brown noise": 0.1 * brown / brown.std(),
            "mains hum": sum(0.1 / k * np.sin(100 * np.pi * k * t) for k in range(1, 8)),
            "plucked notes": notes,
            "chord": chord,
            "drums": drums,
            "notes with drums": notes + drums,
            "buzzer": 0.1 * np.sign(np.sin(220 * np.pi * t)) * (np.sin(6 * np.pi * t) > 0),
        }.items()
    )


def time_parts() -> None:
    """Print the processor time of the parts; one thread each."""
    picture = next(sample_frames(find_sample_clip(), 0.16))
    with FaceFinder(num_faces=2) as detector:
        faces = detector.detect(picture)
    regions = [build_region_around(face.landmarks_px) for face in faces for _ in range(4)]
    started_s = time.process_time()
    for _ in range(_REPEATS):
        read_landmarks([picture.rgb] * len(regions), regions)
    mouth_s = (time.process_time() - started_s) / _REPEATS / len(regions)
    blocks = [np.zeros(SAMPLE_RATE_HZ, np.float32)] * _REPEATS
    meter = VoiceMeter()
    started_s = time.process_time()
    for _ in meter.listen(blocks):
        meter.drop_before(0.0)
    voice_s = (time.process_time() - started_s) / _REPEATS
    print(f"mouths {1e3 * mouth_s:.1f} ms per face and picture, voice activity {1e3 * voice_s:.1f} ms per second")


def show(title: str, answers: Iterable[str]) -> None:
    """Print how often each answer was given."""
    counts = Counter(answers)
    total = sum(counts.values())
    shares = "  ".join(f"{name} {100 * counts[name] / max(1, total):5.1f} %" for name in ("yes", "unsure", "no"))
    print(f"{title:58s} {shares}  of {total} windows")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--first", type=int, default=910_000, help="seed of the first drawn person")
    parser.add_argument("--voices", type=Path, help="folder with recordings of real voices")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.people)

    time_parts()
    for name, sound in make_noises():
        finder = SpeakerFinder(0.0, FRAME_STEP_S)
        for _ in finder.voice.listen([sound]):
            pass
        print(f"voice in {name:20s} {100 * finder.voice.measure_share(0, len(sound) / SAMPLE_RATE_HZ):5.1f} %")

    talkers, sounds = {}, {}
    with Renderer() as renderer:
        for seed in seeds:
            frames, sounds[seed] = draw_talker(seed, renderer)
            talkers[seed] = {every: read_mouths(slow_down(frames, every), 1) for every in (1, 2, 3, 4)}
    draw = random.Random(0)
    real: list[Sound] = []
    if arguments.voices:
        files = list_media(arguments.voices).files
        real = [np.concatenate([read_audio(file) for file in draw.sample(files, 5)]) for _ in range(_FOREIGN)]

    clip = find_sample_clip()
    sample = read_mouths(sample_frames(clip, 0.04), 2)
    right, left = 1, 2  # the larger face, on the right, is found first
    for every in (1, 2, 3, 4):
        own = [each for seed in seeds for _, each in judge(talkers[seed][every], sounds[seed])]
        show(f"drawn people, own voice, {_FPS / every:.1f} pictures/s", (a for each in own for a in each.values()))
    for title, voices in (("other drawn voices", list(sounds.values())), ("real voices", real)):
        if not voices:
            continue
        answers = [
            answer
            for seed in seeds
            for voice in voices[:_FOREIGN]
            if voice is not sounds[seed]
            for _, each in judge(talkers[seed][1], voice)
            for answer in each.values()
        ]
        show(f"drawn people, {title}", answers)
        foreign = [each for voice in voices for _, each in judge(sample, voice)]
        show(f"sample clip, {title}: right", (each[right] for each in foreign))
        show(f"sample clip, {title}: left", (each[left] for each in foreign))
        nobody = sum("yes" not in each.values() for each in foreign) / len(foreign)
        print(f"sample clip, {title}: nobody speaks in {100 * nobody:.1f} %")
    sound = read_audio(clip)
    loudness = float(np.sqrt(np.mean(sound**2)))
    noise = np.random.default_rng(0).normal(0, loudness, len(sound)).astype(np.float32)
    halved = read_mouths(halve(sample_frames(clip, 0.04)), 2)
    for title, readings, heard in (
        ("own sound", sample, sound),
        ("own sound, white noise 10 dB below", sample, sound + noise / 10**0.5),
        ("own sound, white noise as loud", sample, sound + noise),
        ("own sound 0.1 s late", sample, np.pad(sound, (1600, 0))),
        ("own sound 0.3 s late", sample, np.pad(sound, (4800, 0))),
        ("own sound, picture at half size", halved, sound),
    ):
        own = [each for _, each in judge(readings, heard)]
        for side, track in (("right", right), ("left", left)):
            show(f"sample clip, {title}: {side}", (each.get(track, "no") for each in own))


if __name__ == "__main__":
    main()
