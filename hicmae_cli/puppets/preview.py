"""A contact sheet and a short video of puppets, to look at and listen to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.files import write_atomically
from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.media import write_video
from hicmae_cli.model_input import WINDOW_S
from hicmae_cli.puppets.expression import add_speech, animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.puppets.world import FILM, World

_FPS = 25
_CAPTION_PX = 22


def make_preview(folder: Path, people: int, seed: int, world: World = FILM) -> Iterator[Path]:
    """Draw every emotion of ``people`` persons at its apex (sheet.png), and one clip per emotion (puppets.mp4).

    Yields:
        Each file once it is written.

    Raises:
        MediaError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    yield _write_sheet(folder / "sheet.png", people, seed, world)
    yield _write_clips(folder / "puppets.mp4", seed, world)


def _write_sheet(path: Path, people: int, seed: int, world: World) -> Path:
    times_s = np.linspace(0, WINDOW_S, 5)
    rows = []
    with Renderer(world=world) as renderer:
        for person in range(people):
            identity = Identity.draw(world.make_rng(seed, person), world)
            cells = []
            for label in CREMA_D_LABELS:
                rng = world.make_rng(seed, person, CREMA_D_LABELS.index(label))
                curves = animate_expression(label, 1.0, identity.style, rng, times_s)
                height = int(np.abs(curves).sum(axis=1)[1:4].argmax()) + 1
                cells.append(renderer.render_clip(identity, curves, rng, times_s)[height])
            rows.append(np.concatenate(cells, axis=1))
    sheet = np.concatenate([_draw_captions(rows[0].shape[1]), *rows])
    done, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not done:
        raise MediaError(f"{path}: the contact sheet cannot be encoded")
    with write_atomically(path) as temporary:
        temporary.write_bytes(png.tobytes())
    return path


def _draw_captions(width_px: int) -> NDArray[np.uint8]:
    strip = np.full((_CAPTION_PX, width_px, 3), 24, np.uint8)
    cell_px = width_px // len(CREMA_D_LABELS)
    for index, label in enumerate(CREMA_D_LABELS):
        _write(strip, label, index * cell_px + 6)
    return strip


def _write(picture: NDArray[np.uint8], text: str, left_px: int) -> None:
    cv2.putText(picture, text, (left_px, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)


def _write_clips(path: Path, seed: int, world: World) -> Path:
    times_s = np.arange(round(WINDOW_S * _FPS)) / _FPS
    frames, sounds = [], []
    with Renderer(world=world) as renderer:
        for index, label in enumerate(CREMA_D_LABELS):
            rng = world.make_rng(seed, 1000 + index)
            identity = Identity.draw(rng, world)
            speaker = VoiceIdentity.draw(rng, float(identity.female), identity.age_years, world.speech)
            utterance = speak(label, speaker, 1.0, WINDOW_S, rng)
            curves = animate_expression(label, 1.0, identity.style, rng, times_s)
            clip = renderer.render_clip(identity, add_speech(curves, utterance.mouth.resample(times_s)), rng, times_s)
            for frame in clip:
                captioned = np.ascontiguousarray(frame)
                _write(captioned, label, 6)
                frames.append(captioned)
            sounds.append(utterance.samples)
    write_video(path, frames, _FPS, np.concatenate(sounds), audio_codec="aac")
    return path
