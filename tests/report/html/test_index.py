"""The page that lists reports: links that lead to them, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from hicmae_cli.report.html.index import render_index
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult
from tests.report.html.reading import Page
from tests.report.toys import HOSTILE_NAMES, prediction, regression
from tests.runtime.stubs import track


def several(*names: str) -> Prediction:
    files = tuple(FileResult(Path(name), "ok", "silent", 65.0, tracks=(track(1), track(2))) for name in names)
    return replace(prediction(), files=(*files, FileResult(Path("c.mp4"), "error", "broken")))


def test_a_batch_gets_a_page_that_leads_to_every_report(tmp_path: Path) -> None:
    written = several("x/a.mp4", "y/a.mp4").save(tmp_path, ["html"])
    assert [path.name for path in written] == ["a.html", "a.mp4.html", "index.html"]
    page = Page(written[-1].read_text("utf-8"))
    links = [e.attributes["href"] for e in page.find("a")]
    assert links == ["./a.html", "./a.mp4.html"] and all((tmp_path / link).is_file() for link in links)
    rows = [e.text for e in page.find("tr")]
    assert page.find("h1")[0].text == "2 reports, 1 failed" and "failed broken" in rows[3] and "ok silent" in rows[1]
    assert "1:05 min" in rows[1] and "happiness" in rows[1] and "broken" in rows[3] and "c.mp4" in rows[3]
    assert not page.find("script")
    assert any("script-src 'none'; " in e.attributes.get("content", "") for e in page.find("meta"))


def test_one_report_needs_no_list_and_an_input_is_not_overwritten(tmp_path: Path) -> None:
    assert [path.name for path in several("a.mp4").save(tmp_path, ["html"])] == ["a.html"]
    (tmp_path / "index.html").write_text("mine")
    whole = several("a.mp4", "b.mp4")
    whole = replace(whole, files=(*whole.files, FileResult(tmp_path / "index.html", "error", "no video")))
    assert whole.save(tmp_path, ["html"])[-1].name == "index-2.html"
    assert (tmp_path / "index.html").read_text() == "mine"


def test_names_are_text_and_links_stay_in_the_folder() -> None:
    names = [*HOSTILE_NAMES, "javascript:alert(1)", "../up.mp4", "//elsewhere/a"]
    whole = several(*names)
    reports = {file.path: f"{file.path.name}.html" for file in whole.files if not file.failed}
    page = Page(render_index(whole, reports))
    assert not {e.tag for e in page.elements} & {"script", "img", "b", "i"}
    found = [e.attributes["href"] for e in page.find("a")]
    assert len(found) == len(names) and all(link.startswith("./") and "/" not in link[2:] for link in found)
    assert unquote(found[-1][2:]) == "a.html"


def test_values_have_no_label() -> None:
    one = regression().files[0]
    whole = replace(regression(), files=(one, replace(one, path=Path("z.mp4"))))
    page = Page(render_index(whole, {one.path: "a.html"}))
    assert "arousal" in page.html and len(page.find("a")) == 1
