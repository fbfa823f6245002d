from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights import bundling
from hicmae_cli.weights.bundling import MAX_BUNDLE_BYTES, bundle_weight
from hicmae_cli.weights.catalogue import read_catalogue
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.facts import HeldOutScore, WeightFacts
from hicmae_cli.weights.reading import read_info

OTHER = """
[[weight]]
name = "other"
summary = 'has "quotes" and a \\'
licence = "MIT"

[[weight.files]]
name = "other.onnx"
sha256 = "00"
size_bytes = 7
"""
FACTS = """
trained_on = "toys"
cannot_judge = "anybody"
licence = "research use only"

[[held_out]]
what = "other toys"
metric = "UAR"
value = 0.5
chance = 0.33
n = 10
"""


@pytest.fixture
def folder(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of one weight, where the export is a copy."""
    (tmp_path / "catalogue.toml").write_text(OTHER)
    monkeypatch.setattr(
        bundling, "write_onnx", lambda source, target, store: shutil.copy(toy.with_suffix(".onnx"), target)
    )
    return tmp_path


def test_all_bundled_weights_together_are_small() -> None:
    assert sum(file.size_bytes for entry in read_catalogue() for file in entry.files) < MAX_BUNDLE_BYTES == 25_000_000


def test_a_new_weight_joins_the_others(folder: Path, toy: Path) -> None:
    (before,) = read_catalogue(folder)
    (folder / "facts.toml").write_text(FACTS)
    facts = WeightFacts.read(folder / "facts.toml")
    info = bundle_weight(toy, folder, "mine", summary="toys", facts=facts, metrics={"test": {"uar": 0.5}})
    kept, new = read_catalogue(folder)
    assert kept == before
    assert (new.summary, new.licence) == ("toys", "research use only")
    assert [file.name for file in new.files] == ["mine.safetensors", "mine.onnx"]
    assert [file.size_bytes for file in new.files] == [(folder / file.name).stat().st_size for file in new.files]
    assert read_info(str(folder / "mine.safetensors")) == info
    assert info.held_out == (HeldOutScore(what="other toys", metric="UAR", value=0.5, chance=0.33, n=10),)
    assert info.metrics == {"test": {"uar": 0.5}} and info.trained_on == "toys"


def test_an_update_keeps_its_place_and_summary(folder: Path, toy: Path) -> None:
    bundle_weight(toy, folder, "mine", summary="toys")
    bundle_weight(toy, folder, "other", suffixes=(".onnx",))
    first, second = read_catalogue(folder)
    assert (first.name, first.summary, second.name) == ("other", 'has "quotes" and a \\', "mine")
    assert [file.name for file in first.files] == ["other.onnx"]
    assert not (folder / "other.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Mine", {"summary": "s"}, "not a valid name"),
        ("mine", {}, "give it a summary"),
        ("mine", {"summary": "s", "suffixes": (".safetensors",)}, "suffixes="),
    ],
)
def test_what_cannot_be_bundled_says_why(
    folder: Path, toy: Path, name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(WeightsError, match=said):
        bundle_weight(toy, folder, name, **options)  # type: ignore[arg-type]
    assert (folder / "catalogue.toml").read_text() == OTHER


def test_a_weight_of_one_stream_needs_both_formats(folder: Path, toy: Path) -> None:
    model, info = load_classifier(toy)
    alone = folder / "alone.safetensors"
    save_classifier(alone, model, info.model_copy(update={"modality": "audio"}))
    with pytest.raises(WeightsError, match=r"uses audio alone, .* write both formats"):
        bundle_weight(alone, folder, "mine", summary="toys", suffixes=(".onnx",))


def test_a_bundle_that_is_too_large_is_refused(folder: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "MAX_BUNDLE_BYTES", 1000)
    (folder / "mine.onnx").write_text("the one before")
    with pytest.raises(WeightsError, match="more than"):
        bundle_weight(toy, folder, "mine", summary="toys")
    assert (folder / "catalogue.toml").read_text() == OTHER
    # The catalogue has the hash of the file.
    assert (folder / "mine.onnx").read_text() == "the one before"
    assert {path.name for path in folder.iterdir()} == {"catalogue.toml", "mine.onnx"}


@pytest.mark.parametrize("text", ["weight = 3", "[[held_out]]\nwhat = 'x'", "not toml [", "trained_on = 3"])
def test_facts_that_are_malformed_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "facts.toml").write_text(text)
    with pytest.raises(WeightsError, match=r"facts\.toml: ") as caught:
        WeightFacts.read(tmp_path / "facts.toml")
    assert "\n" not in str(caught.value)
