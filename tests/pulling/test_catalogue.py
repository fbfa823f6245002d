"""A catalogue of one's own adds to that of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.checkpoint import load_classifier
from tests.pulling.host import Host, Served
from tests.pulling.pulls import pull

ENTRY = "[[published]]\nname = 'a'\nsummary=''\nlicence=''\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[published]]\nname = 'a'\n", r"own.toml: a: summary: Field required"),
        ("[[published]]\nname = '../a'\nsummary=''\nlicence=''\nsources=[]\n", "is not a valid name"),
        (f"{ENTRY}sources=3\n", "a: sources: "),
        (f"{ENTRY}sources='https://x/y'\n", "a: sources: "),
        (f"{ENTRY}sources=['http://mirror.lan/x?key=1']\n", "a: sources: expected each as https:, hf:"),
        (
            ENTRY.replace("'a'", "'hicmae-nano'") + "sources=[]\n",
            "hicmae-nano: a weight with this name ships with hicmae",
        ),
        ("[[published]]\nname = 'a'\nsummary=''\nlicence=''\nsources=[]\nsha256='A1'\n", "64 hexadecimal digits"),
        ("published = 3\n", r"expected tables \[\[published\]\]"),
        ("[[", "the catalogue cannot be read"),
    ],
)
def test_a_broken_catalogue_of_ones_own_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    (tmp_path / "own.toml").write_text(text)
    monkeypatch.setenv("HICMAE_CATALOGUE", str(tmp_path / "own.toml"))
    with pytest.raises(WeightsError, match=reason):
        pull()
    monkeypatch.setenv("HICMAE_CATALOGUE", str(tmp_path / "none.toml"))
    with pytest.raises(WeightsError, match="no such file; the variable HICMAE_CATALOGUE names it"):
        pull()


def test_the_users_catalogue_adds_a_mirror_before_the_sources_of_the_package(
    host: Host, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hicmae_cli.weights.published import list_published

    known = list_published()["hicmae-crema-d-1"]
    own = tmp_path / "own.toml"
    own.write_text(f'[[published]]\nname = "hicmae-crema-d-1"\nsources = ["{host.url()}"]\n')
    monkeypatch.setenv("HICMAE_CATALOGUE", str(own))
    entry = list_published()["hicmae-crema-d-1"]
    assert entry == known.model_copy(update={"sources": (host.url(), *known.sources)})
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    pulled = pull("hicmae-crema-d-1")
    assert load_classifier(pulled.path)[1].metrics == {"stated by its authors": {"uar": 0.8666, "war": 0.8667}}
