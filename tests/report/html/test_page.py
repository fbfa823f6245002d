"""The report: complete in itself, true to the prediction, and safe with any name."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli import __version__
from hicmae_cli.cli.flags import FLAGS
from hicmae_cli.report.formats import FORMATS, write_prediction
from hicmae_cli.report.html.index import render_index
from hicmae_cli.report.html.page import render_page
from hicmae_cli.report.html.person import list_people
from hicmae_cli.report.html.sections import OPTIONS, list_hints, write_command
from hicmae_cli.report.palette import COLOURS
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
from hicmae_cli.timeline import make_timeline
from tests.report.html.reading import Page
from tests.report.html.toys import explained, random_prediction
from tests.report.toys import HOSTILE_NAMES, blends, hostile, prediction, regression
from tests.runtime.stubs import LABELS, TOY_MODEL, track, valued, write_clip


def narrated() -> Prediction:
    """Random numbers, with a person's voice and one off-screen."""
    whole = random_prediction(20)
    speech = (Speech(1.0, 2.0, 1), Speech(2.0, 3.5, NOBODY), Speech(4.0, 4.25, UNSURE), Speech(5.0, 6.0, NOBODY))
    return replace(whole, files=(replace(whole.files[0], speech=speech),))


ALL: dict[str, Callable[[], Prediction]] = {
    "classes": lambda: random_prediction(20),
    "values": regression,
    "sets": blends,
    "hostile": lambda: replace(hostile(), files=hostile().files[:1]),
    "narrated": narrated,
    "explained": lambda: explained(20),
    "voice": lambda: replace(
        prediction(), files=(FileResult(Path("a.wav"), "ok", tracks=(track(0, modality="audio"),)),)
    ),
}


@pytest.fixture(params=ALL.values(), ids=list(ALL))
def made(request: pytest.FixtureRequest) -> Prediction:
    whole: Prediction = request.param()
    return whole


def test_the_page_loads_nothing(made: Prediction) -> None:
    page = Page(render_page(made))
    assert all(each.startswith(("#", "data:image/jpeg;base64,")) for each in page.addresses), page.addresses
    assert not page.find("link") and not page.find("iframe") and not page.find("object")
    assert all(name not in ("style",) and not name.startswith("on") for e in page.elements for name in e.attributes)
    assert re.findall(r"\b(?:https?|ftp|wss?)://[^\s\"'<]+", page.html.replace("http://www.w3.org/2000/svg", "")) == []


