from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError
from hicmae_cli.puppets.world import World
from hicmae_cli.studies import jobs, measuring, puppets
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
    found = run_study(plan, jobs=0, work=pretend, command="hicmae study toy.toml")
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
        run_study(plan, jobs=0, work=die)
    assert len(plan.waiting()) == 5
    again: list[str] = []
    progress = StudyProgress(on_job=again.append)
    first = run_study(plan, jobs=0, work=pretend, progress=progress)
    assert len(again) == 5
    names = ("report.md", "result.json", "report.html", "runs.csv")
    before = [(first.folder / name).read_bytes() for name in names]
    run_study(plan_toy(tmp_path, corpus), jobs=0, work=die)
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


def test_one_failure_does_not_end_the_others(tmp_path: Path, corpus: Path) -> None:
    def fail_once(job: Job, report: Report) -> str:
        return (
            f"{job.name}: the disk is full"
            if job.kind == "pretrain" and "tube, seed 0" in job.name
            else pretend(job, report)
        )

    plan = plan_toy(tmp_path, corpus)
    with pytest.raises(HicmaeError, match="1 of 8 jobs failed: pretrain tube, seed 0: the disk is full; the others"):
        run_study(plan, jobs=0, work=fail_once)
    assert [job.name for job in plan.waiting()] == ["pretrain tube, seed 0", "finetune tube, seed 0"]
    run_study(plan, jobs=0, work=pretend)


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


def change_corpus(corpus: Path, **columns: Callable[[dict[str, str]], str]) -> Path:
    """Write the list again, with other values in some columns, beside the first one."""
    with corpus.open() as lines:
        rows = [{**row, **{name: make(row) for name, make in columns.items()}} for row in csv.DictReader(lines)]
    path = corpus.with_name("changed.csv")
    write_csv(path, list(rows[0]), [list(row.values()) for row in rows])
    return path


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": lambda row: "" if row["split"] == "test" else row["label"]}, "has no label"),
        ({"label": lambda _: "0.25"}, "all labels are numbers, e.g. '0.25'"),
        ({"label": lambda _: "happiness"}, "all clips are labelled happiness"),
        ({"speaker": lambda _: "anna"}, "people are in both the training and the"),
        ({"label": lambda row: "happiness" if row["split"] == "validation" else row["label"]}, "validation clips"),
    ],
)
def test_clips_that_no_training_could_use_are_refused(
    tmp_path: Path, columns: dict[str, Callable[[dict[str, str]], str]], words: str
) -> None:
    changed = change_corpus(write_corpus(tmp_path / "corpus"), **columns)
    with pytest.raises(HicmaeError, match=words) as error:
        plan_toy(tmp_path, changed)
    assert "\n" not in str(error.value)


def test_measures_must_fit_the_clips(tmp_path: Path, corpus: Path) -> None:
    own = write_corpus(tmp_path / "corpus")
    with_streams = "measures = { streams = {} }\n" + STUDY
    with pytest.raises(ManifestError, match="no test clip has video and sound; streams needs both"):
        plan_toy(tmp_path, change_corpus(own, audio=lambda _: ""), with_streams)
    plan_toy(tmp_path, corpus, with_streams)
    recall = STUDY.replace('["uar"]', '["recall hapiness"]')
    with pytest.raises(SettingsError, match="no 'hapiness'; expected recall with one of happiness, sadness"):
        plan_toy(tmp_path, corpus, recall)
    regression = STUDY.replace('["uar"]', '["ccc"]')
    with pytest.raises(SettingsError, match="compares CCC, but the list of clips is a dataset for classification"):
        plan_toy(tmp_path, corpus, regression)
    with pytest.raises(SettingsError, match="measures streams, which needs classes, but werewolf-xl"):
        prepare_study(
            write_study(tmp_path, "measures = { streams = {} }\n" + regression),
            dataset="werewolf-xl",
            output=tmp_path / "studies",
        )


def test_another_corpus_needs_common_classes(tmp_path: Path, corpus: Path) -> None:
    transfer = "measures = { transfer = {} }\n" + STUDY
    assert plan_toy(tmp_path, corpus, transfer, other=corpus).data.other == corpus
    other = change_corpus(write_corpus(tmp_path / "other"), label=lambda row: row["label"].replace("sad", "glad"))
    with pytest.raises(ManifestError, match="are gladness, happiness; a transfer needs at least two of those of toys"):
        plan_toy(tmp_path, corpus, transfer, other=other)


