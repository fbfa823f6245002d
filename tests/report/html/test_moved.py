"""What moved the answers: rows of effects, and maps of the face and of the sound."""

from __future__ import annotations

import re
from dataclasses import replace

from hicmae_cli.faces.align import read_template
from hicmae_cli.report.html.moved import FACE_PARTS
from hicmae_cli.report.html.page import render_page
from hicmae_cli.runtime.occlusion import FACE_GRID
from tests.report.html.reading import Page
from tests.report.html.toys import explained, random_prediction


def test_what_moved_the_answers_is_drawn_where_it_was_asked_for() -> None:
    whole = explained(20)
    page = Page(render_page(whole))
    assert page.find("div", "moved") and len([e for e in page.elements if "data-effect" in e.attributes]) == 2
    labels = [e.attributes["aria-label"] for e in page.elements if "data-effect" in e.attributes]
    assert all(
        re.fullmatch(r"the (face|voice) moved the answer by \d+ percentage points on average", e) for e in labels
    )
    assert len(page.find("figure")) == len(page.find("figcaption")) == len(page.find("svg", "map"))
    assert page.find("figure", "sound") and all("point" in e.text for e in page.find("figcaption"))
    window = max(whole.files[0].tracks[1].windows, key=lambda each: each.start_s)
    assert window.explanation is not None and window.explanation.face is None
    data = page.data["people"]
    assert set(data[0]["moved"]) == {"face", "voice"} and data[1]["moved"] == {}
    assert len(data[0]["moved"]["face"]) == len(data[0]["seen"])
    plain = Page(render_page(random_prediction(20)))
    assert not plain.find("div", "moved") and not plain.data["people"][0]["moved"]


def test_effects_are_the_same_in_the_rows_and_in_the_maps() -> None:
    whole = explained(20)
    (file,) = whole.files
    person = file.tracks[0]
    shown = [
        replace(each, explanation=replace(each.explanation, name="anger", face=abs(each.explanation.face or 0)))
        for each in person.windows
        if each.explanation
    ]
    page = Page(render_page(replace(whole, files=(replace(file, tracks=(replace(person, windows=tuple(shown)),)),))))
    (row,) = [e.text for e in page.find("div", "effect") if "face" in e.text]
    (maps,) = page.find("div", "moved")
    assert f"face +{row.removeprefix('Moved by face (size)')}" in maps.text


def test_all_maps_have_one_scale() -> None:
    page = Page(render_page(explained(20)))
    maps = [e for e in page.find("rect") if "svg" in e.inside and "figure" in e.inside]
    strengths = [float(e.attributes["fill-opacity"]) for e in maps]
    assert max(strengths) == 1.0
    assert strengths.count(1.0) < len(page.find("figure")), "one part of the section has the full colour"
    low, high = (
        int(n) for n in re.findall(r"[+-]\d+", page.find("p", "legend")[0].text.replace("\N{MINUS SIGN}", "-"))
    )
    said = [int(n) for e in page.find("figcaption") for n in re.findall(r"\+(\d+) points", e.text)]
    assert -low == high == max(said)


def test_parts_of_the_face_are_named_as_they_lie() -> None:
    assert (len(FACE_PARTS), *{len(row) for row in FACE_PARTS}) == FACE_GRID
    _, points = read_template(100)
    for name, places in (("left eye", range(36, 42)), ("right eye", range(42, 48)), ("mouth", range(60, 68))):
        x, y = points[list(places)].mean(axis=0)
        assert FACE_PARTS[int(y // 20)][int(x // 20)] == name
