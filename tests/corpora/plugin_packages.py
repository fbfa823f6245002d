"""Packages with datasets, installed into a folder as pip would: the code, and a ``.dist-info`` beside it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hicmae_cli.corpora import catalogue
from hicmae_cli.toml import parse_toml

PAGE = Path(__file__).parents[2] / "docs" / "dataset-plugins.md"


def install(site: Path, package: str, files: Mapping[str, str], points: Mapping[str, str]) -> None:
    """Write the files of a package, and its entry points of the group ``hicmae.datasets``."""
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}\n" for name, value in points.items()]
    (info / "entry_points.txt").write_text("".join(["[hicmae.datasets]\n", *lines]))


def read_example() -> dict[str, str]:
    """File name -> text of the example on the docs page."""
    return dict(re.findall(r'```\w+ title="(\S+)"\n(.*?)```', PAGE.read_text("utf-8"), re.DOTALL))


def install_example(site: Path) -> None:
    files = read_example()
    project = parse_toml(files.pop("pyproject.toml"))["project"]
    install(site, project["name"], files, project["entry-points"]["hicmae.datasets"])


def use(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process see the packages, and forget them after the test."""
    monkeypatch.syspath_prepend(site)
    for path in site.glob("*"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.setattr(catalogue, "_load_plugins", catalogue._load_plugins.__wrapped__)
