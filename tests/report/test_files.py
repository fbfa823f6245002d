from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import HicmaeError
from hicmae_cli.report.files import to_json, write_text


def test_a_file_is_written_as_utf8_in_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "a.txt"
    write_text(path, "Zoë\n")
    assert path.read_bytes() == b"Zo\xc3\xab\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(write: Callable[..., int]) -> Callable[..., None]:
    def write_half(path: Path, text: str, *arguments: str) -> None:
        write(path, text[: len(text) // 2], *arguments)
        full_disk()

    return write_half


@pytest.mark.parametrize("fault", ["while writing", "while moving"])
def test_a_fault_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old content")
    with monkeypatch.context() as patch:
        if fault == "while writing":
            patch.setattr(Path, "write_text", half_written(Path.write_text))
        else:
            patch.setattr(Path, "replace", full_disk)
        with pytest.raises(HicmaeError, match=r"a\.txt: cannot be written: No space left"):
            write_text(path, "new content")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old content"}
    write_text(path, "new content")
    assert path.read_text() == "new content"


@pytest.mark.parametrize("name", ["folder", "file/a.txt"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HicmaeError, match=f"{name}: cannot be written"):
        write_text(tmp_path / name, "text")
    with pytest.raises(HicmaeError, match=r"\.: cannot be written: it is a folder"):
        write_text(Path(), "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json({"uar": number})


numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
texts = st.sampled_from(["a", "[\n 1,\n 2\n]", '"', "\\", "[1, 2]"])
documents = st.recursive(
    st.one_of(numbers, texts, st.none(), st.booleans()),
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(texts, parts, max_size=3)),
    max_leaves=20,
)


@given(documents)
def test_json_reads_back_to_the_same(part: object) -> None:
    document = {"part": part}
    text = to_json(document)
    assert json.loads(text) == document
    assert text.endswith("}\n")


def test_lists_of_numbers_are_on_one_line() -> None:
    text = to_json({"boxes": [[0.16, 1, -2.5], []], "names": ["a", "b"]})
    assert text.splitlines() == [
        "{",
        '  "boxes": [',
        "    [0.16, 1, -2.5],",
        "    []",
        "  ],",
        '  "names": [',
        '    "a",',
        '    "b"',
        "  ]",
        "}",
    ]
