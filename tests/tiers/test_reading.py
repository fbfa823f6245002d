"""Annotation files of other programs: what somebody else's library writes is read, and what is hostile is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid
from pympi import Elan

from hicmae_cli.errors import ManifestError
from hicmae_cli.tiers.interval import MAX_BYTES, AnnotationFile, Interval, name_of
from hicmae_cli.tiers.reading import read_annotations

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/lab/tal%20k.mp4" RELATIVE_MEDIA_URL="../../etc/tal%20k.mp4" {origin}/>
</HEADER>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/>
<TIME_SLOT TIME_SLOT_ID="ts3"/>
</TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="t" TIER_ID="person 1" PARTICIPANT="anna">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>I said &lt;no&gt;
</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>unaligned</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER LINGUISTIC_TYPE_REF="t" TIER_ID="emotion" PARENT_REF="person 1">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>anger</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a3">
<ANNOTATION_VALUE>fear</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a5">
<ANNOTATION_VALUE>of itself</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER>
</ANNOTATION_DOCUMENT>
"""
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).map(
    lambda text: " ".join(text.split()) or "x"
)
SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 400), TEXTS), min_size=1, max_size=6)


def put(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def intervals(spans: list[tuple[int, int, str]], tier: str) -> list[Interval]:
    """Gaps, lengths and texts as intervals one after the other, in tens of milliseconds."""
    at, made = 0, []
    for gap, length, text in spans:
        made.append(Interval((at + gap) / 100, (at + gap + length) / 100, text, tier))
        at += gap + length
    return made


def assert_same(found: AnnotationFile, expected: list[Interval]) -> None:
    assert [(i.text, i.tier) for i in found.intervals] == [(i.text, i.tier) for i in expected]
    for one, other in zip(found.intervals, expected, strict=True):
        assert (one.start_s, one.end_s) == pytest.approx((other.start_s, other.end_s), abs=5e-4)


@settings(deadline=None, max_examples=15)
@given(SPANS)
def test_elan_files_of_pympi(tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int, str]]) -> None:
    path = tmp_path_factory.mktemp("e") / "a.eaf"
    document = Elan.Eaf()
    document.add_linked_file("file:///home/lab/a.mp4", relpath="./a.mp4")
    document.add_tier("person 1")
    document.remove_tier("default")
    expected = intervals(spans, "person 1")
    for each in expected:
        document.add_annotation("person 1", round(each.start_s * 1000), round(each.end_s * 1000), each.text)
    document.to_file(str(path))
    found = read_annotations(path)
    assert_same(found, expected)
    assert found.media == ("a.mp4",)


@settings(deadline=None, max_examples=15)
@given(SPANS, st.sampled_from(["short_textgrid", "long_textgrid"]))
def test_textgrids_of_praatio(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int, str]], form: str
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.TextGrid"
    expected = intervals(spans, 'the "first" tier')
    tier = textgrid.IntervalTier(expected[0].tier, [(i.start_s, i.end_s, i.text) for i in expected])
    points = textgrid.PointTier("clicks", [(0.5, "click")], 0, tier.maxTimestamp)
    grid = textgrid.Textgrid()
    grid.addTier(tier)
    grid.addTier(points)
    grid.save(str(path), format=form, includeBlankSpaces=True)
    found = read_annotations(path)
    assert_same(found, [*expected, Interval(0.5, 0.5, "click", "clicks")])


def test_elan_by_hand(tmp_path: Path) -> None:
    """References have the times of what they refer to; links keep their file name only."""
    found = read_annotations(put(tmp_path / "a.eaf", EAF.format(origin="")))
    assert found.intervals == (
        Interval(1.0, 2.5, "I said <no>", "person 1", "anna"),
        Interval(1.0, 2.5, "anger", "emotion", "", "person 1"),
    )
    assert (found.media, found.untimed) == (("tal k.mp4",), 3)
    late = read_annotations(put(tmp_path / "b.eaf", EAF.format(origin='TIME_ORIGIN="250"')))
    assert late.intervals[0].start_s == 1.25


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_praat(tmp_path: Path, encoding: str) -> None:
    rows = [
        '"ooTextFile"',
        '"TextGrid"',
        "0 1 <exists> 1",
        '"IntervalTier" "é ""x""" 0 1 1',
        '0 1 "ärger"',
        "! the end",
    ]
    (tmp_path / "a.TextGrid").write_bytes("\n".join(rows).encode(encoding))
    assert read_annotations(tmp_path / "a.TextGrid").intervals == (Interval(0, 1, "ärger", 'é "x"'),)


