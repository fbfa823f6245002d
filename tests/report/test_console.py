from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.report.console import (
    assign_letters,
    label_colour,
    licence_line,
    print_prediction,
    render_file,
    weight_notice,
)
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.weights.facts import HeldOutScore
from hicmae_cli.weights.info import WeightInfo
from tests.report.toys import blends, regression
from tests.runtime.stubs import TOY_REGRESSION, ToyEngine, track, window

SURE, HALF, UNSURE = (0.2, 0.7, 0.1), (0.5, 0.3, 0.2), (0.31, 0.3, 0.39)
PEOPLE = (
    track(1, window(0, 4, SURE), window(2, 6, HALF), window(4, 8, UNSURE)),
    track(2, window(4, 8, (0.9, 0.05, 0.05)), coverage=0.5),
    track(0, window(6, 8, modality="audio"), coverage=0.0),
)


def shown(width: int, *tracks: Track, name: str = "a.mp4", message: str = "") -> list[str]:
    """Lines on a screen that many cells wide, without the frame around them."""
    file = FileResult(Path("dir") / name, "ok", message, 8.0, 25.0, tracks)
    return drawn(width, file, ToyEngine.info)


def drawn(width: int, file: FileResult, info: WeightInfo) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(render_file(file, info, width))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(cell_len(line) == width for line in lines)
    return [line.strip("│ ") if line.startswith("│") else line for line in lines]


def rows(lines: list[str], name: str) -> list[str]:
    return [line for line in lines if line.startswith(name)]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_person_has_a_verdict_whatever_the_width(width: int) -> None:
    lines = shown(width, *PEOPLE)
    for name, facts in {
        "person 1": ("◂", "happiness 43%", "100%", "face + voice"),
        "person 2": ("anger", "90%", "50%", "face + voice"),
        "voice": ("happiness", "70%", " - ", "voice"),
    }.items():
        verdict, _ = rows(lines, name)
        words = verdict.replace("█", "").replace("░", "")
        assert all(fact in " ".join(words.split()) + " " for fact in facts), verdict
    assert "a.mp4" in lines[0] and "8.0 s" in lines[0] and "25.00 frames/s" in lines[0]
    assert "…" not in "".join(lines)


def test_the_runner_up_is_shown_where_there_is_room() -> None:
    assert not any("anger 33%" in line for line in shown(60, *PEOPLE))
    assert any("anger 34%" in line for line in shown(120, *PEOPLE))


@pytest.mark.parametrize(("width", "full", "empty"), [(60, 3, 2), (120, 6, 4)])
def test_the_bar_is_as_long_as_the_probability(width: int, full: int, empty: int) -> None:
    verdict, _ = rows(shown(width, track(1, window(row=(0.6, 0.3, 0.1)))), "person 1")
    assert (verdict.count("█"), verdict.count("░")) == (full, empty)


@pytest.mark.parametrize("width", [60, 120])
def test_the_timeline_shows_when_and_how_sure(width: int) -> None:
    lines = shown(width, *PEOPLE)
    cells = {name: rows(lines, name)[1][10:] for name in ("person 1", "person 2", "voice")}
    (length,) = {len(row) for row in cells.values()}
    assert length >= width - 20
    # Each moment has the mean of the windows over it, so it changes at 2, 4 and 6 s.
    expected = {"person 1": ((0, 2, "█"), (2, 6, "▓"), (6, 8, "▒")), "person 2": ((0, 4, "·"), (4, 8, "█"))}
    expected["voice"] = ((0, 6, "·"), (6, 8, "█"))
    for name, spans in expected.items():
        for start_s, end_s, block in spans:
            first, last = (round(time_s / 8 * length) for time_s in (start_s, end_s))
            assert set(cells[name][first + 2 : last - 1].replace("A", "")) == {block}, (name, start_s)
    axis = next(line for line in lines if line.endswith("8.0 s") and line.startswith("0 "))
    assert len(axis) == length


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_of_people_are_shown_and_cut_where_there_is_no_room(width: int) -> None:
    people = [replace(each, name=name) for each, name in zip(PEOPLE, ("Ada", "李" * 60, "n" * 500), strict=True)]
    lines = shown(width, *people)
    assert len(rows(lines, "Ada")) == len(rows(lines, "李李李")) == len(rows(lines, "nnn")) == 2
    assert all("…" in row for name in ("李李李", "nnn") for row in rows(lines, name))
    assert "happiness" in rows(lines, "nnn")[0]


