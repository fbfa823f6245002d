from __future__ import annotations

import builtins
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.puppets.expression import animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.readback import read_back
from hicmae_cli.puppets.render import Renderer

TIMES_S = np.arange(4) * 0.16


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


def draw(renderer: Renderer, seed: int, kind: str = "happiness") -> np.ndarray:
    rng = np.random.default_rng(seed)
    identity = Identity.draw(rng)
    return renderer.render_clip(identity, animate_expression(kind, 0.9, identity.style, rng, TIMES_S), rng, TIMES_S)


def test_a_clip_has_frames_that_move(renderer: Renderer) -> None:
    frames = draw(renderer, 1)
    assert frames.shape == (4, 224, 224, 3) and frames.dtype == np.uint8
    assert frames.std() > 10
    assert np.abs(frames[0].astype(int) - frames[3]).mean() > 0.5


def test_the_same_seed_gives_the_same_bytes_whatever_was_drawn_before(renderer: Renderer) -> None:
    first = draw(renderer, 5)
    draw(renderer, 6)
    assert first.tobytes() == draw(renderer, 5).tobytes()
    with Renderer() as another:
        assert first.tobytes() == draw(another, 5).tobytes()


def test_the_bytes_do_not_depend_on_the_number_of_threads(renderer: Renderer) -> None:
    script = (
        "import hashlib; from tests.puppets.test_render import draw, Renderer\n"
        "with Renderer() as r: print(hashlib.sha256(draw(r, 5).tobytes()).hexdigest())"
    )
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "LP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", script], env=alone, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(draw(renderer, 5).tobytes()).hexdigest()


def test_people_differ(renderer: Renderer) -> None:
    people = [Identity.draw(np.random.default_rng(seed)) for seed in range(30)]
    assert {person.female for person in people} == {True, False}
    assert len({person.hair_style for person in people}) >= 4
    assert any(person.glasses != "none" for person in people)
    assert np.ptp([person.look.skin[0] for person in people]) > 0.3
    assert np.ptp([person.age_years for person in people]) > 30
    spread_m = np.std([person.neutral for person in people], axis=0).max()
    assert spread_m > 0.003


def test_without_moderngl_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "moderngl":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match="pip install"):
        Renderer()


def test_without_egl_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import moderngl

    def fail(**_: Any) -> None:
        raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(moderngl, "create_context", fail)
    with pytest.raises(MissingDependencyError, match="libegl1"):
        Renderer()


def test_mediapipe_finds_the_faces() -> None:
    report = read_back(num_clips=4, seed=0)
    assert report.num_frames == 64
    assert report.faces_found >= 0.98
    assert "faces found" in str(report) and "smile" in str(report)
    assert set(report.correlations) == {"smile", "brow down", "inner brow up", "jaw open", "eye wide"}


@pytest.mark.slow
def test_mediapipe_reads_what_was_meant() -> None:
    report = read_back(num_clips=100, seed=1)
    assert report.passed, str(report)
