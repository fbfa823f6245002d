from __future__ import annotations

from pathlib import Path

from tests.report.readers import write
from tests.report.toys import labelled, prediction, regression


def test_a_cue_names_the_person_the_label_and_its_probability(tmp_path: Path) -> None:
    made = prediction(
        labelled((0, 1500, "anger"), (1500, 2000, "neutral"), name="A <b>"),
        labelled((3_599_999, 400_000_001, "anger"), number=2),
    )
    assert write(made, tmp_path, "srt").read_text("utf-8").split("\n\n") == [
        "1\n00:00:00,000 --> 00:00:01,500\nA ＜b＞: anger 80%",  # noqa: RUF001
        "2\n00:00:01,500 --> 00:00:02,000\nA ＜b＞: neutral 80%",  # noqa: RUF001
        "3\n00:59:59,999 --> 111:06:40,001\nperson 2: anger 80%\n",
    ]
    assert write(made, tmp_path, "vtt").read_text("utf-8").split("\n\n")[:2] == [
        "WEBVTT",
        "00:00:00.000 --> 00:00:01.500\nA &lt;b&gt;: anger 80%",
    ]


def test_values_have_no_probability(tmp_path: Path) -> None:
    assert "person 1: arousal -1.50, valence 0.25\n" in write(regression(), tmp_path, "srt").read_text("utf-8")
