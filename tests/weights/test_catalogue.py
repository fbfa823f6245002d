from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.bundled import DEFAULT_WEIGHT, find_bundled_dir
from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256
from hicmae_cli.weights.catalogue import find_weight, list_stored, locate_store, locate_stored, read_catalogue
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS

SUFFIXES = (SAFETENSORS, ONNX)


def keep(name: str, *suffixes: str) -> list[Path]:
    """Files of a weight in the user's store."""
    locate_store().mkdir(parents=True, exist_ok=True)
    paths = [locate_store() / f"{name}{suffix}" for suffix in suffixes]
    for path in paths:
        path.touch()
    return paths


def test_every_bundled_file_is_the_one_in_the_catalogue() -> None:
    entries = read_catalogue()
    assert DEFAULT_WEIGHT in [entry.name for entry in entries]
    for entry in entries:
        for file in entry.files:
            path = find_bundled_dir() / file.name
            assert (path.stat().st_size, compute_sha256(path)) == (file.size_bytes, file.sha256)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not toml [",
        '[[weight]]\nname = "w"',
        '[[weight]]\nname = "w"\nsummary = ""\nlicence = ""\nfiles = []\nurl = "http://example.org"',
        b"# \xff\xfe",
        "weight = 3",
        'weight = ["w"]',
        *(
            f"[[weight]]\nname = 'w'\nsummary = ''\nlicence = ''\n[[weight.files]]\nname = {name}\n"
            "sha256 = ''\nsize_bytes = 1"
            for name in ("'../x'", "'/etc/passwd'", "'a/b'", "''", "'..'", "'a\\b'", '"\\u001b[31m"')
        ),
        "[[weight]]\nname = 'w'\nsummary = ''\nlicence = ''\nfiles = []\ncard = '../../x.md'",
    ],
)
def test_a_broken_catalogue_is_named(tmp_path: Path, text: str | bytes | None) -> None:
    if text is not None:
        (tmp_path / "catalogue.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(WeightsError, match=r"catalogue\.toml: the catalogue cannot be read") as said:
        read_catalogue(tmp_path)
    assert str(said.value).isprintable()


@pytest.mark.parametrize("name", ["a", "crema-d.base_2", "9" * 64])
def test_plain_names_lie_in_the_store(name: str) -> None:
    assert locate_stored(name, ".onnx") == locate_store() / f"{name}.onnx"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../up",
        "a/b",
        "/etc/passwd",
        "a\\b",
        ".hidden",
        "-x",
        "a b",
        "a\n",
        "é",
        "9" * 65,
        "w.onnx",
        "w.safetensors",
    ],
)
def test_names_that_leave_the_store_or_confuse_are_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="is not a valid name of a weight"):
        locate_stored(name, ".onnx")


def test_stored_names_are_those_of_whole_weights_only() -> None:
    assert list_stored() == []
    keep("both", *SUFFIXES)
    keep("a.b", ".onnx")
    keep("notes", ".txt")
    keep(".half", ".safetensors")
    assert list_stored() == ["a.b", "both"]


def test_a_name_gives_the_file_of_each_format_it_has() -> None:
    (path,) = keep("mine", ".safetensors")
    assert find_weight("mine", ".safetensors") == path
    assert find_weight("mine", ".onnx") is None
    assert find_weight("puppets-nano", ".onnx") == find_bundled_dir() / "puppets-nano.onnx"
    assert find_weight("puppets-nano", ".safetensors") is None


def test_a_path_gives_itself_or_its_neighbour(tmp_path: Path) -> None:
    one, two, alone = (tmp_path / name for name in ("w.onnx", "w.safetensors", "alone.onnx"))
    for path in (one, two, alone):
        path.touch()
    assert [find_weight(str(path), ".onnx") for path in (one, two)] == [one, one]
    assert [find_weight(str(path), ".safetensors") for path in (one, two)] == [two, two]
    assert find_weight(str(alone), ".safetensors") is None
    alone.unlink()
    with pytest.raises(WeightsError, match=r"alone\.onnx: no such weight file"):
        find_weight(str(alone), ".onnx")
    one.unlink()
    with pytest.raises(WeightsError, match=r"w\.onnx: no such weight file"):  # whatever its neighbour
        find_weight(str(one), ".safetensors")


def test_a_folder_beside_one_does_not_hide_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("crema-d").mkdir()
    (path,) = keep("crema-d", ".onnx")
    assert find_weight("crema-d", ".onnx") == path


def test_what_is_no_weight_says_what_to_do(tmp_path: Path) -> None:
    keep("mine", ".onnx")
    with pytest.raises(WeightsError, match=r"no weight named 'yours'.* known weights: puppets-nano.*, mine"):
        find_weight("yours", ".onnx")
    checkpoint = tmp_path / "checkpoint-best.pth"
    checkpoint.touch()
    with pytest.raises(WeightsError, match=r"checkpoint-best\.pth: .*`hicmae weights import`"):
        find_weight(str(checkpoint), ".onnx")


def test_a_bundled_file_that_was_changed_is_refused(bundle: Path) -> None:
    changed = bundle / "puppets-nano.onnx"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    with pytest.raises(WeightsError, match=r"puppets-nano\.onnx: is not the file that was bundled"):
        find_weight("puppets-nano", ".onnx")
