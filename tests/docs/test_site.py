"""The site builds without a warning, loads nothing from elsewhere, and the links of the README work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hicmae_cli.report.html.markup import escape
from tests.docs.pages import PAGES, ROOT

pytestmark = pytest.mark.integration

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"?(https?:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it. (With --quiet, --strict would count no warnings.)"""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    assert [page.name for page in pages if _LOADED.search(page.read_text("utf-8"))] == []
    styles = "".join(path.read_text("utf-8") for path in (*site.rglob("*.css"), *site.rglob("assets/*.svg")))
    assert re.findall(r"url\(\"?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*", styles) == []


def test_generated_pages_are_there(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    assert 'id="hicmae-weights-import"' in commands
    assert 'id="finetune-epochs"' in (site / "reference" / "recipes.html").read_text("utf-8")
    assert "Add a dataset" in (site / "contributing.html").read_text("utf-8")
    records = list((ROOT / "docs" / "studies").glob("*/result.json"))
    assert records
    for record in records:
        page = (site / "studies" / record.parent.name / "report.html").read_text("utf-8")
        assert escape(json.loads(record.read_text("utf-8"))["study"]["question"]) in page


def anchors(page: Path) -> set[str]:
    """The anchors of a Markdown page's headings, as GitHub and MkDocs make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/")])
def test_links_of_files_outside_the_site_work(page: str) -> None:
    for found in _LINK.findall(PAGES[page]):
        target, _, anchor = "".join(found).partition("#")
        if target.startswith(("http://", "https://")):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target} does not exist"
        assert not anchor or anchor in anchors(path), f"{page}: {target} has no heading #{anchor}"
