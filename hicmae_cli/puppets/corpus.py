"""The corpus on disk: raw clips, prepared clips and a manifest, made by any number of processes."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.known.puppets import MARK
from hicmae_cli.corpora.manifest import HEADER
from hicmae_cli.errors import HicmaeError, MediaError
from hicmae_cli.faces import FaceFinder
from hicmae_cli.files import write_text_atomically
from hicmae_cli.media import write_video
from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S
from hicmae_cli.preparing.clip import prepare_clip
from hicmae_cli.puppets.expression import add_speech, animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.plan import ClipPlan, plan_corpus
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.puppets.world import FILM, WORLDS, World
from hicmae_cli.workers import Report, WorkerDiedError, count_cores, run_in_pool

VERSION = 1
"""Version of the generator; increased whenever the same seed gives other clips."""
# 6.25: a clip has only the frames that the model samples.
FPS = CLIP_FRAMES / WINDOW_S
LICENCE = "MIT"
# A job sets up a renderer, which takes as long as a clip.
_CHUNK_CLIPS = 10


@dataclass(frozen=True)
class DrawnClip:
    """A clip before it is written: frames (16, H, W, 3) uint8 at 6.25 frames/s, samples (40960,) at 16 kHz."""

    frames: NDArray[np.uint8]
    samples: NDArray[np.float32]


def draw_clip(plan: ClipPlan, renderer: Renderer) -> DrawnClip:
    """Draw one clip of the renderer's world; equal plans give equal clips on one machine."""
    world = renderer.world
    rng = world.make_rng(plan.person_seed, 0)
    identity = Identity.draw(rng, world)
    speaker = VoiceIdentity.draw(rng, float(identity.female), identity.age_years, world.speech)
    voice_rng = world.make_rng(plan.person_seed, plan.voice_seed)
    utterance = speak(plan.voice, speaker, plan.voice_intensity, WINDOW_S, voice_rng)
    face_rng = world.make_rng(plan.person_seed, plan.face_seed)
    times_s = np.arange(CLIP_FRAMES) / FPS
    curves = animate_expression(plan.face, plan.face_intensity, identity.style, face_rng, times_s)
    frames = renderer.render_clip(identity, add_speech(curves, utterance.mouth.resample(times_s)), face_rng, times_s)
    return DrawnClip(frames, utterance.samples)


def make_corpus(
    folder: Path,
    sizes: Mapping[str, int],
    seed: int,
    *,
    world: World = FILM,
    workers: int | None = None,
    on_clip: Callable[[], None] = lambda: None,
) -> Path:
    """Make a corpus, or resume an interrupted call.

    Every clip becomes ``raw/<id>.mkv`` (H.264, the scene) and ``prepared/<id>.mkv`` (aligned faces, found by the
    real face finder in the compressed scene).

    Args:
        folder: the new corpus.
        sizes: clips per split.
        seed: seed of the corpus.
        world: how its people look and speak.
        workers: number of processes; one per core by default.
        on_clip: called after each clip, for progress.

    Returns:
        Path of the manifest, which is written last.

    Raises:
        HicmaeError: the folder has other files or a corpus of another seed, size, world or version; or a worker died.
    """
    plans = plan_corpus(sizes, seed)
    _claim(folder, sizes, seed, world)
    todo = [plan for plan in plans if not _locate_clip(folder, plan)[1].exists()]
    for _ in range(len(plans) - len(todo)):
        on_clip()
    chunks = [todo[i : i + _CHUNK_CLIPS] for i in range(0, len(todo), _CHUNK_CLIPS)]
    work = partial(_make_clips, folder, world)
    count = workers or count_cores()
    for chunk, outcome in run_in_pool(chunks, work, lambda *_: on_clip(), workers=count):
        if isinstance(outcome, WorkerDiedError):
            raise HicmaeError(f"{folder}: {chunk[0].id} to {chunk[-1].id} cannot be drawn: {outcome}") from outcome
    return _write_manifest(folder, plans, world)


def _make_clips(folder: Path, world: World, plans: list[ClipPlan], report: Report) -> None:
    """Draw, write and prepare some clips in one process."""
    # Mesa draws in the process itself, since the processes fill the cores.
    os.environ["LP_NUM_THREADS"] = "0"
    with ExitStack() as stack:
        renderer = stack.enter_context(Renderer(world=world))
        for plan in plans:
            raw, prepared = _locate_clip(folder, plan)
            clip = draw_clip(plan, renderer)
            quality = np.random.default_rng([plan.person_seed, plan.face_seed, 2]).integers(16, 32)
            write_video(raw, clip.frames, FPS, clip.samples, video_codec="libx264", crf=int(quality))
            with FaceFinder(num_faces=1) as detector:
                try:
                    prepare_clip(raw, prepared, detector)
                except MediaError:
                    # No face was found in any frame, which is rare: exclude the clip.
                    raw.with_suffix(".no-face").touch()
            report(plan.id)


def _locate_clip(folder: Path, plan: ClipPlan) -> tuple[Path, Path]:
    return folder / "raw" / f"{plan.id}.mkv", folder / "prepared" / f"{plan.id}.mkv"


def read_world(folder: Path) -> World:
    """Read which world the puppets of a folder are of.

    Raises:
        HicmaeError: the folder has no puppets, or of an unknown world.
    """
    path = folder / MARK
    try:
        return WORLDS[json.loads(path.read_text("utf-8")).get("world", FILM.name)]
    except (OSError, ValueError, AttributeError, LookupError, TypeError) as error:
        raise HicmaeError(f"{path}: was not written by this version of hicmae; choose another folder") from error


def _claim(folder: Path, sizes: Mapping[str, int], seed: int, world: World) -> None:
    """Mark the folder as this corpus, or check the mark."""
    facts: dict[str, object] = {"version": VERSION, "seed": seed, "sizes": dict(sizes)}
    # A corpus without a name of its world, as all old ones, is of the first world.
    if world != FILM:
        facts["world"] = world.name
    path = folder / MARK
    if path.exists():
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise HicmaeError(f"{path}: was not written by hicmae; choose another folder") from error
        if found != facts:
            raise HicmaeError(f"{folder}: has another corpus (expected {facts}, got {found}); choose another folder")
        return
    if folder.exists() and any(folder.iterdir()):
        raise HicmaeError(f"{folder}: is not empty and has no puppet corpus; choose another folder")
    for name in ("raw", "prepared"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(facts, indent=2) + "\n")


def _write_manifest(folder: Path, plans: list[ClipPlan], world: World) -> Path:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*HEADER, "raw", "face", "voice", "face_intensity", "voice_intensity"])
    for plan in plans:
        raw, prepared = (path.relative_to(folder).as_posix() for path in _locate_clip(folder, plan))
        if (folder / prepared).exists():
            writer.writerow(
                [
                    plan.id,
                    prepared,
                    prepared,
                    plan.label,
                    "",
                    plan.split,
                    f"{world.people}-{plan.person_seed}",
                    raw,
                    plan.face,
                    plan.voice,
                    plan.face_intensity,
                    plan.voice_intensity,
                ]
            )
    path = folder / "manifest.csv"
    write_text_atomically(path, out.getvalue())
    return path
