from __future__ import annotations

import hashlib
from collections import Counter

from hicmae_cli.evaluation.real_check.people import deal_split, is_in_split, warn_of_seen
from hicmae_cli.records.seen import note_seen
from tests.evaluation.toys import info_of


def test_the_hash_of_the_name_deals_people() -> None:
    for name in ("11", "32", "Müller"):
        tenth = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
        assert deal_split(name) == ("test" if tenth < 2 else "validation" if tenth == 2 else "train")
    assert [deal_split(name) for name in ("11", "32", "03")] == ["test", "validation", "train"]
    counts = Counter(deal_split(str(number)) for number in range(2000))
    assert 350 < counts["test"] < 450 and 150 < counts["validation"] < 250
    assert is_in_split("03", "all") and is_in_split("03", "train") and not is_in_split("03", "test")


def test_people_of_a_training_are_told() -> None:
    mixed = note_seen("mix", "fine-tuning", [("photos/Ann", "1"), ("emodb/03", "2")], manifest_sha256="salt")
    info = info_of(seen=(mixed,))
    (warning,) = warn_of_seen(info, {"Ann", "Bob"}, "photos", "photos")
    twice = info_of(seen=(mixed, mixed))
    assert warn_of_seen(twice, {"Ann", "Bob"}, "photos", "photos") == [warning]
    assert "learned from 1 of the 2 people of the photos" in warning and "mix" in warning
    assert warn_of_seen(info, {"Bob"}, "photos", "photos") == []
    assert len(warn_of_seen(info, {"03"}, "emodb", "voices")) == 1


def test_a_bare_name_is_sure_only_in_the_corpus_itself() -> None:
    names = [("03", "1")]
    own, other = (note_seen(dataset, "pre-training", names) for dataset in ("emodb", "ravdess"))
    (sure,) = warn_of_seen(info_of(seen=(own,)), {"03"}, "emodb", "voices")
    (doubtful,) = warn_of_seen(info_of(seen=(other,)), {"03", "08"}, "emodb", "voices")
    assert "has learned from 1 of the 1 people" in sure
    assert "may have learned from 1 of the 2 people" in doubtful and "ravdess" in doubtful
    assert warn_of_seen(info_of(seen=(other,)), {"08"}, "emodb", "voices") == []


def test_a_training_on_unnamed_people_is_doubtful() -> None:
    """Photos in folders name nobody, so their clips say nothing about who was seen."""
    folders = note_seen("photos", "fine-tuning", [("", "happy/001.jpg")])
    (warning,) = warn_of_seen(info_of(seen=(folders,)), {"Ann"}, "photos", "photos")
    assert "clips of unknown people" in warning


def test_a_training_without_a_list_is_doubtful_but_puppets_are_not() -> None:
    (warning,) = warn_of_seen(info_of(dataset="crema-d"), {"Ann"}, "photos", "photos")
    assert "does not list its people" in warning
    assert warn_of_seen(info_of(dataset="puppets"), {"Ann"}, "photos", "photos") == []