def test_moments_without_a_label_are_marked() -> None:
    file = FileResult(Path("a.mp4"), "ok", "", 8.0, 25.0, PEOPLE[:1])
    console = Console(width=120, file=io.StringIO())
    console.print(render_file(file, ToyEngine.info, 120, PredictSettings(abstain=0.6)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    row = next(line for line in text.splitlines() if "person 1  H" in line).strip("│ ")[10:]
    assert row.strip("H█") == "-" * (len(row) - row.index("-"))
    assert row.index("-") / len(row) == pytest.approx(2 / 8, abs=0.02)
    assert "- no label" in text and "neutral  " not in text.splitlines()[-2]


def test_the_legend_names_every_emotion_on_the_timeline_once() -> None:
    legend = next(line for line in shown(120, *PEOPLE) if "paler: less sure" in line)
    assert legend.split("  ")[:-1] == ["H happiness", "A anger", "N neutral"]
    assert "neutral" not in "".join(shown(120, PEOPLE[1]))


def test_one_person_needs_no_mark_and_a_note_is_shown() -> None:
    lines = shown(80, PEOPLE[0], message="no audio track: judged by the face alone")
    assert "◂" not in "".join(lines)
    assert "note: no audio track: judged by the face alone" in lines


def test_names_are_not_taken_for_markup() -> None:
    assert "[red]a.mp4" in shown(80, *PEOPLE, name="[red]a.mp4")[0]


def printed(*files: FileResult, width: int = 60) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    print_prediction(console, files, ToyEngine.info)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_what_failed_gets_one_unbroken_line_after_the_rest() -> None:
    long = Path("/a/very/long/path/to/a/folder") / "[bold]broken.mp4"
    bad = FileResult(long, "error", f"{long}: cannot be read as video or audio")
    faceless = FileResult(Path("b.mp4"), "no-face", "no face was found")
    lines = printed(bad, FileResult(Path("a.mp4"), "ok", "", 8.0, 25.0, PEOPLE), faceless)
    assert "a.mp4" in lines[0]
    assert lines[-3:] == [
        f"failed {long}: cannot be read as video or audio",
        "failed b.mp4: no face was found",
        "1 of 3 files done, 2 failed",
    ]
    assert printed(faceless) == ["failed b.mp4: no face was found"]


def test_every_label_has_a_colour_of_its_own() -> None:
    others = tuple(f"class {i}" for i in range(6))
    info = ToyEngine.info.model_copy(update={"labels": (*CREMA_D_LABELS, *others)})
    assert len({label_colour(label, info) for label in info.labels}) == len(info.labels)


def test_only_a_model_of_drawn_people_carries_the_notice() -> None:
    assert weight_notice("toy", ToyEngine.info) is None
    drawn = ToyEngine.info.model_copy(update={"dataset": "puppets"})
    notice = weight_notice("toy", drawn)
    assert notice is not None and notice.startswith("toy ") and "cannot judge real people" in notice


def test_the_notice_says_what_the_metadata_say_and_no_more() -> None:
    facts = {
        "trained_on": "photos",
        "held_out": (HeldOutScore(what="smiles", metric="accuracy", value=0.9, chance=0.5, n=40),),
        "cannot_judge": "any single\nperson",
    }
    assert weight_notice("toy", ToyEngine.info.model_copy(update=facts)) == (
        "toy was trained on photos. On people it had not seen: smiles: accuracy 0.90 (chance 0.50, 40 clips). "
        "It cannot judge any single\\nperson."
    )
    some = ToyEngine.info.model_copy(update={"cannot_judge": "anybody"})
    assert weight_notice("toy", some) == "toy cannot judge anybody."
    drawn = ToyEngine.info.model_copy(update={"dataset": "puppets", **facts})
    assert weight_notice("toy", drawn) == weight_notice("toy", ToyEngine.info.model_copy(update=facts))


def test_the_licence_line_says_what_and_from_what() -> None:
    line = licence_line("toy", ToyEngine.info)
    assert all(word in line for word in ("toy", "nano", "trained on toys", "licence MIT"))


def test_labels_cannot_steer_the_terminal() -> None:
    """They are refused when a weight is read; these were made in Python."""
    evil = ("\x1b]0;title\a", "\x1b[31mred", "a\nb")
    info = ToyEngine.info.model_copy(update={"labels": evil})
    windows = [Window(2.0 * i, 2.0 * i + 2, Scores.of(evil, np.roll((0.6, 0.3, 0.1), i)), 1.0, "av") for i in range(3)]
    file = FileResult(Path("a.mp4"), "ok", "a note \x1b[31m", 6.0, 25.0, (track(1, *windows),))
    console = Console(width=120, file=io.StringIO())
    console.print(render_file(file, info, 120))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(line.isprintable() for line in text.split("\n"))
    assert all(shown in text for shown in ("\\x1b]0;title\\x07", "\\x1b[31mred", "a\\nb"))


def test_the_timeline_can_be_read_without_colours() -> None:
    """Each run of a label starts with its letter, and the legend explains the letters."""
    lines = shown(120, *PEOPLE)
    row = rows(lines, "person 1")[1][10:]
    letters = [cell for cell in row if cell.isalpha()]
    assert letters == ["H", "A", "N"]
    # The label changes at 4 and 6 of 8 s; the first letter is at the start.
    assert [row.index(letter) / len(row) * 8 for letter in letters] == pytest.approx([0, 4, 6], abs=0.1)
    gap = track(1, window(0, 2, SURE), window(6, 8, SURE))
    assert [cell for cell in rows(shown(120, gap), "person 1")[1][10:] if cell.isalpha()] == ["H", "H"]


def test_letters_are_distinct_and_from_the_name_if_possible() -> None:
    letters = assign_letters(CREMA_D_LABELS)
    assert set(letters.values()) == set("ADFHNS")
    assert assign_letters(["sadness", "surprise", "ss"]) == {"sadness": "S", "surprise": "U", "ss": "A"}
    many = assign_letters([f"类{number}" for number in range(50)])
    assert len(set(many.values()) - {"?"}) == 36


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_regression_shows_its_values_over_time(width: int) -> None:
    (file,) = regression().files
    lines = drawn(width, file, TOY_REGRESSION.info)
    text = "\n".join(lines)
    assert "5.38" in text and "100%" in text
    assert ("-1.50 to 12.25  " in text) is (width >= 80)
    rising, level = rows(lines, "person 1 ")[-2:]
    bars = rising.removeprefix("person 1 arousal").strip()
    assert set(bars[: len(bars) // 2 - 1]) == {"▁"} and set(bars[len(bars) // 2 + 1 :]) == {"█"}
    assert len(set(level.removeprefix("person 1 valence").strip())) == 1
    assert lines[-3:-1] == ["arousal: ▁ -1.50 to █ 12.25", "valence: ▁ 0.25 to █ 0.25"]
    assert "…" not in text


def test_a_set_shows_each_of_its_labels_and_all_probabilities_over_time() -> None:
    file, info = blends().files[0], blends().model.info
    lines = drawn(100, file, info)
    first, second = rows(lines, "person 1 "), [line for line in lines if "56%" in line]
    assert "fear" in first[0] and "88%" in first[0] and "sadness 12%" in first[0]
    assert len(second) == 1 and "anger" in second[0] and "next" not in second[0]
    bars = {row.split()[2]: row.split()[3] for row in first[1:]}
    assert (bars["fear"][0], bars["fear"][-1]) == ("█", "▆")
    assert (bars["sadness"][0], bars["sadness"][-1]) == ("▃", "▁")
    assert sum("0.00 to █ 1.00" in line for line in lines) == 1


def test_the_licence_line_names_the_targets_of_a_regression() -> None:
    assert "arousal, valence" in licence_line("toy", TOY_REGRESSION.info)
