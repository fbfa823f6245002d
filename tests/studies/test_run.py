from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError
from hicmae_cli.puppets.world import World
from hicmae_cli.studies import keys, measuring, other
from hicmae_cli.studies.measures import MEASURES
from hicmae_cli.studies.plan import Job, Plan
from hicmae_cli.studies.run import StudyProgress, prepare_study, run_study
from hicmae_cli.workers import Report
from tests.studies.toys import STUDY, pretend, write_corpus, write_study


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def plan_toy(folder: Path, corpus: Path, text: str = STUDY, **more: object) -> Plan:
    return prepare_study(
        write_study(folder, text),
        manifest=corpus,
        budget="trial",
        output=folder / "studies",
        **more,  # type: ignore[arg-type]
    )


def test_a_study_from_plan_to_report(tmp_path: Path, corpus: Path) -> None:
    plan = plan_toy(tmp_path, corpus)
    assert sorted(job.kind for job in plan.jobs.values()) == ["finetune"] * 4 + ["pretrain"] * 4
    found = run_study(plan, output=tmp_path / "studies", jobs=0, work=pretend, command="hicmae study toy.toml")
    document = json.loads((found.folder / "result.json").read_text())
    (claim,) = document["claims"]
    assert claim["numbers"]["mean"] == pytest.approx(0.2, abs=0.02)
    assert document["answer"]["text"] in (found.folder / "report.md").read_text()
    assert (found.folder / "report.html").read_text().startswith("<!doctype html>")
    rows = list(csv.reader((found.folder / "runs.csv").open()))
    assert rows[0] == ["mask", "seed", "uar", "jobs"]
    assert len(rows) == 5
    assert all((found.folder / "figures" / f"{chart['name']}.png").is_file() for chart in document["charts"])


def test_it_resumes_and_repeats_to_the_same_files(tmp_path: Path, corpus: Path) -> None:
    done: list[str] = []

    def die(job: Job, report: Report) -> str:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(job.key)
        return pretend(job, report)

    plan = plan_toy(tmp_path, corpus)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, output=tmp_path / "studies", jobs=0, work=die)
    assert len(plan.waiting()) == 5
    again: list[str] = []
    progress = StudyProgress(on_job=again.append)
    first = run_study(plan, output=tmp_path / "studies", jobs=0, work=pretend, progress=progress)
    assert len(again) == 5
    names = ("report.md", "result.json", "report.html", "runs.csv")
    before = [(first.folder / name).read_bytes() for name in names]
    run_study(plan_toy(tmp_path, corpus), output=tmp_path / "studies", jobs=0, work=die)
    assert [(first.folder / name).read_bytes() for name in names] == before


def test_studies_share_runs(tmp_path: Path, corpus: Path) -> None:
    """The key does not depend on names, on the study, or on the place of the clips."""
    one = plan_toy(tmp_path, corpus)
    other_text = STUDY.replace('"tube", pre', '"other name", pre').replace('"random", pre', '"block", pre')
    other = plan_toy(tmp_path, corpus, other_text.replace('video_mask = "random"', 'video_mask = "block"'))
    assert len(one.jobs.keys() & other.jobs.keys()) == 4
    moved = write_corpus(tmp_path / "moved")
    assert plan_toy(tmp_path, moved).jobs.keys() == one.jobs.keys()


