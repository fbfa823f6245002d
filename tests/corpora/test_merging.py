"""Lists of clips as one: unique names, columns that stay, and people who are in one part only."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.corpora.merging import MergedList, merge_manifests
from hicmae_cli.errors import ManifestError, SettingsError

LABELS = ("anger", "fear", "contempt")


def make_list(folder: Path, rows: list[str], header: str = "id,video,audio,label,fold,split,speaker,source") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jpg").touch()
    (folder / "a.wav").touch()
    (folder / "list.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "list.csv"


def photos(folder: Path, people: int = 30) -> Path:
    """Three pictures of each person, one of each label, with folds and no split."""
    return make_list(
        folder,
        [
            f"{person}-{label},a.jpg,,{label},{person % 5},,p{person},{'film' if person % 2 else 'press'}"
            for person in range(people)
            for label in LABELS
        ],
    )


def parts(samples: tuple[Sample, ...]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.split, set()).add(sample.speaker)
    return found


def test_names_are_unique_and_columns_stay(tmp_path: Path) -> None:
    header = "id,video,audio,label,fold,split,speaker,teacher_fear,recording"
    voices = make_list(tmp_path / "b", ["1,,a.wav,fear,3,val,p1,0.25,r1", "2,,a.wav,anger,3,test,,,"], header)
    faces = make_list(tmp_path / "mix" / "a", ["1,a.jpg,a.wav,fear,,train,p1,film"])
    output = tmp_path / "mix" / "all.csv"
    merged = merge_manifests({"faces": faces, "voices": voices}, output)
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["faces/1", "voices/1", "voices/2"]
    # Relative inside the folder of the list, so that it can move; else absolute.
    assert [(row["video"], row["audio"]) for row in rows] == [
        ("a/a.jpg", "a/a.wav"),
        ("", str(tmp_path / "b" / "a.wav")),
        ("", str(tmp_path / "b" / "a.wav")),
    ]
    assert [(row["source"], row["subset"], row["speaker"], row["split"], row["fold"]) for row in rows] == [
        ("faces", "film", "faces/p1", "train", ""),
        ("voices", "", "voices/p1", "validation", ""),
        ("voices", "", "", "test", ""),
    ]
    assert [(row["teacher_fear"], row["recording"]) for row in rows] == [("", ""), ("0.25", "voices/r1"), ("", "")]
    again = read_manifest(output)
    assert tuple(again) == merged.samples
    assert again[1].extra == {"source": "voices", "subset": "", "teacher_fear": "0.25", "recording": "voices/r1"}
    # A merged list can be merged once more.
    twice = merge_manifests({"all": output}, tmp_path / "mix" / "twice.csv")
    assert (twice.samples[0].id, twice.samples[0].extra["subset"]) == ("all/faces/1", "faces/film")


def test_people_are_drawn_by_share_and_in_one_part(tmp_path: Path) -> None:
    source = photos(tmp_path / "in")
    merged = merge_manifests({"x": source}, tmp_path / "x.csv")
    found = parts(merged.samples)
    assert not found["train"] & found["test"] and not found["train"] & found["validation"]
    assert {name: len(people) for name, people in found.items()} == {"train": 21, "validation": 3, "test": 6}
    assert parts(merge_manifests({"x": source}, tmp_path / "x.csv").samples) == found
    assert parts(merge_manifests({"x": source}, tmp_path / "y.csv", split_seed=1).samples) != found
    # Who is drawn does not depend on what is left out, nor on the other lists.
    fewer = merge_manifests(
        {"y": photos(tmp_path / "y", 8), "x": source}, tmp_path / "z.csv", labels=["anger"], drop=["y/film"]
    )
    splits = {sample.id: sample.split for sample in merged.samples}
    assert all(sample.split == splits[sample.id] for sample in fewer.samples if sample.extra["source"] == "x")
    whole = merge_manifests({"x": source}, tmp_path / "w.csv", test_share=0, validation_share=0)
    assert set(parts(whole.samples)) == {"train"} and whole.undrawn == ()


def test_few_people_still_test_and_validate(tmp_path: Path) -> None:
    """Eight speakers with a large share each, as in EmoDB: somebody tests, somebody else validates, most train."""
    found = parts(merge_manifests({"x": photos(tmp_path / "in", 8)}, tmp_path / "x.csv", test_share=0.1).samples)
    assert {name: len(people) for name, people in found.items()} == {"train": 6, "validation": 1, "test": 1}
    two = merge_manifests({"x": photos(tmp_path / "two", 2)}, tmp_path / "two.csv")
    assert set(parts(two.samples)) == {"train"}
    assert two.undrawn == ("x",) and "x has fewer than 3 people" in str(two)


def test_a_given_split_is_kept_and_completed(tmp_path: Path) -> None:
    rows = [f"{n},a.jpg,,fear,,{'test' if n < 5 else ''},p{n % 10}," for n in range(60)]
    samples = merge_manifests({"x": make_list(tmp_path / "in", rows)}, tmp_path / "x.csv").samples
    by_person = {sample.speaker: set[str]() for sample in samples}
    for sample in samples:
        by_person[sample.speaker].add(sample.split)
    assert all(by_person[f"x/p{n}"] == {"test"} for n in range(5))
    assert all(len(found) == 1 for found in by_person.values())


def test_clips_of_one_recording_stay_together(tmp_path: Path) -> None:
    header = "id,video,audio,label,fold,split,speaker,recording"
    rows = [f"{n}-p{who},a.jpg,,fear,,,{'' if n % 2 else f'{n}-p{who}'},{n}" for n in range(40) for who in (1, 2)]
    samples = merge_manifests({"x": make_list(tmp_path / "in", rows, header)}, tmp_path / "x.csv").samples
    assert len({(sample.extra["recording"], sample.split) for sample in samples}) == 40
    assert Counter(sample.split for sample in samples) == {"train": 56, "test": 16, "validation": 8}


def test_labels_and_subsets_are_left_out_and_counted(tmp_path: Path) -> None:
    lists = {"x": photos(tmp_path / "x", 4), "y": photos(tmp_path / "y", 4)}
    merged = merge_manifests(lists, tmp_path / "out.csv", labels=["ang", "fear"], drop=["x/film:fearful", "y:anger"])
    assert merged.skipped == {"x": {"contempt": 4, "fear": 2}, "y": {"contempt": 4, "anger": 4}}
    kept = Counter((sample.extra["source"], sample.label) for sample in merged.samples)
    assert kept == {("x", "anger"): 4, ("x", "fear"): 2, ("y", "fear"): 4}
    assert sum(found.total() for found in merged.count().values()) == len(merged.samples) == 10
    assert "skipped 6 clips of x: 4 of contempt, 2 of fear" in str(merged)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": ["angre"]}, "labels='angre': no clip is labelled angre"),
        ({"drop": ["z:fear"]}, "drop='z:fear': expected NAME:LABEL.* one of the names x"),
        ({"drop": ["x:mirth"]}, "drop='x:mirth': there are no such clips"),
        ({"drop": [":fear"]}, "drop=':fear': expected NAME:LABEL"),
        ({"test_share": 0.5}, "test_share=0.5: expected at least 0 and less than 0.5"),
        ({"output": "x/list.csv"}, "is one of the lists; choose another file"),
        ({"sources": {"a/b": "x/list.csv"}}, "a/b: cannot name a list"),
        ({"sources": {}}, "got no lists"),
    ],
)
def test_what_cannot_be_merged(
    given: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = photos(Path("x"), 3)
    with pytest.raises(SettingsError, match=said):
        merge_manifests(**{"sources": {"x": source}, "output": "out.csv", **given})  # type: ignore[arg-type]
    assert not Path("out.csv").exists()


def test_lists_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.csv: cannot read the manifest"):
        merge_manifests({"x": tmp_path / "none.csv"}, tmp_path / "out.csv")
    odd = make_list(tmp_path / "odd", ["1,a.jpg,,fear,,tset,,"])
    with pytest.raises(ManifestError, match="clip x/1: its split is 'tset'"):
        merge_manifests({"x": odd}, tmp_path / "out.csv")
    with pytest.raises(ManifestError, match="no clips are left to list"):
        merge_manifests({"x": photos(tmp_path / "x", 3)}, tmp_path / "out.csv", drop=["x"])


def test_the_table_names_every_part(tmp_path: Path) -> None:
    merged: MergedList = merge_manifests({"x": photos(tmp_path / "x")}, tmp_path / "out.csv")
    assert merged.list_rows() == [
        ["source", "split", "clips", "anger", "contempt", "fear"],
        ["x", "train", "63", "21", "21", "21"],
        ["x", "validation", "9", "3", "3", "3"],
        ["x", "test", "18", "6", "6", "6"],
    ]
