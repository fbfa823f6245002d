"""Annotations that anything may have happened to: items or one line, never a traceback, never a path outside."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hicmae_cli.corpora.annotations import is_safe
from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.errors import ManifestError
from tests.corpora.fakes import ANNOTATED, list_annotations, make_fake

PIECES = (
    b"\x00",
    b"\xff",
    b"\r",
    b"\n",
    b",",
    b'"',
    b" ",
    b"..",
    b"/",
    b"\\",
    b"~",
    b"\x1b[2J",
    "\u202e".encode(),
    b"9" * 400,
    b"nan",
    b"[",
    b"]",
    b";",
    b"\t",
    b"",
)


@pytest.mark.parametrize("name", ANNOTATED)
def test_a_changed_annotation_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make_fake(name, tmp_path, folds=2, labels=2, media=False)
    files = list_annotations(tmp_path)
    rng = random.Random(name)
    refused = 0
    for _ in range(40):
        path = rng.choice(files)
        whole = path.read_bytes()
        start = rng.randrange(len(whole) + 1)
        end = min(len(whole), start + rng.choice((0, 1, 2, 8)))
        path.write_bytes(whole[:start] + rng.choice(PIECES) * rng.choice((1, 1, 3)) + whole[end:])
        try:
            items = DATASETS[name].items(tmp_path)
            assert all(is_safe(item.id) for item in items)
            for item in items:
                for file in (item.video, item.audio):
                    assert file is None or is_safe(file.relative_to(tmp_path).as_posix())
        except ManifestError as error:
            refused += 1
            assert str(error).isprintable()
            assert str(tmp_path) in str(error)
        path.write_bytes(whole)
    assert refused > 3
