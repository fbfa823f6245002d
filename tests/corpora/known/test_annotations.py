"""Annotations beside media: which person a tier means, what is skipped and listed, and what leaves no folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.corpora.known.annotations import ANNOTATIONS
from hicmae_cli.errors import ManifestError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import TOY_MODEL, window
from tests.tiers.test_reading import EAF


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def grid(*tiers: tuple[str, list[tuple[float, float, str]]]) -> str:
    """A TextGrid in short form."""
    lines = ['"ooTextFile" "TextGrid" 0 99 <exists>', str(len(tiers))]
    for name, spans in tiers:
        lines += [f'"IntervalTier" "{name}" 0 99 {len(spans)}', *(f'{a} {b} "{text}"' for a, b, text in spans)]
    return "\n".join(lines)


def predict(folder: Path, media: Path, *people: tuple[int, str, float]) -> None:
    """Predictions of a medium with people as (number, name, left edge of the face)."""
    tracks = []
    for number, name, x_px in people:
        boxes = tuple(FaceBox(at / 4, x_px, 50, 20, 40) for at in range(32))
        tracks.append(Track(number, (replace(window(0.0, 8.0), boxes=boxes),), 1.0, 40.0, name))
    path, size = Path("elsewhere") / media.name, media.stat().st_size
    file = FileResult(path, "ok", "", 8.0, 25.0, tuple(tracks), size, "0", 200, 100)
    Prediction(TOY_MODEL, PredictSettings(), (file,)).save(folder, ["json"])


def facts(items: list[Item]) -> list[tuple[str, str, str]]:
    return [(item.id, item.label, item.speaker) for item in items]


def test_tiers_mean_the_people_of_the_prediction(tmp_path: Path) -> None:
    media = put(tmp_path / "talk.mp4", "video")
    spans = [(1.0, 2.5, "Angry"), (3.0, 4.0, "happy")]
    put(tmp_path / "talk.TextGrid", grid(("person 2", spans), ("anna", spans[:1]), ("transcript", [(0, 2, "calm")])))
    predict(tmp_path, media, (1, "anna", 20.0), (2, "", 120.0))
    items = ANNOTATIONS.items(tmp_path)
    assert facts(items) == [
        ("talk.mp4/anna-0001000", "anger", "anna"),
        ("talk.mp4/person-2-0001000", "anger", "talk.mp4/person 2"),
        ("talk.mp4/person-2-0003000", "happiness", "talk.mp4/person 2"),
    ]
    parts = [item.part for item in items]
    assert parts[0] is not None and parts[2] is not None
    assert {place[1:] for place in parts[0].places} == {(0.1, 0.5, 0.1, 0.4)}
    times_s = [place[0] for place in parts[2].places]
    assert (times_s[0], times_s[-1]) == (2.0, 5.0)
    assert items[0].extra == {"tier": "anna", "start_s": "1.000", "end_s": "2.500", "recording": "talk.mp4"}
    (warning,) = ANNOTATIONS.ignored(tmp_path)
    assert warning == (
        "skipped intervals of a person that is not known: talk.TextGrid: 1 of the tier 'transcript'; its predictions "
        "have anna, person 2"
    )


def test_every_tier_means_the_only_person(tmp_path: Path) -> None:
    media = put(tmp_path / "a" / "talk.mp4", "video")
    put(tmp_path / "a" / "talk.TextGrid", grid(("rater A", [(1, 2, "anger")]), ("rater B", [(1, 2, "fear")])))
    predict(tmp_path, media, (3, "", 20.0))
    assert facts(ANNOTATIONS.items(tmp_path)) == [
        ("a/talk.mp4/person-3-0001000", "anger", "a/talk.mp4/person 3"),
        ("a/talk.mp4/person-3-0001000-2", "fear", "a/talk.mp4/person 3"),
    ]


def test_without_predictions_only_one_tier_is_clear(tmp_path: Path) -> None:
    put(tmp_path / "one.mp4")
    put(tmp_path / "one.TextGrid", grid(("emotion", [(1, 2, "anger")]), ("words", [(0, 1, "well")])))
    put(tmp_path / "two.mp4")
    put(tmp_path / "two.TextGrid", grid(("anna", [(1, 2, "anger")]), ("ben", [(1, 2, "fear")])))
    (item,) = ANNOTATIONS.items(tmp_path)
    assert facts([item]) == [("one.mp4/emotion-0001000", "anger", "one.mp4/emotion")]
    assert item.part is not None and item.part.places == ()
    labels, people = ANNOTATIONS.ignored(tmp_path)
    assert labels == (
        "skipped intervals with unknown labels (put every label that you use into labels.txt to use others): 'well' (1)"
    )
    assert "two.TextGrid: has 2 tiers, and no predictions.json beside it" in people
    assert f"run `hicmae predict two.mp4 --output {tmp_path}`" in people


def test_elan_links_and_participants(tmp_path: Path) -> None:
    """The link names another folder, of which only the file name counts; the child tier is about its participant."""
    media = put(tmp_path / "tal k.mp4", "video")
    put(tmp_path / "notes.eaf", EAF.format(origin="").replace("I said &lt;no&gt;", "fear"))
    predict(tmp_path, media, (1, "", 20.0), (2, "anna", 90.0))
    assert facts(ANNOTATIONS.items(tmp_path)) == [
        ("tal k.mp4/anna-0001000", "fear", "anna"),
        ("tal k.mp4/person-1-0001000", "anger", "tal k.mp4/person 1"),
    ]
    assert [warning.partition(":")[0] for warning in ANNOTATIONS.ignored(tmp_path)] == [
        "skipped annotations without a start or an end"
    ]


def test_sounds_have_no_faces_to_choose_from(tmp_path: Path) -> None:
    put(tmp_path / "voice.wav")
    put(tmp_path / "voice.TextGrid", grid(("anna", [(1, 2, "anger")]), ("ben", [(1.5, 3, "sad")])))
    items = ANNOTATIONS.items(tmp_path)
    assert [(item.label, item.video.name) for item in items] == [("anger", "voice.wav"), ("sadness", "voice.wav")]


def test_what_is_too_short_and_what_has_no_media_is_listed(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4")
    put(tmp_path / "a.TextGrid", grid(("p", [(0, 0.639, "fear"), (1, 1.64, "anger"), (2, 2, "fear"), (-1, 1, "fear")])))
    put(tmp_path / "lost.eaf", EAF.format(origin=""))
    put(tmp_path / "participants.tsv", "id\tage\n1\t30\n")
    put(tmp_path / "prepared" / "a.TextGrid", "not read")
    outside = put(tmp_path.parent / f"{tmp_path.name}.eaf", EAF.format(origin=""))
    (tmp_path / "link.eaf").symlink_to(outside)
    assert [item.label for item in ANNOTATIONS.items(tmp_path)] == ["anger"]
    assert ANNOTATIONS.ignored(tmp_path) == [
        "skipped intervals shorter than 0.64 s or before the start: a.TextGrid p 0.000-0.639 s fear; "
        "a.TextGrid p 2.000-2.000 s fear; a.TextGrid p -1.000-1.000 s fear",
        "skipped annotation files: lost.eaf (its media file is not beside it); participants.tsv (no media file of its "
        "name beside it)",
        "skipped links to annotation files (copy the files to use them): link.eaf",
    ]


def test_own_labels_replace_the_known_ones(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4")
    put(tmp_path / "a.TextGrid", grid(("p", [(0, 1, "Frustrated"), (1, 2, "angry")])))
    put(tmp_path / "labels.txt", "frustrated\nfear\n")
    assert [item.label for item in ANNOTATIONS.items(tmp_path)] == ["frustrated"]
    assert "'angry' (1)" in ANNOTATIONS.ignored(tmp_path)[0]


def test_a_recording_and_a_person_are_in_one_fold(tmp_path: Path) -> None:
    """Anna is in the recordings 0 and 1, with others in each."""
    for number in range(8):
        put(tmp_path / f"{number}.wav")
        rows = ["Subject\tBehavior\tStart (s)\tStop (s)"]
        for who in ("anna" if number < 2 else f"p{number}", f"q{number}"):
            rows += [f"{who}\tfear\t0\t1", f"{who}\tanger\t2\t3"]
        put(tmp_path / f"{number}.tsv", "\n".join(rows))
    assert ANNOTATIONS.deal is not None
    dealt = ANNOTATIONS.deal(ANNOTATIONS.items(tmp_path))
    folds = {item.extra["recording"]: item.fold for item in dealt}
    assert len(dealt) == 32 and set(folds.values()) == set("12345")
    assert all(item.fold == folds[item.extra["recording"]] for item in dealt)
    assert folds["0.wav"] == folds["1.wav"]


def test_two_files_of_one_medium_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4")
    put(tmp_path / "a.TextGrid", grid(("p", [(0, 1, "fear")])))
    put(tmp_path / "a.boris.tsv", "0\tp\tfear\n1\tp\tfear\n")
    with pytest.raises(ManifestError, match=r"a\.boris\.tsv: is of a\.mp4, as a\.TextGrid is; keep only the corrected"):
        ANNOTATIONS.items(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "predictions.json: is not JSON"),
        ("[" * 10000, "predictions.json: is not JSON"),
        ("[]", "predictions.json: is no document of `hicmae predict`"),
        ('{"files": [{"path": "a.mp4"}]}', "predictions.json: is no document of `hicmae predict`"),
        ('{"files": [{"path": "a.mp4"}, {"path": "x/a.mp4"}]}', "has 2 results for a.mp4; keep one"),
    ],
)
def test_wrong_predictions_are_told_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    put(tmp_path / "a.mp4")
    put(tmp_path / "a.TextGrid", grid(("p", [(0, 1, "fear")])))
    put(tmp_path / "predictions.json", text)
    with pytest.raises(ManifestError) as caught:
        ANNOTATIONS.items(tmp_path)
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


def test_predictions_of_another_version_of_the_file_do_not_count(tmp_path: Path) -> None:
    media = put(tmp_path / "a.mp4", "first")
    put(tmp_path / "a.TextGrid", grid(("p", [(0, 1, "fear")])))
    predict(tmp_path, media, (1, "", 20.0))
    media.write_text("changed since")
    (item,) = ANNOTATIONS.items(tmp_path)
    assert item.part is not None and item.part.places == ()