def test_what_decides_numbers_decides_the_key(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = plan_toy(tmp_path, corpus).jobs.keys()
    epochs = STUDY.replace("batch_size = 2\nfit_start_clips = 2", "batch_size = 2\nfit_start_clips = 2\nepochs = 2")
    assert not one & plan_toy(tmp_path, corpus, epochs).jobs.keys()
    # A known dataset orders the labels and may merge clips.
    assert not one & plan_toy(tmp_path, corpus, dataset="manifest").jobs.keys()
    for fact in ("hash_code", "list_packages"):
        with monkeypatch.context() as patch:
            patch.setattr(f"hicmae_cli.studies.plan.{fact}", lambda *, measuring: "other")
            assert not one & plan_toy(tmp_path, corpus).jobs.keys()


def test_every_measure_has_its_function() -> None:
    assert measuring._MEASURING.keys() == MEASURES.keys()


def test_all_that_a_key_names_is_there() -> None:
    for room in (*keys._TRAINED_BY, *keys._MEASURED_BY):
        assert (keys._PACKAGE / room).exists()
    assert {"torch", "numpy", "scikit-learn"} <= keys.list_packages(measuring=True).keys()


def test_one_failure_does_not_end_the_others(tmp_path: Path, corpus: Path) -> None:
    def fail_once(job: Job, report: Report) -> str:
        return (
            f"{job.name}: the disk is full"
            if job.kind == "pretrain" and "tube, seed 0" in job.name
            else pretend(job, report)
        )

    plan = plan_toy(tmp_path, corpus)
    with pytest.raises(HicmaeError, match="1 of 8 jobs failed: pretrain tube, seed 0: the disk is full; the others"):
        run_study(plan, output=tmp_path / "studies", jobs=0, work=fail_once)
    assert [job.name for job in plan.waiting()] == ["pretrain tube, seed 0", "finetune tube, seed 0"]
    run_study(plan, output=tmp_path / "studies", jobs=0, work=pretend)


def test_bad_input_is_refused_before_anything_is_computed(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read the manifest"):
        plan_toy(tmp_path, tmp_path / "absent.csv")
    with pytest.raises(SettingsError, match="expected at least two different ones"):
        plan_toy(tmp_path, corpus, seeds=[3])
    with pytest.raises(SettingsError, match="budget='huge': expected small or full"):
        prepare_study("masking-ratio", manifest=corpus, budget="huge", output=tmp_path / "studies")
    with pytest.raises(SettingsError, match=r"fold='2'.*no such fold"):
        plan_toy(tmp_path, corpus, fold="2")
    with pytest.raises(SettingsError, match="compares UAR, but werewolf-xl is a dataset for regression"):
        prepare_study("seeds", dataset="werewolf-xl", output=tmp_path / "studies")
    with pytest.raises(SettingsError, match="the study transfer needs `other`"):
        prepare_study("transfer", manifest=corpus, output=tmp_path / "studies")
    with pytest.raises(SettingsError, match="`other`: the study toy does not test on another corpus"):
        plan_toy(tmp_path, corpus, other=corpus)
    assert not (tmp_path / "studies").exists()


def test_whole_people_are_taken(tmp_path: Path, corpus: Path) -> None:
    plan = plan_toy(tmp_path, corpus, STUDY.replace("seeds = [0, 1]", "seeds = [0, 1]\nclips = { train = 5 }"))
    assert plan.data.counts == {"train": 4, "validation": 2, "test": 2}
    assert plan.data.people == {"train": 2, "validation": 1, "test": 1}
    assert plan.data.manifest.is_relative_to(tmp_path / "studies" / "runs" / "data")


@pytest.mark.parametrize(("own", "name"), [("", "comic"), ('{"world": "comic"}', "film")])
def test_puppets_are_tested_on_those_of_another_world(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, own: str, name: str
) -> None:
    def copy_toys(folder: Path, sizes: dict[str, int], seed: int, *, world: World, on_clip: Callable[[], None]) -> Path:
        for _ in range(sizes["test"]):
            on_clip()
        shutil.copytree(corpus.parent, folder)
        (folder / "corpus.json").write_text(json.dumps({"sizes": sizes, "seed": seed, "world": world.name}))
        return (folder / corpus.name).rename(folder / "manifest.csv")

    manifest = shutil.copytree(corpus.parent, tmp_path / "corpus") / corpus.name
    (manifest.parent / "corpus.json").write_text(own or "{}")
    prepare = partial(prepare_study, "transfer", manifest=manifest, budget="trial", output=tmp_path / "studies")
    folder = tmp_path / "studies" / "runs" / "data" / f"{name}-30"
    imagined = prepare(dry=True)
    assert str(imagined.data).endswith(f"; tested on puppets of the world {name}, too")
    assert imagined.data.lacks_puppets and not (tmp_path / "studies").exists()
    monkeypatch.setattr(other, "make_corpus", copy_toys)
    counts: list[tuple[int, int]] = []
    plan = prepare(progress=StudyProgress(on_draw=lambda *count: counts.append(count)))
    assert counts == [(done, 30) for done in range(1, 31)]
    assert plan.data.other == folder / "manifest.csv" and not plan.data.lacks_puppets
    # What is drawn is not drawn again, and a dry run finds it.
    monkeypatch.undo()
    again = prepare(dry=True)
    assert again.jobs.keys() == plan.jobs.keys() != imagined.jobs.keys()
    given = prepare(other=folder / "manifest.csv")
    assert given.data == plan.data


@pytest.mark.slow
def test_a_real_study_in_processes_is_the_same_again(tmp_path: Path, corpus: Path) -> None:
    names = ("reconstruction]\nclips = 4", "layer-weights]", "streams]", "transfer]", "alignment]", "probe]")
    more = "".join(f"[measures.{name}\n" for name in names)
    text = STUDY.replace("[[factors]]", f"{more}[[factors]]", 1)
    found = []
    for place in ("one", "two"):
        output = tmp_path / place
        plan = prepare_study(write_study(tmp_path, text), manifest=corpus, other=corpus, budget="trial", output=output)
        result = run_study(plan, output=output, jobs=2)
        document = json.loads((result.folder / "result.json").read_text())
        found.append((document["runs"], document["tables"], document["claims"]))
    assert found[0] == found[1]
    measures = found[0][0][0]["measures"]
    assert {"uar", "video_error", "weight video_1", "uar both", "recall_at_1 layer 2", "probe fused"} <= set(measures)
    assert measures["uar lost"] == 0
