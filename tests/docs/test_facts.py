"""What the docs say of the code is in the code: files, messages, fields of documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.bench.measure import Measure, to_document
from hicmae_cli.corpora.fold_protocols import DrawnFolds
from tests.docs.pages import PAGES, ROOT
from tests.test_rooms import ROOMS

PACKAGE = ROOT / "hicmae_cli"
_NAMED_FILE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+(?:/|\.py|\.toml|\.json|\.npz|\.yml))`")


def exists(name: str) -> bool:
    """Whether a file or folder is in the repository, by its path there or in the package."""
    return any((folder / name).exists() for folder in (ROOT, PACKAGE))


@pytest.mark.parametrize(
    "page",
    [
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/weight-format.md",
        *(page for page in PAGES if page.startswith("docs/decisions/")),
        *(page for page in PAGES if page.startswith("docs/studies/")),
    ],
)
def test_named_files_exist(page: str) -> None:
    named = {name for name in _NAMED_FILE.findall(PAGES[page]) if "NAME" not in name and "/" in name}
    assert {name for name in named if not exists(name)} - {"build/site", ".ci/run"} == set()


def test_the_table_of_rooms_is_complete() -> None:
    table = PAGES["docs/architecture.md"].partition("| room | content |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([\w/]+)/`", table)) - {"corpora/known"} == {room.replace(".", "/") for room in ROOMS}


def sources() -> str:
    """The source of the package with its texts joined where a line break divides them."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py")))
    return re.sub(r"\"\s*\n\s*f?\"", "", text)


def test_quoted_messages_exist() -> None:
    quoted = re.findall(r"^(?:### |- )`([^`]+)`", PAGES["docs/faq.md"], re.MULTILINE)
    code = sources()
    assert len(quoted) >= 12
    assert [message for message in quoted if message not in code and f"hicmae {message}" not in code] == []


def documented(schema: str) -> set[str]:
    """The fields in the tables under a schema's heading, without the objects that they are in."""
    part = PAGES["docs/reference/json.md"].partition(f"\n## {schema}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)
    return {name.split(".")[-1] for row in rows for name in re.findall(r"`([\w.]+)`", row)}


def fields(value: Any, *, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of all fields of a document, at any depth, but for those in objects that are documented as a whole."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            if name not in skip:
                yield from fields(inner, skip=skip)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, skip=skip)


def test_every_field_of_a_prediction_is_documented(sample: Path) -> None:
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.runtime.opening import describe_weight, open_engine
    from hicmae_cli.runtime.predictor import Predictor

    predictor = Predictor(open_engine("puppets-nano"), timings=True)
    model = describe_weight("puppets-nano", predictor.engine)
    document = Prediction(model, predictor.settings, (predictor.predict(sample),)).to_dict()
    inner = frozenset({"probabilities", "values"})
    assert set(fields(document["files"], skip=inner)) - documented("hicmae.predict/1") == set()
    assert {f"{name}" for name in predictor.settings.to_dict()} - documented("hicmae.predict/1") == set()


def test_every_field_of_an_evaluation_is_documented() -> None:
    from hicmae_cli.evaluation.degradations import parse_degradations
    from hicmae_cli.evaluation.protocol import Protocol
    from hicmae_cli.evaluation.score_sheet import ScoreSheet
    from tests.evaluation.toys import evaluation, info_of

    found = evaluation(*["anger:anger", "neutral:anger"] * 20, info=info_of(temperature=2.0), speakers=2)
    columns = {"sex": {sample.id: sample.speaker for sample in found.samples}}
    degraded = [(each, {"av": found}) for each in parse_degradations("blur=1")]
    sheet = ScoreSheet("toy", Protocol("toys", cross=True), {"av": found, "audio": found}, (), None, columns, degraded)
    document = sheet.to_dict()
    assert document["groups"][0]["gap"] and document["calibration"]["after"]
    inner = {"weights", "metrics", "probability_metrics", "bounds", "recalls", "by_modality", "baselines"}
    section = PAGES["docs/reference/json.md"].partition("\n## hicmae.evaluate/1\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w.]+)`", section)) | set(document["labels"])
    assert set(fields(document, skip=frozenset(inner))) - named == set()
    assert set(fields(document["by_modality"], skip=frozenset(inner))) - named <= {"av", "audio", *found.metrics}


