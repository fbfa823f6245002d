"""Degradations: as strong as they say, the same in every run, and none at level zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import Clip, PreparedClip
from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.degradations import DEGRADATIONS, Degrade, parse_degradations
from hicmae_cli.evaluation.scoring import score_clips
from tests.evaluation.toys import write_grey
from tests.runtime.stubs import ToyEngine

RNG = np.random.default_rng(0)
SOUND = (0.1 * RNG.standard_normal(32000)).astype(np.float32)
FACES = np.tile((np.indices((160, 160)).sum(axis=0) % 16 * 16).astype(np.uint8)[None, :, :, None], (16, 1, 1, 3))
CLIP = PreparedClip(None, SOUND)


def sound(name: str, level: float, clip: str = "a") -> np.ndarray:
    changed = Degrade(DEGRADATIONS[name], level).degrade_sound(CLIP, clip).samples
    assert changed is not None
    return changed


def faces(name: str, level: float, clip: str = "a") -> np.ndarray:
    (changed,) = Degrade(DEGRADATIONS[name], level).degrade_faces([Clip(FACES, None)], clip)
    assert changed.video is not None
    return changed.video


@pytest.mark.parametrize("snr_db", [20, 5, 0, -5])
def test_noise_has_its_ratio(snr_db: float) -> None:
    noise = sound("noise", snr_db) - SOUND
    measured = 10 * np.log10(np.mean(SOUND**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr_db, abs=0.01)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.03  # white


def test_babble_has_its_ratio_and_is_that_of_the_clip() -> None:
    murmur = sound("babble", 10) - SOUND
    assert 10 * np.log10(np.mean(SOUND**2) / np.mean(murmur**2)) == pytest.approx(10, abs=0.01)
    assert np.corrcoef(murmur[1:], murmur[:-1])[0, 1] > 0.5  # of voices, which are no white noise
    np.testing.assert_allclose(sound("babble", 0) - SOUND, 10**0.5 * murmur, atol=1e-5)  # a level is more of the same
    assert not np.array_equal(sound("babble", 10, "b") - SOUND, murmur)


def test_louder_sound_is_clipped() -> None:
    np.testing.assert_allclose(sound("loudness", -12), SOUND * 10**-0.6, rtol=1e-5)
    louder = sound("loudness", 30)
    assert np.abs(louder).max() == 1
    np.testing.assert_allclose(louder[np.abs(louder) < 1], SOUND[np.abs(louder) < 1] * 10**1.5, rtol=1e-5)


@pytest.mark.parametrize("highest_hz", [3400, 2400])
def test_a_telephone_has_a_band(highest_hz: float) -> None:
    before, after = (np.abs(np.fft.rfft(samples)) ** 2 for samples in (SOUND, sound("telephone", highest_hz)))
    hz = np.fft.rfftfreq(len(SOUND), 1 / 16000)
    kept, stopped = (hz > 450) & (hz < 0.8 * highest_hz), (hz < 150) | (hz > 1.5 * highest_hz)
    assert after[kept].sum() / before[kept].sum() == pytest.approx(1, abs=0.05)
    assert after[stopped].sum() / before[stopped].sum() < 0.003


@pytest.mark.parametrize("seconds", [0.1, 0.8, -0.4])
def test_sound_comes_later_by_so_many_seconds(seconds: float) -> None:
    late = sound("desync", seconds)
    lags = np.fft.irfft(np.fft.rfft(late, 65536) * np.conj(np.fft.rfft(SOUND, 65536)))
    lag = int(lags.argmax())
    assert (lag if lag < 32768 else lag - 65536) == round(seconds * 16000)
    assert len(late) == len(SOUND) and (late == 0).sum() == round(abs(seconds) * 16000)


def test_blur_is_wider_at_a_higher_level() -> None:
    detail = [np.abs(np.diff(faces("blur", level)[0, ..., 0].astype(float), axis=1)).mean() for level in (0, 1, 2, 4)]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.2 * detail[0]


def test_occlusion_covers_its_share_at_one_place() -> None:
    for share in (0.1, 0.5):
        covered = (faces("occlusion", share) == 127).all(axis=-1)
        assert covered.mean() == pytest.approx(share, abs=0.01)
        assert (covered == covered[0]).all()


def test_lost_frames_are_black_and_stay_lost() -> None:
    lost = [set(np.flatnonzero(faces("drop-frames", share).max(axis=(1, 2, 3)) == 0)) for share in (0.25, 0.5, 0.75)]
    assert [len(frames) for frames in lost] == [4, 8, 12]
    assert lost[0] < lost[1] < lost[2]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_clean_level_changes_nothing_and_every_other_one_something(name: str) -> None:
    kind = DEGRADATIONS[name]
    video = Clip(FACES, np.zeros((256, 128), np.float32))
    clean = Degrade(kind, kind.clean)
    assert clean.degrade_sound(CLIP, "a") is CLIP and clean.degrade_faces([video], "a") == [video]
    change = sound if kind.sound else faces
    original = SOUND if kind.sound else FACES
    for level in kind.levels:
        assert not np.array_equal(change(name, level), original)
        np.testing.assert_array_equal(change(name, level), change(name, level))
    if name in ("noise", "babble", "occlusion", "drop-frames"):
        assert not np.array_equal(change(name, kind.levels[0], "a"), change(name, kind.levels[0], "b"))


def test_views_that_are_one_object_stay_one() -> None:
    clip = Clip(FACES, None)
    first, second = Degrade(DEGRADATIONS["blur"], 2.0).degrade_faces([clip, clip], "a")
    assert first is second


def test_scores_are_of_degraded_clips(tmp_path: Path) -> None:
    sample = write_grey(tmp_path, "a", 200)
    clean, dark, same = (
        score_clips([sample], ToyEngine(), degrade=degrade)["av"].samples[0].outputs
        for degrade in (None, Degrade(DEGRADATIONS["drop-frames"], 1.0), Degrade(DEGRADATIONS["drop-frames"], 0.0))
    )
    assert same == clean and dark[1] < clean[1]  # brightness argues for happiness


def test_names_and_ranges_are_read() -> None:
    def read(given: str) -> list[tuple[str, float]]:
        return [(each.kind.name, each.level) for each in parse_degradations(given)]

    assert read("noise=0..10dB, blur=3") == [("noise", 10), ("noise", 5), ("noise", 0), ("blur", 3)]
    # A repeated name adds its levels.
    assert read("noise=10,blur=3,noise=0,noise=10") == [("noise", 10), ("noise", 0), ("blur", 3)]
    assert [level for _, level in read("desync")] == list(DEGRADATIONS["desync"].levels)
    assert [each.level for each in parse_degradations({"blur": (2, 1)})] == [2, 1]
    for wrong, message in (
        ("fog", r"no degradation 'fog'; expected noise, babble, loudness"),
        ("noise=loud", r"cannot read the levels 'loud'; write noise=0..20dB, or one level"),
        ("noise=1..2..3", "cannot read"),
        ("noise=30..40", "noise has no level in 30..40; its levels are 20, 15"),
        ("occlusion=2", "occlusion 2 share: expected 0 to 1"),
    ):
        with pytest.raises(SettingsError, match=message):
            parse_degradations(wrong)