def test_boris_in_its_three_forms(tmp_path: Path) -> None:
    tabular = ["Observation id\tx", "", "Time\tMedia file path\tSubject\tBehavior\tStatus",
               "1.5\t/lab/a.mp4\tanna\tanger\tSTART", "2\t/lab/a.mp4\tben\tanger\tSTART",
               "4.25\t/lab/a.mp4\tanna\tanger\tSTOP", "5\t/lab/a.mp4\tNo focal subject\tclap\tPOINT"]  # fmt: skip
    aggregated = ["Subject\tBehavior\tBehavior type\tStart (s)\tStop (s)\tMedia file name",
                  "anna\tanger\tSTATE\t1.5\t4.25\ta.mp4", "anna\tfear\tSTATE\tNA\tNA\ta.mp4"]  # fmt: skip
    pasted = ["1.5\tanna\tanger\t\tprobability 0.80\tNA", "0:00:04.250\tanna\tanger\t\t\tNA", "5\tanna\tfear"]
    anna = Interval(1.5, 4.25, "anger", "anna", "anna")
    found = read_annotations(put(tmp_path / "a.tsv", "\n".join(tabular)))
    assert found == AnnotationFile((anna, Interval(5, 5, "clap", "No focal subject")), ("a.mp4",), 1)
    assert read_annotations(put(tmp_path / "b.tsv", "\n".join(aggregated))) == AnnotationFile((anna,), ("a.mp4",), 1)
    assert read_annotations(put(tmp_path / "c.tsv", "\n".join(pasted))) == AnnotationFile((anna,), (), 1)
    with pytest.raises(ManifestError, match="events of several media"):
        read_annotations(put(tmp_path / "d.tsv", "\n".join([*tabular, "6\tb.mp4\tanna\tfear\tSTART"])))


def eaf(old: str, new: str) -> str:
    """The document with one piece changed."""
    return EAF.format(origin="").replace(old, new, 1)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
FETCH = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.eaf", eaf("<ANNOTATION_DOCUMENT", f"{BOMB}<ANNOTATION_DOCUMENT"), "line 2: has a document type"),
        ("a.eaf", eaf("<ANNOTATION_DOCUMENT", f"{FETCH}<ANNOTATION_DOCUMENT"), "line 2: has a document type"),
        ("a.eaf", eaf("</HEADER>", ""), "is not well-formed XML (mismatched tag)"),
        ("a.eaf", eaf('"1000"', '"1_000"'), "line 7: expected a time in milliseconds"),
        ("a.eaf", eaf('"1000"', f'"{"9" * 5000}"'), "line 7: expected a time in milliseconds"),
        ("a.eaf", eaf("milliseconds", "PAL-frames"), "line 3: counts time in 'PAL-frames'"),
        ("a.eaf", eaf('"a3"', '"a1"'), "an id of its own, got 'a1'"),
        ("a.eaf", "<html/>", "is no .eaf file: its root is 'html'"),
        ("a.eaf", "", "is not well-formed XML (no element found)"),
        ("a.TextGrid", '"ooTextFile" "Sound"', "expected a TextGrid in text form, got 'ooTextFile' of 'Sound'"),
        ("a.TextGrid", '"ooTextFile"\n"TextGrid\n0 1', "line 2: a text in quotes does not end"),
        ("a.TextGrid", '"ooTextFile" "TextGrid" 0 1 <exists> 1e9', "expected a count, got '1e9'"),
        ("a.TextGrid", '"ooTextFile" "TextGrid" 0 1 <exists> 99999999', "ends where a text was expected"),
        ("a.TextGrid", "", "ends where a text was expected"),
        ("a.tsv", "", "is empty"),
        ("a.tsv", "1.5\tanna", "line 1: expected time, subject and behaviour"),
        ("a.tsv", "soon\tanna\tanger", "line 1: expected a time in seconds or as 0:00:00.000, got 'soon'"),
        ("a.tsv", "1e5\tanna\tanger", "line 1: expected a time in seconds"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str, text: str, fault: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_annotations(put(tmp_path / name, text))
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


def test_sizes_and_kinds_are_bounded(tmp_path: Path) -> None:
    with (tmp_path / "a.eaf").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ManifestError, match="is larger than 64 MiB"):
        read_annotations(tmp_path / "a.eaf")
    (tmp_path / "b.eaf").mkdir()
    with pytest.raises(ManifestError, match="is no regular file"):
        read_annotations(tmp_path / "b.eaf")
    (tmp_path / "c.TextGrid").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="is not UTF-8 or UTF-16 text"):
        read_annotations(tmp_path / "c.TextGrid")
    assert [name_of(link) for link in ("a.mp4", "../b.mp4", "file:///C:/x/c.mp4", r"C:\x\d.mp4", "x/..", "..")] == [
        "a.mp4", "b.mp4", "c.mp4", "d.mp4", "..", ".."
    ]  # fmt: skip


PIECES = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b"<",
    b">",
    b"&",
    b"\t",
    b"9" * 400,
    b"nan",
    b"-",
    b"&#1;",
    b"<!DOCTYPE x>",
    b"",
)


@pytest.mark.parametrize("suffix", [".eaf", ".TextGrid", ".tsv"])
def test_a_changed_file_is_read_or_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    whole = {
        ".eaf": EAF.format(origin=""),
        ".TextGrid": '"ooTextFile" "TextGrid" 0 9 <exists> 1 "IntervalTier" "person 1" 0 9 2 0 4 "anger" 4 9 "fear"',
        ".tsv": "Time\tSubject\tBehavior\tStatus\n1\tanna\tanger\tSTART\n2\tanna\tanger\tSTOP\n",
    }[suffix].encode()
    rng = random.Random(suffix)
    path, refused = tmp_path / f"a{suffix}", 0
    for _ in range(300):
        start = rng.randrange(len(whole) + 1)
        end = min(len(whole), start + rng.choice((0, 1, 2, 8)))
        path.write_bytes(whole[:start] + rng.choice(PIECES) * rng.choice((1, 1, 3)) + whole[end:])
        try:
            read_annotations(path)
        except ManifestError as error:
            refused += 1
            assert str(error).isprintable()
    assert 50 < refused < 300