def test_every_field_of_the_benchmark_is_documented() -> None:
    document = to_document([Measure("speed", 2.0, "x", 1.0, False, "a test")])
    assert set(fields(document, skip=frozenset({"machine"}))) == documented("hicmae.bench/1")
    assert set(document["machine"]) <= set(re.findall(r"`(\w+)`", PAGES["docs/reference/json.md"]))


def test_every_field_of_an_export_is_documented() -> None:
    from hicmae_cli.exporting.report import PrecisionFacts, PrecisionReport

    facts = PrecisionFacts("float32", "float32", 0.0, 0.0, 1.0, {"video": 1.0}, 1, 1.0)
    document = PrecisionReport("w", "classification", 1, (facts,)).to_dict()
    assert set(fields(document, skip=frozenset({"one_stream_agreement"}))) == documented("hicmae.export/1")


def test_every_field_of_a_study_is_documented(tmp_path: Path) -> None:
    from hicmae_cli.studies.report import make_document
    from hicmae_cli.studies.result import Findings
    from hicmae_cli.studies.run import prepare_study
    from tests.studies.toys import write_corpus, write_study

    plan = prepare_study(write_study(tmp_path), manifest=write_corpus(tmp_path / "corpus"), budget="trial")
    document = make_document(plan, Findings((), ()), "hicmae study toy.toml")
    inner = {name for name, value in document.items() if isinstance(value, dict)}
    assert set(fields({**document, "runs": []}, skip=frozenset(inner))) <= documented("hicmae.study/1")
    section = PAGES["docs/reference/json.md"].partition("\n## hicmae.study/1\n")[2].partition("\n## ")[0]
    assert set(document["runs"][0]) <= set(re.findall(r"`(\w+)`", section))


def test_every_field_of_the_doctor_is_documented() -> None:
    from hicmae_cli.doctor.results import Check, Checkup

    document = Checkup((Check("a", "b", "ok", "c"),), 1.0).to_dict()
    assert set(fields(document)) == documented("hicmae.doctor/1")


def test_every_field_of_an_experiment_is_documented() -> None:
    from hicmae_cli.training.finetuning.results import FinetuningOutcome, FinetuningResult, FoldResult, SeedResult

    run = FoldResult("1", 0, Path("run"), FinetuningOutcome(None, 0, 1))
    document = FinetuningResult("toys", (SeedResult(0, (run,)),)).to_dict()
    assert set(fields(document)) == documented("hicmae.finetune/1")


def test_every_field_of_drawn_folds_is_documented(tmp_path: Path) -> None:
    DrawnFolds("loso", 0, "rule", {"loso-a": ("clip",)}, {"loso-a": ("a",)}).write(tmp_path / "folds.json")
    document = json.loads((tmp_path / "folds.json").read_text())
    assert set(fields(document, skip=frozenset({"folds"}))) == documented("hicmae.folds/1")


def test_every_field_of_a_weight_is_documented() -> None:
    from hicmae_cli.weights.info import PretrainingFacts, WeightInfo

    text = PAGES["docs/weight-format.md"]
    assert {name for name in WeightInfo.model_fields if f"| `{name}` |" not in text} == set()
    row = next(line for line in text.splitlines() if line.startswith("| `pretraining` |"))
    loose = {"video_mask", "audio_mask", "video_mask_ratio", "audio_mask_ratio"}  # "the kinds and ratios of the masks"
    assert {name for name in PretrainingFacts.model_fields if f"`{name}`" not in row} == loose
