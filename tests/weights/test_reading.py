from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hicmae_cli.bundled import DEFAULT_WEIGHT, find_bundled_dir
from hicmae_cli.errors import WeightsError
from hicmae_cli.weights import catalogue
from hicmae_cli.weights.catalogue import locate_store, read_catalogue
from hicmae_cli.weights.info import METADATA_KEY
from hicmae_cli.weights.reading import METADATA_READERS, read_card, read_info, read_precision
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES
from tests.cli.running import fresh_python
from tests.weights.toys import DIMS, info_of, save_toy


def test_both_formats_say_the_same(toy: Path, tmp_path: Path) -> None:
    for suffix in (".safetensors", ".onnx"):  # apart, so that neither stands in for the other
        alone = shutil.copy(toy.with_suffix(suffix), tmp_path / f"only-{suffix[1:]}{suffix}")
        assert read_info(str(alone)) == info_of(DIMS, 3)


def test_every_format_has_a_reader_of_its_metadata() -> None:
    assert set(METADATA_READERS) == set(WEIGHT_SUFFIXES)


def test_a_new_format_is_one_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "WEIGHT_SUFFIXES", (*WEIGHT_SUFFIXES, ".toy"))
    facts = info_of(DIMS, 3)
    monkeypatch.setitem(METADATA_READERS, ".toy", lambda path: {METADATA_KEY: facts.to_json()})
    (tmp_path / "w.toy").touch()
    save_toy(tmp_path / "w.safetensors", seed=1)
    assert read_info(str(tmp_path / "w.toy")) == facts


@pytest.mark.parametrize("name", [DEFAULT_WEIGHT, "puppets-nano"])
def test_bundled_files_say_the_same(name: str) -> None:
    ours = read_info(name)
    assert ours.variant == "nano" and ours.is_demo is (name == "puppets-nano")
    (entry,) = (entry for entry in read_catalogue() if entry.name == name)
    for file in entry.files:
        assert read_info(str(find_bundled_dir() / file.name)) == ours
        assert read_precision(str(find_bundled_dir() / file.name)) == "float16"


def test_a_given_file_is_read_and_not_its_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "w.onnx"
    shutil.copy(find_bundled_dir() / "puppets-nano.onnx", path)
    save_toy(path.with_suffix(".safetensors"))
    assert read_info(str(path)).dataset == "puppets"
    assert read_info(str(path.with_suffix(".safetensors"))).dataset == "none"


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_stored_weight_is_read_by_name(toy: Path, suffix: str) -> None:
    locate_store().mkdir(parents=True)
    shutil.copy(toy.with_suffix(suffix), locate_store() / f"mine{suffix}")
    assert read_info("mine") == info_of(DIMS, 3)


@pytest.mark.parametrize("name", ["w.safetensors", "w.onnx"])
@pytest.mark.parametrize("content", [b"", b"not a weight" * 20])
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name) as caught:
        read_info(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_reading_needs_no_torch() -> None:
    done = fresh_python(
        "import sys\nsys.modules['torch'] = None\nfrom hicmae_cli.weights.reading import read_info\n"
        "print(read_info('puppets-nano').dataset)"
    )
    assert done.stdout == "puppets\n", done.stderr


@pytest.mark.parametrize(
    ("name", "warning"), [("puppets-nano", "cannot judge real people"), (DEFAULT_WEIGHT, "cannot judge an individual")]
)
def test_the_cards_of_bundled_weights_warn_and_others_have_none(toy: Path, name: str, warning: str) -> None:
    card = read_card(name)
    assert card is not None and card.startswith(f"# {name}\n")
    assert warning in card
    assert read_card(str(toy)) is None
    assert read_card("no-such-weight") is None
