"""Reports of studies whose words are hostile, and where jobs run."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.embedding.table import Embeddings
from hicmae_cli.studies.jobs import write_done
from hicmae_cli.studies.measuring import EMBEDDINGS
from hicmae_cli.studies.plan import Job
from hicmae_cli.studies.result import number_equal
from hicmae_cli.studies.run import prepare_study, run_study
from hicmae_cli.workers import Outcomes, Report, Work, run_here
from tests.studies.toys import STUDY, pretend, write_corpus, write_study

EVIL = "</script><img src=x onerror=alert(1)>|&"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def test_words_of_a_study_stay_words(tmp_path: Path, corpus: Path) -> None:
    text = STUDY.replace('"Toy"', f'"{EVIL}"').replace('"mask"', f'"{EVIL}"').replace('"tube", pre', f'"{EVIL}", pre')
    plan = prepare_study(write_study(tmp_path, text), manifest=corpus, budget="trial", output=tmp_path)
    folder = run_study(plan, jobs=0, work=pretend).folder
    page = (folder / "report.html").read_text("utf-8")
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2
    (data,) = re.findall(r'id="data">(.*)</script>\n<script>', page)
    assert any(EVIL in name for chart in json.loads(data) for name in map(str, chart["x"]))
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r'(src|href)="(?!data:)', page)
    report = (folder / "report.md").read_text("utf-8")
    assert "<" not in report
    rows = [line for line in report.splitlines() if line.startswith("| &lt;")]
    assert rows and all("\\|&amp;" in row for row in rows)


def test_a_report_says_what_may_not_be_concluded(tmp_path: Path, corpus: Path) -> None:
    plan = prepare_study(write_study(tmp_path), manifest=corpus, budget="trial", output=tmp_path)
    folder = run_study(plan, jobs=0, work=pretend).folder
    text = (folder / "report.md").read_text("utf-8").partition("## What may not be concluded")[2]
    assert "With 2 seeds, standard deviations are unreliable" in text
    assert "No number in it means anything" in text
    assert "are Student's over seeds" in text


def test_the_other_corpus_is_in_the_record(tmp_path: Path, corpus: Path) -> None:
    text = STUDY.replace("[[factors]]", "[measures.transfer]\n[[factors]]")
    plan = prepare_study(write_study(tmp_path, text), manifest=corpus, other=corpus, budget="trial", output=tmp_path)
    folder = run_study(plan, jobs=0, work=pretend).folder
    data = json.loads((folder / "result.json").read_text("utf-8"))["data"]
    assert (data["other"], len(data["other_hash"])) == ("toys.csv", 64)


def test_equal_names_of_files_are_numbered() -> None:
    assert number_equal(["a", "b", "a", "a"]) == ["a", "b", "a-2", "a-3"]


def test_embeddings_of_the_first_seed_are_drawn(tmp_path: Path, corpus: Path) -> None:
    def embed(job: Job, report: Report) -> str:
        if job.kind != "alignment":
            return pretend(job, report)
        job.folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = [
            ({"id": str(index), "label": EVIL}, {f"{s}_1": rng.normal(size=3).astype("f") for s in ("video", "audio")})
            for index in range(8)
        ]
        Embeddings.from_rows(rows, {}, {}).save(job.folder / EMBEDDINGS)
        write_done(job, {"recall_at_1": 0.5}, 1.0)
        return ""

    text = STUDY.replace("[[factors]]", "[measures.alignment]\n[[factors]]")
    plan = prepare_study(write_study(tmp_path, text), manifest=corpus, budget="trial", output=tmp_path)
    folder = run_study(plan, jobs=0, work=embed).folder
    pictures = json.loads((folder / "result.json").read_text("utf-8"))["pictures"]
    assert {"embeddings-tube-tsne", "embeddings-random-tsne"} <= {picture["name"] for picture in pictures}
    report, page = ((folder / name).read_text("utf-8") for name in ("report.md", "report.html"))
    for picture in pictures:
        file = folder / "figures" / f"{picture['name']}.png"
        assert f"](figures/{file.name})" in report
        assert b64encode(file.read_bytes()).decode() in page
        assert picture["title"].startswith(("tube, seed 0: ", "random, seed 0: "))


def test_jobs_go_to_ray_in_waves(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waves: list[tuple[str, list[str]]] = []

    def on_ray(jobs: Sequence, work: Work, *, address: str, stall_s: float) -> Outcomes:  # type: ignore[type-arg]
        waves.append((address, [job.kind for job in jobs]))
        return run_here(jobs, work)

    monkeypatch.setattr("hicmae_cli.studies.run.run_on_ray", on_ray)
    plan = prepare_study(write_study(tmp_path), manifest=corpus, budget="trial", output=tmp_path)
    run_study(plan, ray="local", work=pretend)
    assert waves == [("local", ["pretrain"] * 4), ("local", ["finetune"] * 4)]
