from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from pympi.Elan import Eaf

from hicmae_cli.runtime.results import FileResult
from tests.report.readers import files_in, write
from tests.report.toys import blends, hostile, labelled, prediction, regression
from tests.runtime.stubs import LABELS, track


def test_the_labels_are_a_vocabulary_that_the_tiers_use(tmp_path: Path) -> None:
    path = write(prediction(labelled((0, 1000, "neutral"))), tmp_path, "elan")
    document = Eaf(str(path))
    (vocabulary,) = document.get_controlled_vocabulary_names()
    entries = {entry: values[0][0] for entry, (values, _) in document.get_cv_entries(vocabulary).items()}
    assert list(entries.values()) == list(LABELS)
    (type_name,) = document.get_linguistic_type_names()
    assert document.get_parameters_for_linguistic_type(type_name)["CONTROLLED_VOCABULARY_REF"] == vocabulary
    assert document.get_parameters_for_tier("person 1")["LINGUISTIC_TYPE_REF"] == type_name
    (annotation,) = ElementTree.parse(path).getroot().iter("ALIGNABLE_ANNOTATION")
    assert entries[annotation.attrib["CVE_REF"]] == "neutral"


def test_the_vocabulary_has_the_sets_too_and_a_regression_has_none(tmp_path: Path) -> None:
    document = Eaf(str(write(blends(), tmp_path, "elan")))
    values = [values[0][0] for values, _ in document.get_cv_entries("labels").values()]
    assert values == ["anger", "fear", "sadness", "anger+fear"]
    assert not Eaf(str(write(regression(), tmp_path, "elan"))).get_controlled_vocabulary_names()


def test_the_media_are_linked_from_where_the_document_is(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    made = prediction(track(1), path=str(tmp_path / "clips" / "a & b.wav"))
    for folder, link in ((tmp_path / "results", "../clips/a & b.wav"), (tmp_path / "clips", "./a & b.wav")):
        (media,) = Eaf(str(write(made, folder, "elan"))).get_linked_files()
        assert (media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == (link, "audio/x-wav")
        assert str(tmp_path) not in media["MEDIA_URL"]  # the document goes to other people


def test_times_are_in_order_and_ids_are_distinct(tmp_path: Path) -> None:
    root = ElementTree.parse(write(hostile(), tmp_path, "elan")).getroot()
    times = [int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")]
    assert times == sorted(set(times))
    ids = [each.attrib["ANNOTATION_ID"] for each in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(ids) == 13
    tags = [child.tag for child in root]
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONTROLLED_VOCABULARY"]
    assert list(dict.fromkeys(tags)) == order  # of the schema


def test_a_file_that_is_there_is_replaced_and_nothing_is_left(tmp_path: Path) -> None:
    made = prediction(track(1))
    other = replace(made, files=(FileResult(Path("a.mp4"), "ok", tracks=(track(7),)),))
    first = write(made, tmp_path, "elan")
    assert write(other, tmp_path, "elan") == first
    assert files_in(tmp_path) == [first] and list(Eaf(str(first)).get_tier_names()) == ["person 7"]