def test_a_report_of_another_study_is_not_replaced(tmp_path: Path, corpus: Path) -> None:
    found = run_study(plan_toy(tmp_path, corpus), jobs=0, work=pretend)
    figure = found.folder / "figures" / "old.png"
    figure.touch()
    run_study(plan_toy(tmp_path, corpus, STUDY.replace("Toy", "Other words"), seeds=[0, 1, 2]), jobs=0, work=pretend)
    assert not figure.exists() and list(figure.parent.glob("*.png"))
    for text, words in (
        (STUDY.replace('video_mask = "random"', 'video_mask = "block"'), "another study"),
        (STUDY.replace("batch_size = 2\nfit", "batch_size = 4\nfit"), "another budget"),
    ):
        with pytest.raises(SettingsError, match=f"a report of {words}"):
            plan_toy(tmp_path, corpus, text)
    changed = change_corpus(write_corpus(tmp_path / "corpus"), speaker=lambda row: f"new-{row['speaker']}")
    with pytest.raises(SettingsError, match="a report of other clips"):
        plan_toy(tmp_path, changed)
    (found.folder / "result.json").write_text("{}")
    with pytest.raises(SettingsError, match="is no report of a study; choose another `output`"):
        plan_toy(tmp_path, corpus)


def test_a_folder_does_not_depend_on_where_a_process_works(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = prepare_study(write_study(tmp_path), manifest=corpus, budget="trial", output="studies")
    assert plan.folder == tmp_path / "studies" / "toy"
    assert all(job.folder.is_absolute() for job in plan.jobs.values())


def test_puppets_of_a_budget_are_the_studys_own(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the corpus that all commands share has."""
    monkeypatch.setenv("HICMAE_DATA", str(corpus.parent.parent))
    asked: list[tuple[str, dict[str, int]]] = []

    def copy_toys(folder: Path, sizes: dict[str, int], seed: int, **_: object) -> Path:
        asked.append((folder.name, sizes))
        shutil.copytree(corpus.parent, folder, dirs_exist_ok=True)
        return shutil.copyfile(folder / corpus.name, folder / "manifest.csv")

    monkeypatch.setattr(puppets, "make_corpus", copy_toys)
    text = STUDY.replace("[budgets.trial]", "[budgets.full]\nclips = { test = 7 }\n[budgets.trial]")
    for budget, sizes in (("trial", [40, 20, 30]), ("full", [3000, 180, 7])):
        # Twice: what is drawn is checked again.
        for _ in range(2):
            plan = prepare_study(write_study(tmp_path, text), budget=budget, output=tmp_path / "studies")
            name = f"puppets-{'-'.join(map(str, sizes))}"
            assert asked.pop() == (name, dict(zip(("train", "validation", "test"), sizes, strict=True)))
            assert plan.data.manifest == tmp_path / "studies" / "runs" / "data" / name / "manifest.csv"
            assert (plan.data.name, plan.data.dataset) == ("puppets", "puppets")


def test_a_job_that_breaks_is_one_that_failed(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise KeyError("video")

    job = next(iter(plan_toy(tmp_path, corpus).jobs.values()))
    monkeypatch.setitem(jobs._DOING, job.kind, fail)
    data = plan_toy(tmp_path, corpus).data
    assert jobs.run_job(job, lambda _: None, data=data) == f"{job.name}: KeyError: 'video'"
    assert job.read_done() is None


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
    monkeypatch.setattr(puppets, "make_corpus", copy_toys)
    counts: list[tuple[int, int]] = []
    plan = prepare(progress=StudyProgress(on_draw=lambda *count: counts.append(count)))
    assert counts == [(done, 30) for done in range(1, 31)]
    assert plan.data.other == folder / "manifest.csv" and not plan.data.lacks_puppets
    # What is drawn is not drawn again, and a dry run finds it.
    monkeypatch.setattr(puppets, "make_corpus", lambda folder, *_, **__: folder / "manifest.csv")
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
        result = run_study(plan, jobs=2)
        document = json.loads((result.folder / "result.json").read_text())
        found.append((document["runs"], document["tables"], document["claims"]))
    assert found[0] == found[1]
    measures = found[0][0][0]["measures"]
    assert {"uar", "video_error", "weight video_1", "uar both", "recall_at_1 layer 2", "probe fused"} <= set(measures)
    assert measures["uar lost"] == 0
    assert measures["uar other corpus chance"] == 0.5
