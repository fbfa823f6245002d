"""The reports of the shipped studies in the docs: made by the studies as they are, and true to their JSON."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.markdown import escape_markdown
from hicmae_cli.studies.study import list_studies, load_study
from tests.docs.pages import PAGES, ROOT

FOLDER = ROOT / "docs" / "studies"


def read_record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name / "result.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", list_studies())
def test_a_report_is_that_of_the_study(name: str) -> None:
    record, study = read_record(name), load_study(name)
    assert record["study"] == study.model_dump(mode="json", exclude={"budgets"})
    assert record["budget"] == {"name": "small", **study.budgets["small"].model_dump(mode="json")}
    assert record["command"] == f"hicmae study {name} --budget small"


@pytest.mark.parametrize("name", list_studies())
def test_a_page_says_what_the_record_says(name: str) -> None:
    record, page = read_record(name), PAGES[f"docs/studies/{name}.md"]
    # A comparison is a row of a table.
    sentences = [claim["text"] for claim in record["claims"] if "significant" not in claim["numbers"]]
    sentences += record["limits"]
    sentences += [found["text"] for found in (record["answer"], record["check"]) if found]
    assert all(escape_markdown(sentence) in page for sentence in sentences)
    cells = [cell for table in record["tables"] for row in table["rows"] for cell in row]
    assert all(escape_markdown(cell) in page for cell in cells)
    figures = [figure["name"] for figure in (*record["charts"], *record["pictures"])]
    assert all(f"]({name}/{figure}.png)" in page for figure in figures)
    assert all((FOLDER / name / f"{figure}.png").is_file() for figure in figures)


def test_every_report_is_linked() -> None:
    index, site = PAGES["docs/studies/index.md"], (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "no report yet" not in index
    for name in list_studies():
        assert f"]({name}.md)" in index
        assert f"studies/{name}.md" in site


def test_the_script_refuses_a_missing_report(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "docs_studies.py"))
    first, *others = list_studies()
    docs, folder = tmp_path / "docs", tmp_path / "studies" / first
    docs.mkdir()
    (folder / "figures").mkdir(parents=True)
    for name in ("report.md", "result.json", "figures/new.png"):
        (folder / name).write_text("## What was compared\n[](figures/new.png)")
    with pytest.raises(SystemExit, match=f"no report of {', '.join(others)}; run"):
        script["main"]([str(folder.parent)], docs)
    assert not list(docs.iterdir())
    (docs / first).mkdir()
    (docs / first / "old.png").touch()
    script["publish"](folder, docs / first)
    assert sorted(path.name for path in (docs / first).iterdir()) == ["new.png", "result.json"]
    assert sorted(path.name for path in docs.iterdir()) == [first, f"{first}.md"]
    assert f"]({first}/new.png)" in (docs / f"{first}.md").read_text()
