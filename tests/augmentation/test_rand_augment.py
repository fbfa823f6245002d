"""RandAugment of clips against timm's of pictures: each operation, and the random draws."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from timm.data import auto_augment

from hicmae_cli.augmentation.rand_augment import (
    FILL,
    OPERATIONS,
    Operation,
    apply_operation,
    draw_operations,
    rand_augment,
)
from hicmae_cli.media import read_frames_at
from hicmae_cli.recipes.policy import Policy, parse_policy
from tests.conftest import SAMPLE

PAPER = "rand-m7-n4-mstd0.5-inc1"
OF_TIMM = {"TranslateX": "TranslateXRel", "TranslateY": "TranslateYRel"}
STRENGTHS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("AutoContrast", "Equalize", "Invert"), (0,)),
    **dict.fromkeys(("Color", "Contrast", "Brightness", "Sharpness"), (0.1, 0.37, 1.0, 1.63, 1.9)),
    **dict.fromkeys(("TranslateX", "TranslateY"), (-0.315, 0.0, 0.2, 0.45)),
    **dict.fromkeys(("ShearX", "ShearY"), (-0.21, 0.0, 0.3)),
    "Rotate": (-21.0, 0.0, 13.7, 30.0),
    "Posterize": (1, 2, 4, 8),
    "Solarize": (0, 77, 256),
    "SolarizeAdd": (0, 77, 128),
}
GEOMETRIC = {"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}
BLENDED = {"Color", "Sharpness"}


def clips() -> dict[str, NDArray[np.uint8]]:
    """A face in two pictures of a film, random bytes, and a dull and a plain picture."""
    film = read_frames_at(SAMPLE, [1.0, 5.0])
    faces = np.stack([cv2.resize(frame[20:180, 160:320], (160, 160)) for frame in film])
    rng = np.random.default_rng(0)
    dull = rng.integers(90, 130, (2, 160, 160, 3))
    dull[1] = 77
    return {
        "faces": faces,
        "random": rng.integers(0, 256, (2, 160, 160, 3)).astype(np.uint8),
        "dull": dull.astype(np.uint8),
    }


CLIPS = clips()


def as_timm(name: str, picture: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    image, resample = Image.fromarray(picture), Image.Resampling.BILINEAR
    argument = () if STRENGTHS[name] == (0,) else (strength,)
    changed = auto_augment.NAME_TO_OP[OF_TIMM.get(name, name)](image, *argument, fillcolor=FILL, resample=resample)
    return np.asarray(changed)


@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_equals_timms(name: str, kind: str) -> None:
    clip = CLIPS[kind]
    before = clip.copy()
    for strength in STRENGTHS[name]:
        ours = apply_operation(clip, Operation(name, strength))
        expected = np.stack([as_timm(name, picture, strength) for picture in clip])
        assert ours.dtype == np.uint8
        error = np.abs(ours.astype(int) - expected)
        assert error.max() <= (1 if name in GEOMETRIC | BLENDED else 0), strength
    assert np.array_equal(clip, before)


def test_the_area_outside_is_filled_the_same_way() -> None:
    clip = np.full((1, 160, 160, 3), 255, np.uint8)
    for name in sorted(GEOMETRIC):
        for strength in STRENGTHS[name]:
            ours = apply_operation(clip, Operation(name, strength))[0]
            assert np.array_equal(ours, as_timm(name, clip[0], strength))


@pytest.mark.parametrize("text", [PAPER, "rand-m9-n3-p0.8", "rand-m12-mmax20-mstd3-inc1", "rand-mstd101-n3"])
def test_draws_are_distributed_as_timms(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[float]] = defaultdict(list)
    lengths: Counter[int] = Counter()

    def note(name: str) -> object:
        def noted(picture: int, *strength: float, **_: object) -> int:
            value = strength[0] if strength else 0.0
            seen[name].append(max(1, value) if name == "Posterize" else value)
            return picture + 1

        return noted

    for name in OPERATIONS:
        rising = "Increasing" if "inc1" in text else ""
        for alias in (name, name + rising, OF_TIMM.get(name, name)):
            if alias in auto_augment.NAME_TO_OP:
                monkeypatch.setitem(auto_augment.NAME_TO_OP, alias, note(name))
    timms = auto_augment.rand_augment_transform(text, {"img_mean": FILL})
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (timm's own chance)
    rounds = 6000
    for _ in range(rounds):
        lengths[timms(0)] += 1

    policy = parse_policy(text)
    assert policy is not None
    rng = np.random.default_rng(0)
    ours: dict[str, list[float]] = defaultdict(list)
    our_lengths: Counter[int] = Counter()
    for _ in range(rounds):
        operations = draw_operations(policy, rng)
        our_lengths[len(operations)] += 1
        for operation in operations:
            ours[operation.name].append(operation.strength)
    assert set(ours) == set(seen) == set(OPERATIONS)
    for count in range(policy.layers + 1):
        assert our_lengths[count] == pytest.approx(lengths[count], abs=5 * math.sqrt(lengths[count]) + 5)
    for name, strengths in seen.items():
        assert len(ours[name]) == pytest.approx(len(strengths), abs=6 * math.sqrt(len(strengths)))
        size = max(1e-9, float(np.max(np.abs(strengths))))
        sure = 5 * float(np.std(strengths)) * math.sqrt(2 / len(strengths)) + 0.02 * size
        for measure in (np.mean, np.std):
            assert measure(ours[name]) == pytest.approx(measure(strengths), abs=sure), name
        reach = 1 if name == "Posterize" else 0.15 * size  # of the extremes; bits are whole
        assert np.min(ours[name]) == pytest.approx(np.min(strengths), abs=reach), name
        assert np.max(ours[name]) == pytest.approx(np.max(strengths), abs=reach), name


def test_the_generator_decides_and_all_frames_change_the_same_way() -> None:
    policy = Policy(magnitude=7, layers=4, spread=0.5, rising=True)
    clip = np.repeat(CLIPS["faces"][:1], 3, axis=0)
    results = [rand_augment(clip, policy, np.random.default_rng(seed)) for seed in (*range(12), 0)]
    assert all((out == out[:1]).all() for out in results)
    assert np.array_equal(results[0], results[-1])
    assert len({out.tobytes() for out in results}) > 8