def test_the_policy_allows_this_style_and_this_script_only(made: Prediction) -> None:
    page = Page(render_page(made))
    (policy,) = [
        e.attributes["content"]
        for e in page.find("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    (style,) = page.find("style")
    script = page.find("script")[-1]
    for rule, element in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:" and rules["media-src"] == "blob:"


def test_names_are_text_and_nothing_else() -> None:
    tricky = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u2028$title${title}'
    people = replace(hostile(), files=hostile().files[:1]).files[0].tracks
    people = (*people, replace(people[0], id=99, name=tricky))
    file = FileResult(Path(f"dir/{tricky}.mp4"), "ok", tricky, 20.0, 25.0, people, sha256=tricky)
    info = TOY_MODEL.info.model_copy(
        update={"cannot_judge": tricky, "intended_use": tricky, "licence": tricky, "trained_on": tricky}
    )
    page = Page(render_page(Prediction(replace(TOY_MODEL, name=tricky, info=info), PredictSettings(), (file,))))
    assert len(page.find("script")) == 2 and not page.find("img")
    assert "<img src=x" in page.find("h1")[0].text
    named = [person["name"] for person in page.data["people"]]
    assert len(set(named)) == len(HOSTILE_NAMES) + 1 and any("<script>" in name for name in named)
    assert all(name.isprintable() or "\u200c" in name for name in named)


def test_labels_are_text_too() -> None:
    label = "<b>joy</b>&"
    info = TOY_MODEL.info.model_copy(update={"labels": (label, "neutral")})
    window = Window(0.0, 2.56, Scores({label: 0.75, "neutral": 0.25}), 1.0, "av")
    file = FileResult(Path("a.mp4"), "ok", "", 2.56, 25.0, (Track(1, (window,), 1.0),))
    page = Page(render_page(Prediction(replace(TOY_MODEL, info=info), PredictSettings(), (file,))))
    assert page.data["lanes"][0][0] == label
    assert label in [each.text for each in page.find("b")]


def test_every_number_of_the_script_is_one_of_the_timeline() -> None:
    whole = random_prediction(40)
    (file,) = whole.files
    page = Page(render_page(whole))
    assert [lane[0] for lane in page.data["lanes"]] == list(LABELS)
    for shown, person in zip(page.data["people"], file.tracks, strict=True):
        timeline = make_timeline(file, person)
        assert shown["t"] == [round(edge * 1000) for edge in timeline.edges_s]
        numbers = np.array(shown["n"]).T / 10_000
        gaps = np.isnan(timeline.means[:, 0])
        assert (numbers[gaps] < 0).all() and (np.array([*shown["by"]]) == "-").tolist() == gaps.tolist()
        assert np.abs(numbers - timeline.means)[~gaps].max() <= 0.5e-4 + 1e-12
        assert [(e[0] / 1000, e[1] / 1000, e[3]) for e in shown["episodes"]] == [
            (e.start_s, e.end_s, e.label) for e in timeline.episodes
        ]
        assert [(g[0] / 1000, g[1] / 1000, g[2]) for g in shown["gaps"]] == [
            (g.start_s, g.end_s, g.reason) for g in timeline.gaps
        ]


def test_the_tables_say_what_the_json_says() -> None:
    whole = random_prediction(40)
    document = json.loads(json.dumps(whole.to_dict()))
    page = Page(render_page(whole))
    cards = page.find("article", "card")
    captions = [each.text for each in page.find("caption")]
    for place, person in enumerate(document["files"][0]["tracks"]):
        assert f"{len(person['windows'])} overlapping windows" in cards[place].text
        assert f"{person['coverage']:.0%} of the time" in cards[place].text
        assert f"Episodes of person {place + 1}" in captions
    rows = [each.text for each in page.find("tr")]
    for episode in (e for person in document["files"][0]["tracks"] for e in person["episodes"]):
        length = f"{episode['end_s'] - episode['start_s']:.2f} s"
        wanted = f"{length}{episode['label']}{episode['probability']:.0%}{episode['peak']:.0%}"
        assert any(wanted in row for row in rows), wanted
    for gap in (g for person in document["files"][0]["tracks"] for g in person["gaps"]):
        assert any(f"{gap['end_s'] - gap['start_s']:.2f} s{gap['reason']}" in row for row in rows)


def test_a_mean_is_the_one_of_the_json_everywhere() -> None:
    whole = random_prediction(40)
    (file,) = whole.files
    page = Page(render_page(whole))
    rows = [e.text for e in page.find("div", "lane")]
    index = Page(render_index(replace(whole, files=(file, file)), {}))
    saved = whole.to_dict()["files"][0]["tracks"]
    for place, (card, person, seen) in enumerate(zip(page.find("article", "card"), saved, file.tracks, strict=True)):
        means = person["probabilities"]
        shares = [f"{label}{means[label]:.0%}" for label in LABELS]
        assert all(share in card.text for share in shares)
        assert rows[place * len(LABELS) : (place + 1) * len(LABELS)] == shares
        ordered = sorted(((mean, label) for label, mean in means.items()), reverse=True)
        if seen is file.main_track:
            assert f"{ordered[0][1]} {ordered[0][0]:.0%}" in index.find("tr")[1].text
        assert f"next: {ordered[1][1]} {ordered[1][0]:.0%} · chance 33%" in card.text


def test_chance_is_drawn_where_there_is_one() -> None:
    page = Page(render_page(random_prediction(20)))
    assert "The dashed line is chance, 1 in 3." in page.html
    lines = page.find("path", "chance")
    assert len(lines) == 2 * 2 * len(LABELS)  # two people, in the cards and in the rows
    assert {e.attributes["d"] for e in lines} == {"M33.3 0V10", "M0 66.7H1000"}
    for other in (regression(), blends()):
        found = Page(render_page(other))
        assert not found.find("path", "chance") and "chance" not in found.find("article", "card")[0].text


def test_targets_have_no_bar() -> None:
    card = Page(render_page(regression())).find("article", "card")[0].text
    assert "arousal5.38 (-1.50 to 12.25)" in card and "valence0.25 (0.25 to 0.25)" in card


def test_a_range_is_over_the_windows_as_in_the_terminal() -> None:
    """Ten overlapping windows: the one of 10 has no moment of its own, so over time 10 is never reached."""
    windows = [valued(10.0 * (at == 5), 0.25, start_s=0.64 * at, end_s=0.64 * at + 2.56) for at in range(10)]
    whole = replace(regression(), files=(FileResult(Path("a.mp4"), "ok", tracks=(track(1, *windows),)),))
    assert "arousal1.00 (0.00 to 10.00)" in Page(render_page(whole)).find("article", "card")[0].text
    assert "0.00 to 10.00" in str(whole)


def test_a_part_of_a_file_is_called_one() -> None:
    whole = random_prediction(20)
    (file,) = whole.files
    whole = replace(whole, settings=PredictSettings(start_s=0.0, end_s=15.0), files=(replace(file, duration_s=30.0),))
    page = Page(render_page(whole))
    said = "analysed 0:00.0\N{EN DASH}0:15.0 (50%)"
    assert said in page.find("ul", "inline")[0].text
    assert all("of the analysed part" in card.text for card in page.find("article", "card"))
    assert said in render_index(whole, {})
    assert "analysed 0:" not in render_page(random_prediction(20))


def test_speech_is_shown_where_it_was_tested_and_said_otherwise() -> None:
    whole = random_prediction(20)
    page = Page(render_page(whole))
    first, second = page.data["people"]
    turns = whole.to_dict()["files"][0]["tracks"][0]["turns"]
    assert turns and [[round(1000 * turn[key]) for key in ("start_s", "end_s")] for turn in turns] == [
        span[:2] for span in first["spans"] if span[2] == "y"
    ]
    assert second["spans"] == []
    assert len(page.find("div", "speaks")) == 1
    assert "Who speaks was not tested" not in page.html
    (file,) = whole.files
    alone = replace(whole, files=(replace(file, tracks=file.tracks[1:]),))
    assert "Who speaks was not tested" in render_page(alone)


def test_a_voice_of_nobody_in_view_has_a_row_of_its_own() -> None:
    page = Page(render_page(narrated()))
    (row,) = page.find("div", "off")
    assert row.text == "Voice off-screen2.5 of 17.8 s"
    assert page.data["off"] == [[2000, 3500], [5000, 6000]]
    first = page.data["people"][0]
    assert [span for span in first["spans"] if span[2] == "y"] == [[1000, 2000, "y"]]
    assert "1.0 of 17.8 s" in page.find("article", "card")[0].text
    silent = Page(render_page(random_prediction(20)))
    assert not silent.find("div", "off") and silent.data["off"] == []


def test_the_page_says_what_the_weight_cannot_do_and_how_it_was_made() -> None:
    info = TOY_MODEL.info.model_copy(
        update={
            "cannot_judge": "real people",
            "intended_use": "tests",
            "temperature": 1.5,
            "one_stream_temperatures": {"video": 0.75, "audio": 0.5},
        }
    )
    whole = random_prediction(5)
    (file,) = whole.files
    page = Page(
        render_page(replace(whole, model=replace(TOY_MODEL, info=info), files=(replace(file, sha256="f" * 64),)))
    )
    (notice,) = page.find("div", "notice")
    assert notice.text.startswith("toy cannot judge real people.")
    facts = dict(zip((e.text for e in page.find("dt")), (e.text for e in page.find("dd")), strict=True))
    assert facts["Cannot judge"] == "real people" and facts["Intended use"] == "tests" and facts["Licence"] == "MIT"
    assert facts["Weight, SHA-256"] == "0" * 64 and facts["File, SHA-256"] == "f" * 64
    assert "AI Act" in facts["Not for"] and facts["Calibrated"] == (
        "face and voice (temperature 1.50), face (temperature 0.75), voice (temperature 0.50)"
    )
    assert "not calibrated" not in page.html
    assert facts["Predicted with"] == facts["Page made with"] == f"hicmae {__version__}"


@pytest.mark.parametrize("version, said", [("0.0.9", "hicmae 0.0.9"), (None, "that was not recorded")])
def test_the_page_says_which_version_predicted(version: str | None, said: str) -> None:
    whole = random_prediction(5)
    page = Page(render_page(replace(whole, files=(replace(whole.files[0], hicmae_version=version),))))
    facts = dict(zip((e.text for e in page.find("dt")), (e.text for e in page.find("dd")), strict=True))
    assert facts["Predicted with"].endswith(said) and facts["Page made with"] == f"hicmae {__version__}"


def test_streams_without_a_temperature_are_named() -> None:
    (file,) = random_prediction(5).files
    speaker, listener = file.tracks
    listener = replace(listener, windows=tuple(replace(each, modality="video") for each in listener.windows))
    people = list_people(replace(file, tracks=(speaker, listener)), PredictSettings())
    info = TOY_MODEL.info.model_copy(update={"temperature": 1.5, "one_stream_temperatures": {"audio": 0.5}})
    assert "The probabilities from face alone are not calibrated" in list_hints(people, info)
    assert "not calibrated" not in list_hints(people[:1], info)
    assert "The probabilities are not calibrated" in list_hints(people, TOY_MODEL.info)


def test_the_command_makes_the_same_prediction() -> None:
    settings = PredictSettings("av", 5.12, 1.28, 2, 3.5, 60.0, smooth_s=2.0, abstain=0.4, sound="shared", explain=True)
    whole = replace(random_prediction(5), settings=settings)
    file = replace(whole.files[0], path=Path("a film.mp4"))
    assert write_command(whole, file) == (
        "hicmae predict 'a film.mp4' --weights toy --engine onnx --device cpu --modality av --window 5.12 --hop 1.28 "
        "--faces 2 --start 3.5 --end 60 --smooth 2 --abstain 0.4 --sound shared --explain"
    )
    recorded = {"people_sha256"}
    assert set(OPTIONS) == {each.name for each in fields(PredictSettings)} - recorded, "a setting without an option"
    assert {name: FLAGS[name] for name in OPTIONS} == OPTIONS


def test_drawings_have_names_and_no_colour_stands_alone(made: Prediction) -> None:
    page = Page(render_page(made))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for drawing in page.find("svg"):
        named = drawing.attributes.get("role") == "img" and drawing.attributes.get("aria-label")
        assert named or drawing.attributes.get("aria-hidden") == "true"
    for control in [*page.find("input"), *page.find("select")]:
        labels = [e.attributes.get("for") for e in page.find("label")]
        assert control.attributes["id"] in labels or "label" in control.inside
    assert page.find("html")[0].attributes["lang"] == "en" and page.find("title")[0].text
    for section in [e for e in page.elements if "aria-labelledby" in e.attributes]:
        assert section.attributes["aria-labelledby"] in ids


def test_a_long_page_says_what_it_leaves_out() -> None:
    page = render_page(random_prediction(1700, people=1, gap=(100, 200)))
    assert len(page.encode()) < 300_000
    assert "Each drawn step is the mean of 3 neighbouring ones" in page


@pytest.mark.slow
def test_an_hour_of_four_people_stays_small() -> None:
    page = render_page(random_prediction(5600, people=4, gap=(1000, 1200), labels=tuple(COLOURS)))
    assert len(page.encode()) < 3_000_000
    assert "Each drawn step is the mean of" in page


@pytest.mark.slow
def test_a_day_is_thinned_and_says_so() -> None:
    page = render_page(random_prediction(120_000, people=1))
    assert len(page.encode()) < 6_000_000
    assert "At most 20,000 episodes of each person are drawn, the longest ones." in page


def test_many_labels_are_limited() -> None:
    labels = tuple(f"label {at}" for at in range(43))
    rng = np.random.default_rng(0)
    windows = tuple(
        Window(at * 0.64, at * 0.64 + 2.56, Scores.of(labels, rng.dirichlet(np.ones(43))), 1.0, "av") for at in range(9)
    )
    info = TOY_MODEL.info.model_copy(update={"labels": labels})
    file = FileResult(Path("a.mp4"), "ok", "", 10.0, 25.0, (Track(1, windows, 1.0),))
    page = Page(render_page(Prediction(replace(TOY_MODEL, info=info), PredictSettings(), (file,))))
    assert len(page.data["lanes"]) == 12
    assert "31 other labels" in page.find("article", "card")[0].text


def test_faces_and_sound_come_from_the_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 3.0)
    boxes = tuple(FaceBox(at / 2, 10.0 + at, 10.0, 30.0, 40.0) for at in range(6))
    bad = FaceBox(1.2, float("nan"), 0.0, 1e9, 1.0)
    window = Window(0.0, 3.0, Scores.of(LABELS, np.array([0.5, 0.25, 0.25])), 1.0, "av", (*boxes, bad))
    file = FileResult(path, "ok", "", 3.0, 25.0, (Track(1, (window,), 1.0),), path.stat().st_size, None, 128, 96)
    whole = Prediction(TOY_MODEL, PredictSettings(), (file,))
    page = Page(render_page(whole))
    faces = [e.attributes["src"] for e in page.find("img")]
    assert len(faces) == 6 and all(len(each) < 10_000 for each in faces)
    assert page.find("svg", "wave")
    changed = Page(render_page(replace(whole, files=(replace(file, size_bytes=5),))))
    assert not changed.find("img") and "the file has changed" in changed.html
    path.unlink()
    gone = Page(render_page(whole))
    assert not gone.find("img") and "not where it was" in gone.html


def test_the_voice_comes_last() -> None:
    people = (replace(track(VOICE_TRACK, modality="audio"), id=VOICE_TRACK), track(1))
    file = FileResult(Path("a.mp4"), "ok", tracks=people)
    page = Page(render_page(Prediction(TOY_MODEL, PredictSettings(), (file,))))
    assert [person["name"] for person in page.data["people"]] == ["person 1", "voice"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("name", [*ALL])
def test_a_browser_runs_the_page(tmp_path: Path, name: str) -> None:
    """The policy lets the script run, and the script finds everything that it needs."""
    whole = ALL[name]()
    (path,) = write_prediction(whole, tmp_path, [FORMATS["html"]])
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []
    page = done.stdout
    assert 'id="all" disabled' in page or 'disabled="" id="all"' in page or re.search(r'id="all"[^>]*disabled', page)
    assert '<li class="with-script">' in page
