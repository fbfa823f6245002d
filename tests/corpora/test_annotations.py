from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.corpora.annotations import check_clip_name, is_safe, read_lines, read_table
from hicmae_cli.errors import ManifestError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(content)
    return path


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffa b\r\n\r\n  c\n\n".encode())
    assert read_lines(path) == [(1, "a b"), (3, "c")]


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"labels\.csv, line 2: is not UTF-8 text"):
        read_lines(write(tmp_path, b"one\nb\xe9te\n"))
    with pytest.raises(ManifestError, match=r"gone\.csv: cannot be read \(No such file"):
        read_lines(tmp_path / "gone.csv")


def test_a_table_is_read_by_column(tmp_path: Path) -> None:
    path = write(tmp_path, b'label,more, name\n1,"a, b",x\n\n2,,y\n')
    assert read_table(path, ("name", "label")) == [
        (2, {"label": "1", "more": "a, b", "name": "x"}),
        (4, {"label": "2", "more": "", "name": "y"}),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; expected a header with name, label"),
        (b"name;label\nx;1\n", "line 1: the header lacks name, label; got 'name;label'"),
        (b"name,label\nx,1\ny\n", "line 3: expected 2 columns, got 1: 'y'"),
        (b"name,label\nx,1,2\n", "line 2: expected 2 columns, got 3"),
        (b'name,label\n"x,1\n', "line 2: is not a line of a CSV file"),
    ],
)
def test_malformed_tables_say_where(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ManifestError, match=r"labels\.csv") as caught:
        read_table(write(tmp_path, content), ("name", "label"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "a/b.mp4", "Train & Test/ä 1", "..a", "a..", ".hidden", "a~b"])
def test_names_that_stay_in_their_folder(name: str) -> None:
    assert is_safe(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/../b",
        "/a",
        "a//b",
        "./a",
        "a/",
        "C:a",
        "C:\\a",
        "\\\\host\\a",
        "a\\b",
        "~/a",
        "a\nb",
        "a\x00b",
        "\x1b[31m",
        "a\u202eb",
    ],
)
def test_names_that_do_not(name: str, tmp_path: Path) -> None:
    assert not is_safe(name)
    with pytest.raises(ManifestError, match=r"list, line 7: .* leads out of") as caught:
        check_clip_name(name, tmp_path / "list", 7)
    assert str(caught.value).isprintable()


@given(st.text(max_size=12))
def test_a_safe_name_never_leaves_the_folder(name: str) -> None:
    root = Path("/data/root")
    if is_safe(name):
        assert (root / name).resolve(strict=False).is_relative_to(root)
        assert (root / name).relative_to(root).as_posix() == name
