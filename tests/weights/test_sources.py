"""Each kind of source stands for the address that its host expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.weights.sources import parse_source

SHARE = "https://u-my.sharepoint.com/:u:/g/personal/a_b/Etoken"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org/a%20b/model.pth?x=1", "https://example.org/a%20b/model.pth?x=1"),
        (f"{SHARE}?e=abc", f"{SHARE}?e=abc&download=1"),
        (SHARE, f"{SHARE}?download=1"),
        ("gdrive:1mR2r-_LWmtTYl4pS_L3", "https://drive.google.com/uc?export=download&id=1mR2r-_LWmtTYl4pS_L3"),
        ("hf:own-er/repo.x/folder/model.pth@v1", "https://huggingface.co/own-er/repo.x/resolve/v1/folder/model.pth"),
        ("hf:a/b/c d.pth", None),
        ("hf:a/b/model.pth", "https://huggingface.co/a/b/resolve/main/model.pth"),
        ("http://127.0.0.1:80/a", "http://127.0.0.1:80/a"),
    ],
)
def test_addresses(text: str, url: str | None) -> None:
    if url is None:
        with pytest.raises(SettingsError):
            parse_source(text)
        return
    source = parse_source(text)
    assert source.url == url and source.path is None and source.tells_hash == text.startswith("hf:")


def test_files_of_this_machine() -> None:
    assert parse_source("file:///data/a%20b.pth").path == Path("/data/a b.pth")
    assert parse_source("file:/data/a.pth").path == Path("/data/a.pth")
    assert parse_source("file:/data/a.pth").host == "this machine"


@pytest.mark.parametrize(
    "text",
    ["http://example.org/a", "ftp://example.org/a", "file://server/a", "/data/a.pth", "", "gdrive:../x", "hf:a/b"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected https:, hf:owner/repository/file@revision, gdrive:ID or file:"):
        parse_source(text)
