"""Labels of a corpus under the names of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import Target
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation.label_maps import cross_labels, match_labels, order_targets, read_label_map

MODEL = ("anger", "happiness", "neutral")


def clips(*targets: Target) -> list[Sample]:
    return [Sample(f"{n}", Path("a"), None, target) for n, target in enumerate(targets)]


def test_pairs_are_read_by_canonical_names_and_codes() -> None:
    assert read_label_map("calm = neutral,HAP=happy,Q=-", {"Q": "boredom"}) == {
        "calm": "neutral",
        "happiness": "happiness",
        "boredom": "-",
    }


def test_a_file_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('calm = "neutral"\n"wide awake" = "-"\n')
    assert read_label_map(str(tmp_path / "map.toml")) == {"calm": "neutral", "wide awake": "-"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calm", "expected pairs such as"),
        ("=neutral", "expected pairs"),
        ("calm=", "expected pairs"),
        ("calm=neutral,calm=anger", "calm occurs twice"),
        ("none.toml", "none.toml': cannot be read"),
    ],
)
def test_what_cannot_be_read_says_so(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_label_map(text)


def test_a_file_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("calm = 3\n")
    with pytest.raises(SettingsError, match=r'calm is 3, expected a label, e\.g\. calm = "neutral"'):
        read_label_map(str(tmp_path / "map.toml"))


def test_the_order_of_labels_is_free() -> None:
    found = match_labels(clips("neutral", "anger"), MODEL, corpus=("neutral", "happiness", "anger"))
    assert [sample.label for sample in found.samples] == ["neutral", "anger"]
    assert (found.classes, found.dropped, found.mapping) == ((), {}, {})


def test_labels_in_excess_are_named_with_an_example() -> None:
    with pytest.raises(ManifestError) as caught:
        match_labels(clips("calm"), MODEL, corpus=("anger", "calm", "fear", "happiness"), name="ravdess")
    said = str(caught.value)
    assert "only ravdess has calm, fear" in said and "only the weight has neutral" in said
    assert "label_map='calm=neutral,fear=-'" in said and "cross=True" in said
    with pytest.raises(ManifestError, match="only the weight has neutral"):
        match_labels(clips("anger"), MODEL, corpus=("anger", "happiness"))


def test_a_label_in_excess_is_named_with_its_file_and_clip() -> None:
    with pytest.raises(ManifestError, match=r"^mine\.csv, clip 1: the labels differ: only mine has joy"):
        match_labels(clips("anger", "joy", "joy"), MODEL, name="mine", manifest=Path("mine.csv"))
    with pytest.raises(ManifestError, match=r"^the labels differ"):  # the dataset's do, not the file's
        match_labels(clips("anger"), MODEL, corpus=("anger", "joy"), manifest=Path("mine.csv"))


def test_a_list_of_some_of_the_labels_is_fine() -> None:
    assert len(match_labels(clips("anger", "anger"), MODEL).samples) == 2


def test_a_map_renames_merges_and_drops() -> None:
    mapping = {"calm": "neutral", "fear": "-"}
    found = match_labels(
        clips("calm", "neutral", "fear", "fear"), MODEL, mapping=mapping, corpus=("anger", "calm", "fear", "neutral")
    )
    assert [sample.label for sample in found.samples] == ["neutral", "neutral"]
    assert found.dropped == {"fear": 2} and found.mapping == mapping


def test_a_map_may_name_what_other_clips_of_the_list_are_called() -> None:
    found = match_labels(clips("anger"), MODEL, mapping={"calm": "neutral"}, found=("anger", "calm"))
    assert [sample.label for sample in found.samples] == ["anger"]


def test_a_map_must_fit_both_sides() -> None:
    with pytest.raises(SettingsError, match="bored is not a label of the manifest, which has anger"):
        match_labels(clips("anger"), MODEL, mapping={"bored": "anger"})
    with pytest.raises(SettingsError, match="fury is not a label of the weight, which has anger, happiness, neutral"):
        match_labels(clips("anger"), MODEL, mapping={"anger": "fury"})
    with pytest.raises(ManifestError, match="only the manifest has fear"):
        match_labels(clips("anger", "fear"), MODEL, mapping={"anger": "anger"})


def test_nothing_left_is_said() -> None:
    with pytest.raises(ManifestError, match="no clips are left"):
        match_labels(clips("anger"), MODEL, mapping={"anger": "-"})


def test_across_corpora_shared_labels_are_kept() -> None:
    found = cross_labels(clips("neutral", "calm", "calm", "anger"), MODEL, corpus=("neutral", "calm", "anger"))
    assert found.classes == ("anger", "neutral")  # in the model's order
    assert found.dropped == {"calm": 2}
    assert [sample.label for sample in found.samples] == ["neutral", "anger"]


def test_a_map_refines_what_is_shared() -> None:
    corpus = ("neutral", "calm", "anger", "joy")
    found = cross_labels(clips(*corpus), MODEL, corpus=corpus, mapping={"joy": "happiness", "calm": "neutral"})
    assert found.classes == () and not found.dropped  # all of the model's
    assert [sample.label for sample in found.samples] == ["neutral", "neutral", "anger", "happiness"]


def test_one_shared_label_is_no_comparison() -> None:
    with pytest.raises(
        ManifestError, match=r"share anger, .* has anger, joy, the weight has anger, happiness, neutral"
    ):
        cross_labels(clips("anger", "joy"), MODEL)


def test_targets_are_put_in_the_models_order() -> None:
    found = order_targets(clips((1.0, 2.0, 3.0)), ("c", "a", "b"), ("a", "b", "c"))
    assert found[0].target == (3.0, 1.0, 2.0)
    found = order_targets(clips((1.0, 2.0)), ("arousal", "valence"), ("v", "a"), {"v": "valence", "a": "arousal"})
    assert found[0].target == (2.0, 1.0)
    with pytest.raises(ManifestError, match="only the manifest has power; only the weight has valence"):
        order_targets(clips((1.0, 2.0)), ("arousal", "valence"), ("arousal", "power"))
    with pytest.raises(ManifestError, match=r"clip 0: expected 2 numbers \(a, b\) .* got '1.0'"):
        order_targets(clips((1.0,)), ("a", "b"), ("a", "b"))
