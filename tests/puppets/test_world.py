"""Worlds: the first one stays as it was; another one has other people, drawing and voices, and the same emotions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.puppets.corpus import DrawnClip, draw_clip
from hicmae_cli.puppets.expression import animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.plan import plan_corpus
from hicmae_cli.puppets.readback import read_back
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.scene import draw_scene
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.puppets.world import COMIC, FILM, World, find_world

PLAN = plan_corpus({"test": 1}, seed=0)[0]


@pytest.fixture(scope="module")
def drawn() -> Iterator[dict[str, DrawnClip]]:
    clips = {}
    for world in (FILM, COMIC):
        with Renderer(world=world) as renderer:
            clips[world.name] = draw_clip(PLAN, renderer)
    yield clips


def test_the_first_world_is_what_it_was_before_there_was_another(drawn: dict[str, DrawnClip]) -> None:
    """Measured on a corpus of version 1, with room for another machine's rounding; a draw more or less shows."""
    clip = drawn["film"]
    np.testing.assert_allclose(clip.frames.mean((0, 1, 2)), [154.53, 143.28, 127.25], atol=0.5)
    levels = np.sqrt((clip.samples.reshape(8, -1) ** 2).mean(1))
    np.testing.assert_allclose(levels, [0.0527, 0.0537, 0.0105, 0.0445, 0.0282, 0.0301, 0.0536, 0.0298], atol=1e-3)


def test_equal_plans_give_equal_clips_in_any_world(drawn: dict[str, DrawnClip]) -> None:
    with Renderer(world=COMIC) as renderer:
        again = draw_clip(PLAN, renderer)
    assert again.frames.tobytes() == drawn["comic"].frames.tobytes()
    assert again.samples.tobytes() == drawn["comic"].samples.tobytes()


def test_another_world_draws_flat_colours_and_dark_lines(drawn: dict[str, DrawnClip]) -> None:
    def share_of_even_pixels(clip: DrawnClip) -> float:
        steps = np.abs(np.diff(clip.frames[0].astype(int), axis=0)).max(-1)
        return float((steps <= 1).mean())

    def share_of_ink(clip: DrawnClip) -> float:
        return float((clip.frames.max(-1) < 40).mean())

    film, comic = drawn["film"], drawn["comic"]
    assert share_of_even_pixels(comic) > 0.7 > share_of_even_pixels(film)
    assert 0.01 < share_of_ink(comic) < 0.3


def test_the_same_seed_is_somebody_else_in_another_world() -> None:
    film, comic = (Identity.draw(world.make_rng(7, 0), world) for world in (FILM, COMIC))
    assert np.abs(film.neutral - comic.neutral).max() > 1e-3
    assert COMIC.palette is not None
    assert comic.look.skin in COMIC.palette.skin and film.look.skin not in COMIC.palette.skin
    assert not (comic.look.freckles or comic.look.mottle or comic.look.stubble)


def test_paper_has_one_or_two_colours_and_no_grain() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = draw_scene(Identity.draw(rng, COMIC), np.linspace(0, 0.4, 3), rng, 224, COMIC)
        assert len(np.unique(scene.background.reshape(-1, 3), axis=0)) <= 2
        assert scene.grain == scene.vignette == 0


def test_expressions_are_the_same_in_all_worlds() -> None:
    """An animation knows the person's style, and no world."""
    style = Identity.draw(np.random.default_rng(3), COMIC).style
    assert {field.name for field in dataclasses.fields(style)}.isdisjoint({"world", "palette", "speech"})
    curves = animate_expression("fear", 1.0, style, np.random.default_rng(0), np.arange(16) * 0.16)
    assert curves.shape == (16, 52)


def draw_voices(world: World, manner: str) -> list[np.ndarray]:
    people = [VoiceIdentity.draw(np.random.default_rng(s), s % 2, 35, world.speech) for s in range(10)]
    return [speak(manner, v, 1.0, 2.56, np.random.default_rng(i)).samples for i, v in enumerate(people)]


def compute_level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples**2).mean()))


def test_voices_are_higher_and_manners_keep_their_meaning() -> None:
    pitches = [
        np.median([VoiceIdentity.draw(np.random.default_rng(s), s % 2, 35, w.speech).pitch_hz for s in range(40)])
        for w in (FILM, COMIC)
    ]
    assert pitches[1] > 1.25 * pitches[0]
    levels = {
        manner: np.median([compute_level(sound) for sound in draw_voices(COMIC, manner)])
        for manner in ("anger", "neutral", "sadness")
    }
    assert levels["anger"] > 1.5 * levels["neutral"] > 1.5 * levels["sadness"]


def test_every_pulse_opens_and_closes_once() -> None:
    time = np.linspace(0, 1, 1001)[:-1]
    for world in (FILM, COMIC):
        flow = world.speech.pulse(time)
        assert flow.min() == 0 and flow.max() == pytest.approx(1, abs=0.01)
        assert (np.abs(np.diff(np.sign(np.diff(flow)))) == 2).sum() == 1
        assert flow[0] == pytest.approx(0) and flow[-1] == 0


def test_an_unknown_world_is_one_line() -> None:
    with pytest.raises(SettingsError, match="world='moon': expected film or comic"):
        find_world("moon")


def test_mediapipe_finds_drawn_faces_of_another_world() -> None:
    report = read_back(num_clips=4, seed=0, world=COMIC)
    assert report.faces_found >= 0.95


@pytest.mark.slow
def test_mediapipe_reads_what_was_meant_in_another_world() -> None:
    report = read_back(num_clips=100, seed=1, world=COMIC)
    assert report.passed, str(report)
