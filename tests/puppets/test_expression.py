"""Displays over time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.puppets.actions import DISPLAYS, INDEX
from hicmae_cli.puppets.expression import Style, add_speech, animate_expression

TIMES_S = np.arange(64) * 0.04


def curves(kind: str, seed: int, intensity: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return animate_expression(kind, intensity, Style.draw(rng), rng, TIMES_S)


def mean_of(kind: str, *names: str, count: int = 40) -> float:
    return float(np.mean([curves(kind, seed)[:, [INDEX[n] for n in names]].mean() for seed in range(count)]))


@pytest.mark.parametrize("kind", DISPLAYS)
def test_curves_stay_in_range_and_repeat_with_their_seed(kind: str) -> None:
    first, again, other = curves(kind, 3), curves(kind, 3), curves(kind, 4)
    assert first.shape == (64, 52) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("anger", "browDownLeft"),
        ("disgust", "noseSneerLeft"),
        ("fear", "eyeWideLeft"),
        ("happiness", "mouthSmileLeft"),
        ("sadness", "mouthFrownLeft"),
    ],
)
def test_each_emotion_moves_its_prototype_most(kind: str, name: str) -> None:
    by_kind = {label: mean_of(label, name) for label in CREMA_D_LABELS}
    assert max(by_kind, key=lambda label: by_kind[label]) == kind
    assert by_kind[kind] > by_kind["neutral"] + 0.2


def test_intensity_scales_a_display() -> None:
    strength = [
        np.mean([curves("anger", s, i)[:, INDEX["browDownLeft"]].mean() for s in range(20)]) for i in (0, 0.5, 1)
    ]
    assert strength[0] < 0.1 < strength[1] < strength[2]


def test_shared_displays_keep_to_the_units_both_emotions_have() -> None:
    assert mean_of("anger-disgust", "browDownLeft") > 0.2 and mean_of("anger-disgust", "noseSneerLeft") > 0.1
    assert mean_of("fear-sadness", "browInnerUp") > 0.3 and mean_of("fear-sadness", "eyeWideLeft") < 0.02
    assert 0.05 < mean_of("happiness-neutral", "mouthSmileLeft") < 0.3


def test_an_unknown_display_is_named() -> None:
    with pytest.raises(ValueError, match="unknown display 'joy'"):
        curves("joy", 0)


def test_speech_opens_the_jaw_and_loosens_pressed_lips() -> None:
    still = curves("anger", 1)
    zero, one = np.zeros(64, np.float32), np.ones(64, np.float32)
    spoken = add_speech(still, SimpleNamespace(jaw=one, round=zero, press=zero, wide=zero))
    assert (spoken[:, INDEX["jawOpen"]] >= still[:, INDEX["jawOpen"]] + 0.3).all() or spoken.max() == 1
    assert (spoken[:, INDEX["mouthPressLeft"]] <= still[:, INDEX["mouthPressLeft"]]).all()
    assert spoken.min() >= 0 and spoken.max() <= 1
    silent = add_speech(still, SimpleNamespace(jaw=zero, round=zero, press=zero, wide=zero))
    np.testing.assert_allclose(silent, still, atol=1e-6)


def test_speech_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(64,\)"):
        add_speech(curves("fear", 0), SimpleNamespace(**dict.fromkeys(("jaw", "round", "press", "wide"), np.zeros(3))))
