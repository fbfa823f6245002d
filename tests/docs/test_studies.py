"""The reports of the shipped studies in the docs: made by the studies as they are, and true to their JSON."""

from __future__ import annotations

import json
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
    for name in list_studies():
        assert f"]({name}.md)" in index
        assert f"studies/{name}.md" in site
