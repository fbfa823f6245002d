from __future__ import annotations

import re
from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample, describe_fault, read_manifest
from hicmae_cli.corpora.values import format_target, name_class
from hicmae_cli.errors import ManifestError
from tests import reference

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


def write(folder: Path, text: str) -> Path:
    for name in ("a", "b"):
        (folder / name).mkdir(exist_ok=True)
        (folder / f"{name}.wav").touch()
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_the_authors_lines_as_they_are() -> None:
    samples = read_manifest(reference.FOLDER / "dataset" / "test.csv", LABELS)
    assert [s.id for s in samples] == [f"clip_0{i}" for i in range(5)]
    assert [s.label for s in samples] == list(LABELS[:5])
    assert all(s.video is not None and s.video.is_dir() for s in samples)


def test_our_header_with_more_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "id,video,audio,label,fold,split,speaker,session\n1,a,a.wav,ANG,2,train,me,x\n2,,b.wav,happy,,test,you,y\n",
    )
    first, second = read_manifest(path)
    assert read_manifest(str(path)) == [first, second]
    assert (first.label, first.fold, first.split, first.speaker) == ("anger", "2", "train", "me")
    assert first.extra == {"session": "x"}
    assert first.video == tmp_path / "a"
    assert second.video is None
    assert second.label == "happiness"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no clips"),
        ("a a.wav\n", "line 1"),
        ("a a.wav 9\n", "6 labels"),
        ("id,video,audio\n1,a,a.wav\n", "label"),
        ("id,video,audio,label\n1,a\n", "line 2"),
        ("id,video,audio,label\n1,,,anger\n", "neither"),
        ("id,video,audio,label\n1,a,c.wav,anger\n", "c.wav"),
        ("id,video,audio,label\n1,a,a.wav,anger\n1,b,b.wav,fear\n", "line 3: the id '1' is also that of line 2"),
        ("id,video,audio,label\n1,a,a.wav,anger\n2,b,b.wav,9\n", "line 3: the label is the number 9"),
        ("id,video,audio,label\n1,a,a.wav,anger,more\n", "line 2: expected 4 fields, got more"),
        ("id,video,audio,label\n1,../a,a.wav,anger\n", "line 2: ../a leads out of"),
        ("id,video,audio,label\n1,a/../../a,a.wav,anger\n", "line 2: a/../../a leads out of"),
        ("a a.wav 0\nb ../b.wav 0\n", "line 2: ../b.wav leads out of"),
        ("id,video,audio,label\n1,a\0,a.wav,anger\n", "line 2: 'a\\x00' is not a path"),
        ("a a.wav 0.5 nan 1\n", "line 1"),
        ("id,video,audio,label\n1,a,a.wav,anger\n" + "x" * 200_000 + ",a,a.wav,fear\n", "line 3: is not a line of a"),
    ],
)
def test_malformed_lists_say_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ManifestError, match=r"list\.csv") as caught:
        read_manifest(write(tmp_path, text), LABELS)
    assert said in str(caught.value)


def test_numbers_need_names(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no label names"):
        read_manifest(write(tmp_path, "a a.wav 0\n"))


def test_the_authors_lines_need_no_different_folder_names(tmp_path: Path) -> None:
    for name in ("x/face", "y/face"):
        (tmp_path / name).mkdir(parents=True)
    lines = "x/face a.wav 0\ny/face b.wav 1\n"
    samples = read_manifest(write(tmp_path, lines), LABELS)
    assert [s.id for s in samples] == [str(tmp_path / "x/face"), str(tmp_path / "y/face")]
    again = read_manifest(write(tmp_path, lines + lines), LABELS)
    assert len({s.id for s in again}) == 4


@pytest.mark.parametrize(
    "text", ["id,video,audio\n1,a,a.wav\n", "id,video,audio,label\n1,a,a.wav,\n", "id,video,audio,label\n1,a,a.wav,7\n"]
)
def test_labels_can_be_left_out(tmp_path: Path, text: str) -> None:
    (sample,) = read_manifest(write(tmp_path, text), labelled=False)
    assert (sample.id, sample.video, sample.audio) == ("1", tmp_path / "a", tmp_path / "a.wav")


def test_files_need_not_be_there_when_nobody_asks(tmp_path: Path) -> None:
    path = write(tmp_path, "id,video,audio,label\n1,gone,gone.wav,fear\n")
    with pytest.raises(ManifestError, match="2 files are missing"):
        read_manifest(path)
    assert read_manifest(path, existing=False)[0].label == "fear"


def test_an_unknown_label_is_named_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "id,video,audio,label\n1,a,a.wav,ANG\n2,b,b.wav,bored\n")
    assert [s.label for s in read_manifest(path, LABELS)] == ["anger", "bored"]
    with pytest.raises(ManifestError, match=r"line 3: the label 'bored' is not one of anger, "):
        read_manifest(path, LABELS, strict=True)


TARGETS = ("arousal", "valence", "dominance")


@pytest.mark.parametrize("text", ["a a.wav 0.5 -1.25 2\n", "id,video,audio,label\n1,a,a.wav,0.50  -1.25 2\n"])
def test_numbers_of_a_regression(tmp_path: Path, text: str) -> None:
    (sample,) = read_manifest(write(tmp_path, text), TARGETS, task="regression")
    assert sample.target == (0.5, -1.25, 2.0)
    with pytest.raises(TypeError, match="expected a class"):
        _ = sample.label


