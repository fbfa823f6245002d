"""Model cards: every number is in the JSON of the evaluation, and nothing that a file says is more than text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token
from safetensors.numpy import save_file

from hicmae_cli.cards.card import WrittenCard, make_card, write_card
from hicmae_cli.errors import HicmaeError, ManifestError, WeightsError
from hicmae_cli.evaluation.calibration import describe_calibration
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.records.seen import note_seen
from hicmae_cli.weights.facts import FORBIDDEN_USE, HeldOutScore
from hicmae_cli.weights.info import METADATA_KEY, PretrainingFacts, WeightInfo
from tests.evaluation.test_multilabel import sets
from tests.evaluation.toys import info_of

HOSTILE = ("a|b", "<script>alert(1)</script>", "`c` *d* [e](http://f) __g__")
PARSER = MarkdownIt("commonmark").enable("table")


def save(path: Path, info: WeightInfo) -> Path:
    """A file with metadata and without a model: a card needs no more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": np.zeros(1, np.float32)}, path, {METADATA_KEY: info.to_json()})
    return path


def planted(info: WeightInfo, clips: int = 90, people: int = 12, seed: int = 0) -> Evaluation:
    """Decisions of a model that is right more often than not, and too sure of itself."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(clips):
        logits = 4 * rng.normal(size=len(info.labels))
        logits[number % len(info.labels)] += 4
        row = tuple((np.exp(logits) / np.exp(logits).sum()).tolist())
        target, guess = info.labels[number % len(info.labels)], info.labels[int(np.argmax(row))]
        samples.append(SampleResult(f"c{number}", target, guess, row, (row,), f"p{number // 2 % people}"))
    return Evaluation(info, "onnx", "av", 1, tuple(samples))


def sheet_of(found: Evaluation | FoldsEvaluation, fold: str = "", **columns: Mapping[str, str]) -> ScoreSheet:
    return ScoreSheet("toy", Protocol("toys", fold=fold, split="" if fold else "test"), {"av": found}, columns=columns)


def read(text: str) -> tuple[dict[str, Any], list[Token]]:
    """The front matter, and the parsed page below it."""
    _, front, page = text.split("---\n", 2)
    return yaml.safe_load(front), PARSER.parse(page)


def tables(tokens: list[Token]) -> dict[str, list[list[str]]]:
    """Heading -> the cells of the tables below it, with their headers."""
    found: dict[str, list[list[str]]] = {}
    heading, rows = "", None
    for before, token in zip([Token("", "", 0), *tokens], tokens, strict=False):
        if token.type == "inline" and before.type == "heading_open":
            heading = token.content
        elif token.type == "tr_open":
            rows = found.setdefault(heading, [])
            rows.append([])
        elif token.type == "inline" and before.type in ("td_open", "th_open") and rows is not None:
            rows[-1].append("".join(child.content for child in token.children or []))
    return found


@pytest.fixture
def info() -> WeightInfo:
    return info_of(temperature=2.5, selection="val", metrics={"validation": {"uar": 0.5}})


def test_every_number_of_a_class_is_in_the_json(tmp_path: Path, info: WeightInfo) -> None:
    sheet = sheet_of(planted(info))
    (tmp_path / "scores.json").write_text(json.dumps(sheet.to_dict()))
    document = json.loads((tmp_path / "scores.json").read_text())
    weight = save(tmp_path / "toy.safetensors", info)
    written = write_card(weight, tmp_path / "new" / "folder", tmp_path / "scores.json")
    card, picture = written.path, written.picture
    assert picture is not None and (card.name, picture.read_bytes()[:4]) == ("card.md", b"\x89PNG")
    front, tokens = read(card.read_text())
    rows = tables(tokens)["Each class"]
    assert rows[0] == ["", "clips", "people", "precision [95 %]", "recall [95 %]", "F1 [95 %]"]
    for label, *cells in rows[1:]:
        own, bounds = document["classes"][label], document["intervals"]["classes"][label]
        assert cells[:2] == [str(own["support"]), str(own["people"])] == ["30", "8"]
        for cell, name in zip(cells[2:], ("precision", "recall", "f1"), strict=True):
            assert cell == "{:.4f} [{:.3f},{:.3f}]".format(own[name], *bounds[name])
            assert bounds[name][0] <= own[name] <= bounds[name][1]
    assert [row[0] for row in rows[1:]] == list(info.labels)
    text = card.read_text()
    assert "Measured on 90 clips of 12 people." in text
    assert "95 %, percentile bootstrap, 1000 resamples of the speakers, seed 0." in text
    assert text == make_card(weight, document).replace("\n| confidence |", "\n\0", 1).replace(
        "\n\0",
        f"\n![Reliability diagram: accuracy against confidence, and the share of clips]({picture.name})\n\n"
        "| confidence |",
    )
    scores = {each["name"]: each["value"] for each in front["model-index"][0]["results"][0]["metrics"]}
    assert scores["UAR"] == document["metrics"]["uar"] and scores["WAR"] == document["metrics"]["war"]


def test_the_calibration_is_that_of_the_evaluation(tmp_path: Path, info: WeightInfo) -> None:
    found = planted(info)
    expected = describe_calibration(found)
    text = make_card(save(tmp_path / "toy.safetensors", info), sheet_of(found))
    assert f"{expected['before']['ece']:.4f} as predicted" in text
    assert (
        f"the temperature 2.500, fitted on the validation clips of its training: {expected['after']['ece']:.4f}" in text
    )
    assert "15 bins of equal width" in text and "`hicmae predict` applies it." in text
    rows = [row for row in tables(read(text)[1])["Calibration"] if " to " in row[0]]
    bins = expected["bins"] + expected["calibrated_bins"]
    assert [row[1:] for row in rows] == [
        [str(one["clips"]), f"{one['confidence']:.4f}", f"{one['accuracy']:.4f}"] for one in bins
    ]
    assert sum(int(row[1]) for row in rows) == 2 * 90
    # A temperature that only this evaluation fitted is not in the weight.
    other = replace(sheet_of(found), calibration=(1.5, "8 clips"))
    assert "applies it" not in make_card(tmp_path / "toy.safetensors", other)


def test_the_hub_can_read_the_front_matter(tmp_path: Path, info: WeightInfo) -> None:
    licences = {
        "MIT": ("mit", None),
        "CC BY-NC-SA 4.0": ("cc-by-nc-sa-4.0", None),
        "Open Database License (ODbL) 1.0": ("odbl", None),
        "academic research; no redistribution": ("other", "academic-research-no-redistribution"),
        "unknown": ("unknown", None),
    }
    for licence, (key, name) in licences.items():
        named = info.model_copy(update={"licence": licence, "dataset": "crema-d"})
        sheet = sheet_of(planted(named))
        data = ModelCard(make_card(save(tmp_path / "toy.safetensors", named), sheet)).data
        assert (data.license, data.license_name) == (key, name)
    assert (data.datasets, data.language, data.library_name) == (["crema-d"], ["en"], "hicmae")
    assert data.metrics == ["uar", "accuracy", "f1"] and "emotion-recognition" in data.tags
    by_name = {result.metric_name: result.metric_value for result in data.eval_results}
    assert by_name["UAR"] == sheet.metrics["uar"]


def test_small_groups_are_marked_and_others_are_said_to_be_unmeasured(tmp_path: Path, info: WeightInfo) -> None:
    found = planted(info)
    sex = {s.id: "male" if s.speaker in ("p0", "p1") else "female" for s in found.samples}
    text = make_card(save(tmp_path / "toy.safetensors", info), sheet_of(found, sex=sex))
    groups = {row[0]: row for row in tables(read(text)[1])["By sex"]}
    assert groups["female"][1:3] == ["74", "10"] and groups["female"][-1] == ""
    assert groups["male"][1:3] == ["16", "2"] and groups["male"][-1].startswith("too few people; fewer than 20 clips")
    assert "Not measured by age: " in text and "Differences by age and skin tone were not measured" in text


def test_what_is_not_known_is_said_to_be_unknown(tmp_path: Path) -> None:
    bare = info_of(dataset="mine", licence="unknown")
    text = make_card(save(tmp_path / "toy.safetensors", bare))
    for words in (
        "**It is no judge of an individual.**",
        "Nobody has described its data in words.",
        "What its training started from is unknown",
        "Not evaluated.",
        "How its epoch was chosen is not recorded.",
        "Unknown: nobody has written down what it cannot judge.",
        "acted or in the wild is unknown",
        "Which languages it has heard, if any, is unknown.",
        "Anxiety, boredom, calm, contempt, disappointment, disgust, fear, helplessness, sadness, surprise and worry "
        "are not among its outputs",
        "## Intended use\n\nUnknown: nobody has written it down.",
        "The licence of the weight is unknown.",
        FORBIDDEN_USE,
    ):
        assert words in text, words
    assert text.count("Unknown: not evaluated.") == 2
    front, tokens = read(text)
    assert "model-index" not in front and front["license"] == "unknown"
    assert tables(tokens)["Data"][1] == ["fine-tuning", "mine", "unknown", "unknown", "-"]


def test_the_data_protocol_and_limits_come_from_the_facts(tmp_path: Path) -> None:
    seen = note_seen("emodb", "fine-tuning", [("p1", "a"), ("p1", "b"), ("p2", "c")], fold="03")
    told = info_of(
        dataset="emodb",
        modality="audio",
        fold="03",
        seen=(seen,),
        trained_on="German voices",
        cannot_judge="faces",
        intended_use="teaching",
        selection="test-best",
        held_out=(HeldOutScore(what="voices", metric="UAR", value=0.5, n=9),),
    )
    text = make_card(save(tmp_path / "toy.safetensors", told), sheet_of(replace(planted(told), modality="audio")))
    for words in (
        "It cannot judge faces.",
        "It was trained on German voices.",
        "acted: actors speak ten German sentences",
        "The language of its dataset is de; nothing is known of others.",
        "chosen on the test clips: optimistic",
        "> **Warning:** the weight's epoch was chosen on the test clips",
        "- voices: UAR 0.50 (9 clips)",
        "## Intended use\n\nTeaching.",
    ):
        assert words in text, words
    assert tables(read(text)[1])["Data"][1] == ["fine-tuning", "emodb", "3", "2", "fold 03"]


def test_a_hostile_weight_is_only_text(tmp_path: Path) -> None:
    evil = "x\n# title\n\n| a |\n\n---\nlicense: mit\n<img src=x onerror=alert(1)> | [a](javascript:b) \x1b[31m"
    told = info_of(
        labels=HOSTILE, dataset=evil, licence=evil, source=evil, trained_on=evil, cannot_judge=evil, intended_use=evil,
        metrics={evil: {evil: 0.5}}, protocol=evil, fold="1",
    )  # fmt: skip
    found = planted(told)
    named = {s.id: evil if s.id < "c5" else "<b>" for s in found.samples}
    sheet = ScoreSheet(evil, Protocol(evil, fold="1"), {"av": found}, columns={"sex": named})
    card = write_card(save(tmp_path / "toy.safetensors", told), tmp_path / "a (b) c.md", sheet).path
    front, tokens = read(card.read_text())
    (image,) = (child for token in tokens for child in token.children or [] if child.type == "image")
    assert (tmp_path / unquote(str(image.attrs["src"]))).is_file()
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert [name for name in headings if name.startswith("x")] == []
    assert headings[1:7] == ["Data", "Protocol", "Selection", "Results", *headings[5:7]]
    inline = [child.type for token in tokens for child in token.children or []]
    assert set(inline) <= {"text", "text_special", "code_inline", "strong_open", "strong_close", "softbreak", "image"}
    assert inline.count("image") == 1 and not any(token.type.startswith("html") for token in tokens)
    assert [row[0] for row in tables(tokens)["Each class"][1:]] == list(HOSTILE)
    assert front["license"] == "other" and "\x1b" not in card.read_text()
    assert front["datasets"] == [evil.encode("unicode_escape").decode()]
    widths = {len(row) for name, rows in tables(tokens).items() if name != "Calibration" for row in rows[:1]}
    assert all(len(row) in widths for name, rows in tables(tokens).items() if name != "Calibration" for row in rows)


def test_the_weights_of_all_folds_have_one_card(tmp_path: Path) -> None:
    folds = {}
    for fold in ("1", "2"):
        own = info_of(fold=fold, temperature=1.0 + int(fold), seen=(note_seen("toys", "fine-tuning", [], fold=fold),))
        save(tmp_path / "run" / f"fold-{fold}" / "best.safetensors", own)
        folds[fold] = planted(own, seed=int(fold))
    document = sheet_of(FoldsEvaluation(folds), fold="all").to_dict()
    write_card(tmp_path / "run", tmp_path / "run", document)
    text = (tmp_path / "run" / "card.md").read_text()
    assert "2 weights, one per fold" in text and "a temperature per fold" in text and "applies it." in text
    shown = tables(read(text)[1])
    assert [row[:2] for row in shown["Data"][1:]] == [["1", "fine-tuning"], ["2", "fine-tuning"]]
    assert [row[0] for row in shown["Results"][1:3]] == ["fold 1", "fold 2"]
    # Only what was tested is on a card.
    one = make_card(tmp_path / "run", sheet_of(folds["2"], fold="2"))
    assert "HiCMAE nano, toys, fold 2" in one


def test_scores_beside_a_weight_are_taken_if_they_are_its_own(tmp_path: Path, info: WeightInfo) -> None:
    weight = save(tmp_path / "best.safetensors", info)
    (tmp_path / "result.json").write_text(json.dumps(sheet_of(planted(info)).to_dict()))
    assert "Measured on 90 clips" in make_card(weight) and "Measured on 90 clips" in make_card(tmp_path)
    save(weight, info.model_copy(update={"source": "a later run"}))
    assert "Not evaluated." in make_card(weight)
    (tmp_path / "result.json").write_text("{}")
    assert "Not evaluated." in make_card(weight)


def test_scores_of_another_weight_and_broken_ones_are_refused(tmp_path: Path, info: WeightInfo) -> None:
    weight = save(tmp_path / "toy.safetensors", info)
    other = info_of(labels=("a", "b", "c"))
    with pytest.raises(WeightsError, match="the scores are of another weight"):
        write_card(weight, tmp_path / "out", sheet_of(planted(other)))
    document = sheet_of(planted(info)).to_dict()
    file = tmp_path / "scores.json"
    faults = [{key: value for key, value in document.items() if key != lost} for lost in ("intervals", "weights")]
    faults += [
        {**document, "classes": {"anger": 3}},
        {**document, "samples": [1]},
        {**document, "calibration": {"a": 1}},
    ]
    bins = [{**document["calibration"]["bins"][0], "upper": document["calibration"]["bins"][0]["lower"]}]
    faults += [{**document, "calibration": {**document["calibration"], "bins": bins}}]
    faults += [{**document, "calibration": {**document["calibration"], "before": {"ece": 0.5}}}]
    faults += [{**document, "metrics": {"uar": "<b>", "war": []}}, {**document, "groups": 7}]
    for fault in faults:
        file.write_text(json.dumps(fault))
        with pytest.raises(ManifestError) as caught:
            write_card(weight, tmp_path / "out", file)
        assert "\n" not in str(caught.value)
    for text in ("", "[" * 100_000, "[]", '{"schema": "other"}'):
        file.write_text(text)
        with pytest.raises(ManifestError, match=re.escape(str(file))):
            write_card(weight, tmp_path / "out", file)
    with pytest.raises(ManifestError, match="cannot be read"):
        write_card(weight, tmp_path / "out", tmp_path / "missing.json")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(HicmaeError, match="cannot be written"):
        write_card(weight, tmp_path / "file" / "card.md")


def test_values_have_neither_classes_nor_calibration(tmp_path: Path) -> None:
    told = info_of(task="regression", labels=("arousal", "valence"))
    rows = np.random.default_rng(0).normal(size=(20, 2)).tolist()
    samples = [
        SampleResult(f"c{n}", (0.5, n / 20), tuple(row), tuple(row), (tuple(row),)) for n, row in enumerate(rows)
    ]
    found = Evaluation(told, "onnx", "av", 1, tuple(samples))
    written = write_card(save(tmp_path / "toy.safetensors", told), tmp_path / "card.md", sheet_of(found))
    assert written == WrittenCard(tmp_path / "card.md")
    text = written.path.read_text()
    assert "It gives no probabilities of classes." in text and "of an unknown number of people" in text
    assert [row[0] for row in tables(read(text)[1])["Each target"][1::2]] == ["arousal", "valence"]


def test_a_bundled_card_has_the_same_words(tmp_path: Path) -> None:
    written = make_card("hicmae-nano")
    assert FORBIDDEN_USE in " ".join(written.split()) and written.startswith("# hicmae-nano\n")
    assert write_card("hicmae-nano", tmp_path / "README.md") == WrittenCard(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == written


def test_sets_of_labels_and_a_pretrained_weight_have_cards(tmp_path: Path) -> None:
    found = sets()
    text = make_card(save(tmp_path / "sets.safetensors", found.info), sheet_of(found))
    assert {row[0] for row in tables(read(text)[1])["Each class"][1:]} == set(found.labels)
    assert "Unknown: only the probability of a single class is measured." in text
    facts = PretrainingFacts(decoder_width=64, decoder_heads=1, skip_layers=(2, 4))
    started = info_of(task="pretraining", labels=(), pretraining=facts)
    text = make_card(save(tmp_path / "start.safetensors", started))
    assert "none: it is pre-trained only" in text and "it predicts nothing before it is fine-tuned" in text
