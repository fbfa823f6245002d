"""What moved the answers: rows of effects, and maps of the face and of the sound."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.faces.align import read_template
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.report.html.maps import FACE_PARTS
from hicmae_cli.report.html.markup import Scale, clock
from hicmae_cli.report.html.moved import SoundMoved, measure_moved
from hicmae_cli.report.html.page import render_page
from hicmae_cli.report.html.person import list_people
from hicmae_cli.report.html.pictures import read_pictures
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.occlusion import FACE_GRID
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult
from hicmae_cli.runtime.settings import PredictSettings
from tests.report.html.reading import Page
from tests.report.html.toys import explained, random_prediction
from tests.runtime.stubs import TOY_MODEL, track, window


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
    maps, _single = page.find("div", "moved")
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
    said = [e.attributes["aria-label"] for e in page.find("svg", "map")]
    assert -low == high == max(int(n) for each in said for n in re.findall(r": \+(\d+) points", each))


def test_parts_of_the_face_are_named_as_they_lie() -> None:
    assert (len(FACE_PARTS), *{len(row) for row in FACE_PARTS}) == FACE_GRID
    _, points = read_template(100)
    for name, places in (("left eye", range(36, 42)), ("right eye", range(42, 48)), ("mouth", range(60, 68))):
        x, y = points[list(places)].mean(axis=0)
        assert FACE_PARTS[int(y // 20)][int(x // 20)] == name


def test_single_windows_are_shown_in_order_of_time() -> None:
    whole = explained(20)
    first, other = Page(render_page(whole)).find("div", "windows")
    spans = re.findall(r"([0-9]:[0-9]{2}\.[0-9])\N{EN DASH}([0-9]:[0-9]{2}\.[0-9])", first.text)
    last = max(whole.files[0].tracks[0].windows, key=lambda each: each.start_s)
    assert len(spans) == 8 and spans == sorted(spans) and spans[0][0] == clock(0.0)
    assert spans[-1] == (clock(last.start_s), clock(last.end_s))
    assert first.text.count("face") == first.text.count("voice") == 8, "how much each stream moved"
    assert "voice" not in other.text


def explain_sound(
    start_s: float, *rows: tuple[float, ...], length_s: float = 2.0, row: tuple[float, ...] = (0.7, 0.2, 0.1)
) -> Window:
    """A window, angry unless ``row`` says otherwise, whose sound moved what the rows say."""
    made = window(start_s, start_s + length_s, row)
    return replace(made, explanation=Explanation(made.scores.label or "", None, None, None, rows))


def measure_sound(*windows: Window, duration_s: float) -> SoundMoved:
    file = FileResult(Path("a.mp4"), "ok", "", duration_s, 25.0, (track(1, *windows),))
    (moved,) = measure_moved(list_people(file, PredictSettings()))
    assert moved.sound is not None and math.isfinite(moved.strongest)
    return moved.sound


def read_sound(sound: SoundMoved, time_s: float) -> list[float]:
    return sound.numbers[:, np.searchsorted(sound.edges_s, time_s) - 1].tolist()  # type: ignore[no-any-return]


def test_the_sound_over_time_is_the_mean_of_the_windows_over_it() -> None:
    windows = explain_sound(1.0, (0.4, 0.0), (-0.2, 0.2)), explain_sound(2.0, (0.2, 0.6), (0.0, 0.0))
    sound = measure_sound(*windows, explain_sound(6.0, (0.1, 0.1), (0.1, 0.1)), duration_s=8.0)
    assert (sound.edges_s[0], sound.edges_s[-1]) == (1.0, 8.0)
    expected = (1.5, 0.4, -0.2), (2.5, 0.1, 0.1), (3.5, 0.6, 0.0), (7.0, 0.1, 0.1)
    for time_s, high, low in expected:
        np.testing.assert_allclose(read_sound(sound, time_s), (high, low), atol=1e-12)
    assert np.isnan(read_sound(sound, 5.0)).all()


def test_a_short_sound_in_a_long_file_counts_for_its_time() -> None:
    """A column of an hour is 12 s: what is in it counts as long as it lasts."""
    windows = [explain_sound(float(at), (0.0,), length_s=1.0) for at in range(3600)]
    windows[1800] = explain_sound(1800.0, (0.9,), length_s=1.0)
    sound = measure_sound(*windows, duration_s=3600.0)
    assert sound.numbers.shape == (1, 300) and read_sound(sound, 1800.5) == pytest.approx([0.9 / 12])
    sparse = measure_sound(explain_sound(0.0, (0.3,)), explain_sound(3000.0, (-0.5,)), duration_s=3600.0)
    assert read_sound(sparse, 0.5) == pytest.approx([0.3]) and np.nanmin(sparse.numbers) == pytest.approx(-0.5)
    assert np.isfinite(sparse.numbers).sum() == 2


def test_the_sound_is_about_the_label_that_the_timeline_shows() -> None:
    angry = [explain_sound(at, (0.4,)) for at in (0.0, 1.0, 2.0)]
    calm = explain_sound(1.0, (-0.4,), row=(0.3, 0.0, 0.7))
    sound = measure_sound(angry[0], calm, *angry[1:], duration_s=4.0)
    np.testing.assert_allclose(sound.numbers, 0.4)


def test_one_window_is_not_drawn_twice() -> None:
    one = replace(explain_sound(0.0, (0.4, 0.1)), modality="audio", boxes=())
    file = FileResult(Path("a.wav"), "ok", "", 2.0, None, (track(VOICE_TRACK, one),))
    page = Page(render_page(Prediction(TOY_MODEL, PredictSettings(), (file,))))
    assert len(page.find("figure")) == 1 and not page.find("div", "windows")


def test_all_of_the_sound_is_in_the_spectrogram(tmp_path: Path) -> None:
    """A column of a long page is longer than a spectrogram; a tone at its end is there."""
    path = tmp_path / "a.wav"
    tone = 0.3 * np.sin(np.arange(5 * SAMPLE_RATE_HZ) / 5)
    soundfile.write(path, np.concatenate([np.zeros(5 * SAMPLE_RATE_HZ), tone]), SAMPLE_RATE_HZ)
    file = FileResult(path, "ok", "", 9000.0, None, (track(1),), path.stat().st_size)
    address = read_pictures(file, Scale(0.0, 9000.0), spectrum=True).spectrum
    assert read_opacity(address)[:, 0].max() > 0


def read_opacity(address: str) -> NDArray[np.uint8]:
    kind, text = address.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))[:, :, 3]


def test_the_sound_lies_over_its_spectrogram(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    times_s = np.arange(8 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (200 + 150 * times_s) * times_s), SAMPLE_RATE_HZ)
    one = explain_sound(0.0, (0.4, 0.0), (-0.2, 0.2), length_s=2.56)
    file = FileResult(path, "ok", "", 8.0, None, (track(1, one, window(2.0, 8.0)),), path.stat().st_size)
    whole = Prediction(TOY_MODEL, PredictSettings(), (file,))
    page = Page(render_page(whole))
    (address,) = [e.attributes["href"] for e in page.find("image")]
    opacity = read_opacity(address)
    loudest = opacity.argmax(axis=0)[:: opacity.shape[1] // 8]
    assert (np.diff(loudest) < 0).all(), "a rising tone is a rising line"
    parts = [e.attributes for e in page.find("rect") if "x" in e.attributes and not {"figure", "p"} & {*e.inside}]
    assert [(each["class"], each["x"], each["y"], each["width"]) for each in parts] == [
        ("for", "0", "0", "160"),  # 1.28 of 8 s
        ("against", "0", "50", "160"),
        ("for", "160", "50", "160"),
    ]
    path.unlink()
    gone = Page(render_page(whole))
    assert not gone.find("image") and gone.find("svg", "heat")