@pytest.mark.parametrize("label", ["1 2", "1 2 3 4", "1 2 x", "1 2 inf", ""])
def test_wrong_numbers_of_a_regression(tmp_path: Path, label: str) -> None:
    path = write(tmp_path, f"id,video,audio,label\n1,a,a.wav,{label}\n")
    with pytest.raises(ManifestError, match=r"line 2: expected 3 numbers \(arousal, valence, dominance\)"):
        read_manifest(path, TARGETS, task="regression")


def test_one_target_that_is_a_whole_number_is_no_class(tmp_path: Path) -> None:
    (sample,) = read_manifest(write(tmp_path, "a a.wav 0\n"), ("arousal",), task="regression")
    assert sample.target == (0.0,)


def test_sets_of_labels_round_trip(tmp_path: Path) -> None:
    sets = [frozenset({"anger"}), frozenset({"fear", "anger"}), frozenset({"sadness", "fear", "neutral"})]
    lines = [f"{index},a,a.wav,{format_target(target)}" for index, target in enumerate(sets)]
    path = write(tmp_path, "\n".join(["id,video,audio,label", *lines]))
    found = read_manifest(path, LABELS, task="multilabel", strict=True)
    assert [sample.target for sample in found] == [sample.labels for sample in found] == sets
    assert [name_class(sample.target) for sample in found] == ["anger", "anger+fear", "fear+neutral+sadness"]
    with pytest.raises(TypeError, match="clip 0: expected a class"):
        _ = found[0].label


def test_codes_and_numbers_in_a_set(tmp_path: Path) -> None:
    path = write(tmp_path, "id,video,audio,label\n1,a,a.wav,q+SAD\n2,a,a.wav,0 + hap\n")
    found = read_manifest(path, LABELS, codes=CODES, task="multilabel")
    assert [sample.labels for sample in found] == [{"fear", "sadness"}, {LABELS[0], "happiness"}]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "different labels joined by"),
        ("anger+", "different labels joined by"),
        ("anger+ANG", "different labels joined by"),
        ("anger+bored", "the label 'bored' is not one of anger, "),
        ("anger+99", "the label is the number 99, but there are 6 labels"),
    ],
)
def test_what_is_no_set_of_labels(label: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"id,video,audio,label\n1,a,a.wav,{label}\n")
    with pytest.raises(ManifestError, match=re.escape("line 2: ") + f".*{re.escape(said)}"):
        read_manifest(path, LABELS, task="multilabel", strict=True)


def test_a_whole_path_may_lead_anywhere(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(inner, f"id,video,audio,label\n1,{tmp_path / 'x'},inner/../a.wav,fear\n")
    (sample,) = read_manifest(path, existing=False)
    assert sample.video == tmp_path / "x"


CODES = {"03": "happiness", "1": "anger", "Q": "fear"}


def test_a_datasets_own_codes(tmp_path: Path) -> None:
    path = write(tmp_path, "id,video,audio,label\n1,a,a.wav,q\n2,b,b.wav,03\n3,a,b.wav,SAD\n")
    assert [s.label for s in read_manifest(path, LABELS, codes=CODES)] == ["fear", "happiness", "sadness"]
    lines = write(tmp_path, "a a.wav 3\nb b.wav 1\n")  # the authors' numbers are no codes
    assert [s.label for s in read_manifest(lines, LABELS, codes=CODES)] == ["happiness", "disgust"]
    unclear = write(tmp_path, "id,video,audio,label\n1,a,a.wav,1\n")
    with pytest.raises(
        ManifestError, match="line 2: the label 1 is the dataset's code for anger and also the number of"
    ):
        read_manifest(unclear, LABELS, codes=CODES)


@pytest.mark.parametrize("fold", ["all", "../x", "a b", ".", "x/y"])
def test_a_fold_names_a_folder(tmp_path: Path, fold: str) -> None:
    path = write(tmp_path, f"id,video,audio,label,fold\n1,a,a.wav,fear,{fold}\n")
    with pytest.raises(ManifestError, match=r"line 2: the fold .* names a folder of its run"):
        read_manifest(path)


def test_labels_nobody_means(tmp_path: Path) -> None:
    path = write(tmp_path, f"id,video,audio,label\n1,a,a.wav,{'9' * 5000}\n")
    with pytest.raises(ManifestError, match="line 2: the label"):
        read_manifest(path, LABELS, strict=True)
    path = write(tmp_path, "id,video,audio,label\n1,a,a.wav,1e200 0 0\n")
    with pytest.raises(ManifestError, match="line 2: expected 3 numbers"):
        read_manifest(path, TARGETS, task="regression")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a.wav: no sound", "a.wav: no sound"),
        ("frames and sound do not match\nat all", "a.mkv, a.wav: frames and sound do not match"),
    ],
)
def test_what_is_wrong_with_a_clip_names_a_file(said: str, told: str) -> None:
    assert describe_fault(Sample("1", Path("a.mkv"), Path("a.wav"), "fear"), ValueError(said)) == told
    assert describe_fault(Sample("1", None, Path("b.wav"), "fear"), ValueError("odd")) == "b.wav: odd"


@pytest.mark.parametrize(
    ("line", "text"), [(1, "id,video,audio,label,{}\n"), (2, "id,video,audio,label\n1,{},b,anger\n")]
)
def test_a_line_that_the_csv_reader_refuses_is_named(tmp_path: Path, line: int, text: str) -> None:
    """Python's reader takes fields of 128 KiB at most; up to Python 3.10 it also refuses a NUL."""
    path = tmp_path / "clips.csv"
    path.write_text(text.format("x" * 200_000))
    with pytest.raises(ManifestError, match=rf"clips\.csv, line {line}: is not a line of a CSV file"):
        read_manifest(path)
