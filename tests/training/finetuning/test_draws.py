"""Which clips an epoch takes: shares of sources, balance of labels, a cap for each person."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.draws import EpochSampler, keep_sources, name_source
from hicmae_cli.training.order import epoch_order

SHARES = {"puppets": 0.3, "photos": 0.5, "voices": 0.2}


def clip(index: int, source: str, label: str, speaker: str = "") -> Sample:
    return Sample(f"{source}-{index}", None, None, label, speaker=speaker, extra={"source": source})


# 40 puppets of two labels, 30 photos of which only 3 are sad, and 6 voices of one person.
CLIPS = [
    *(clip(i, "puppets", ("happiness", "sadness")[i % 2], f"p{i // 4}") for i in range(40)),
    *(clip(i, "photos", "sadness" if i < 3 else "happiness") for i in range(30)),
    *(clip(i, "voices", "happiness", "v0") for i in range(6)),
]


def plan(clips: list[Sample] = CLIPS, **keys: Any) -> EpochSampler:
    return EpochSampler.plan(clips, FinetuneSettings(batch_size=4).model_copy(update=keys))


def test_without_keys_an_epoch_takes_each_clip_once_in_the_usual_order() -> None:
    for epoch in range(2):
        drawn = plan(seed=3).draw(epoch)
        assert drawn.rows == drawn.keys == epoch_order(len(CLIPS), 3, epoch)
        assert drawn.row_of_key is None


def test_sources_get_their_shares_and_labels_of_a_source_the_same() -> None:
    sampler = plan(epoch_clips=100, source_shares=SHARES, balance="label")
    for epoch in range(3):
        drawn = [CLIPS[row] for row in sampler.draw(epoch).rows]
        counts = Counter((name_source(sample), sample.label) for sample in drawn)
        assert counts == {
            ("puppets", "happiness"): 15,
            ("puppets", "sadness"): 15,
            ("photos", "happiness"): 25,
            ("photos", "sadness"): 25,
            ("voices", "happiness"): 20,
        }
    assert sampler.mean_draws()[40] == pytest.approx(25 / 3)


def test_by_root_a_label_with_nine_times_the_clips_gets_three_times_the_draws() -> None:
    sampler = plan(epoch_clips=160, source_shares=SHARES, balance="root")
    drawn = [CLIPS[row] for row in sampler.draw(0).rows]
    counts = Counter((name_source(sample), sample.label) for sample in drawn)
    assert counts == {
        ("puppets", "happiness"): 24,
        ("puppets", "sadness"): 24,
        ("photos", "happiness"): 60,
        ("photos", "sadness"): 20,
        ("voices", "happiness"): 32,
    }


def test_no_clip_comes_again_before_each_clip_of_its_kind_came_once() -> None:
    rows = plan(epoch_clips=100, source_shares=SHARES).draw(0).rows
    times = Counter(rows)
    for source, draws in (("puppets", 30), ("photos", 50), ("voices", 20)):
        own = [times[row] for row, sample in enumerate(CLIPS) if name_source(sample) == source]
        assert sum(own) == draws and max(own) - min(own) <= 1
    # Sources and clips are shuffled: no part of an epoch has one source only.
    assert len({name_source(CLIPS[row]) for row in rows[:10]}) > 1


def test_shares_that_are_no_whole_numbers_are_exact_on_average() -> None:
    sampler = plan(epoch_clips=4, source_shares={"puppets": 0.1, "photos": 0.3, "voices": 0.6})
    found: Counter[str] = Counter()
    for epoch in range(400):
        drawn = Counter(name_source(CLIPS[row]) for row in sampler.draw(epoch).rows)
        assert drawn.total() == 4 and drawn["voices"] in (2, 3) and drawn["photos"] in (1, 2)
        found += drawn
    assert found["puppets"] / 1600 == pytest.approx(0.1, abs=0.025)


def test_a_person_is_drawn_no_more_than_the_cap_where_there_are_others() -> None:
    clips = [clip(i, "puppets", ("happiness", "sadness")[i % 2], "often" if i < 40 else f"p{i}") for i in range(60)]
    drawn = [clips[row] for row in plan(clips, epoch_clips=20, person_cap=3).draw(1).rows]
    people = Counter((sample.speaker, sample.label) for sample in drawn)
    assert len(drawn) == 20 and max(people.values()) <= 3
    # 22 people and labels for 110 draws: each five times, the most even way to pass the cap of 3.
    crowded = Counter(
        (clips[row].speaker, clips[row].label) for row in plan(clips, epoch_clips=110, person_cap=3).draw(1).rows
    )
    assert set(crowded.values()) == {5}


def test_a_clip_without_a_speaker_is_a_person_of_its_own() -> None:
    rows = plan(epoch_clips=76, person_cap=2, source_shares={"puppets": 0, "photos": 1, "voices": 0}).draw(0).rows
    # 30 photos for 76 draws.
    assert sorted(Counter(rows).values())[-1] == 3 and len(set(rows)) == 30


def test_seed_and_epoch_decide_the_draws() -> None:
    keys: dict[str, Any] = {"epoch_clips": 50, "source_shares": SHARES, "balance": "label", "person_cap": 4}
    assert plan(**keys).draw(2) == plan(**keys).draw(2)
    assert plan(**keys).draw(2) != plan(**keys).draw(3) and plan(**keys).draw(2) != plan(**keys, seed=1).draw(2)


def test_shares_that_do_not_fit_the_clips_are_named() -> None:
    with pytest.raises(SettingsError, match="no training clips of films; there are some of photos, puppets, voices"):
        plan(source_shares={**SHARES, "voices": 0.1, "films": 0.1})
    with pytest.raises(SettingsError, match="has no share for voices; give each source"):
        plan(source_shares={"puppets": 0.5, "photos": 0.5})
    with pytest.raises(ManifestError, match="the training clips have no column source"):
        plan([replace(sample, extra={}) for sample in CLIPS], source_shares=SHARES)


def test_a_share_of_zero_removes_a_source() -> None:
    shares = {"puppets": 0.0, "photos": 0.5, "voices": 0.5}
    kept = keep_sources(CLIPS, shares)
    assert kept == CLIPS[40:] and keep_sources(CLIPS, {}) == CLIPS
    assert plan(kept, source_shares=shares).size == 36


def test_a_regression_is_drawn_by_source_and_person() -> None:
    clips = [replace(sample, target=(index / 100, 0.5)) for index, sample in enumerate(CLIPS)]
    drawn = plan(clips, epoch_clips=20, source_shares=SHARES, person_cap=1).draw(0).rows
    people = Counter(CLIPS[row].speaker for row in drawn if row < 40)
    assert people.total() == 6 and set(people.values()) == {1}
