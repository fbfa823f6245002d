"""Stills: crops are copied, photographs are aligned, and both are clips of a manifest like all others."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.known.own import MANIFEST
from hicmae_cli.corpora.known.photos import PHOTOS
from hicmae_cli.errors import MediaError, SettingsError
from hicmae_cli.faces import Face, FaceDetector, align_face
from hicmae_cli.media import Frame
from hicmae_cli.preparing.check import check
from hicmae_cli.preparing.dataset import prepare
from hicmae_cli.preparing.jobs import Event
from hicmae_cli.preparing.measuring import UnusableError
from hicmae_cli.preparing.still import StillFile, prepare_still
from tests.corpora.toys import SquareDetector, files_of, film, picture, tone
from tests.faces.fake import FakeDetector, FakeFace


def refuse() -> FaceDetector:
    pytest.fail("a face finder was opened")


def prepare_one(path: Path, *faces: FakeFace) -> np.ndarray:
    source = StillFile(path)
    target = path.parent / f"out{source.suffix}"
    prepare_still(source, target, lambda: FakeDetector(faces))
    with Image.open(target) as image:
        assert image.size == (160, 160)
        return np.asarray(image)


def wide(path: Path) -> np.ndarray:
    """A picture of 240 x 200 whose every place looks different."""
    y, x = np.mgrid[:200, :240]
    rgb = np.stack([x, y, 255 - x], axis=2).astype(np.uint8)
    Image.fromarray(rgb).save(path, quality=100, subsampling=0)
    return rgb


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_crop_is_copied_to_the_last_byte(suffix: str, tmp_path: Path) -> None:
    crop = tmp_path / f"a{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (160, 160), dtype=np.uint8)).save(crop)
    target = tmp_path / f"out{suffix}"
    facts = prepare_still(StillFile(crop), target, refuse)
    assert target.read_bytes() == crop.read_bytes()
    assert (facts.face_coverage, facts.people_seen, facts.video_s) == (None, None, 0)


def test_a_crop_of_another_format_loses_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    assert StillFile(tmp_path / "a.bmp").suffix == ".png"
    assert np.array_equal(prepare_one(tmp_path / "a.bmp"), pixels)


def test_the_largest_face_of_a_photograph_is_aligned(tmp_path: Path) -> None:
    rgb = wide(tmp_path / "a.png")
    small, large = FakeFace(0, 1, (60, 60), 60), FakeFace(0, 1, (150, 100), 120, roll_deg=20)
    assert np.array_equal(prepare_one(tmp_path / "a.png", small, large), align_face(rgb, large.at(0).landmarks_px))
    facts = prepare_still(StillFile(tmp_path / "a.png"), tmp_path / "b.png", lambda: FakeDetector([small, large]))
    assert (facts.face_coverage, facts.people_seen, facts.is_doubtful) == (1, 2, False)


def test_a_camera_that_was_turned_is_turned_back(tmp_path: Path) -> None:
    rgb = wide(tmp_path / "up.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    Image.fromarray(np.rot90(rgb)).save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    face = FakeFace(0, 1, (150, 100), 120)
    one, other = (prepare_one(tmp_path / name, face).astype(int) for name in ("up.jpg", "turned.jpg"))
    assert np.abs(one - other).mean() < 2


def test_a_face_that_fills_the_picture_is_searched_with_a_border(tmp_path: Path) -> None:
    rgb = wide(tmp_path / "a.png")
    face = FakeFace(0, 1, (120, 100), 220)

    class Picky(FakeDetector):
        def detect(self, frame: Frame) -> list[Face]:
            found = super().detect(frame)
            if frame.rgb.shape == rgb.shape:
                return []
            assert np.array_equal(frame.rgb[100:300, 120:360], rgb)
            return [Face(one.landmarks_px + np.array([120, 100], np.float32)) for one in found]

    prepare_still(StillFile(tmp_path / "a.png"), tmp_path / "b.png", lambda: Picky([face]))
    with Image.open(tmp_path / "b.png") as image:
        assert np.abs(np.asarray(image).astype(int) - align_face(rgb, face.at(0).landmarks_px)).max() <= 1


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    wide(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 no picture")
    for name, error, said in (
        ("a.png", UnusableError, "no face was found in the picture"),
        ("b.jpg", MediaError, "cannot be read as an image"),
        ("c.jpg", UnusableError, "no such file"),
    ):
        with pytest.raises(error, match=rf"{name}: {said}"):
            prepare_one(tmp_path / name)


def make_photos(root: Path) -> None:
    """Photographs of two people, a crop, and a picture without a face."""
    rows = ["happy/1.png,happy,ann,film", "happy/2.jpg,happy,ben,press", "sad/3.png,sad,ben,film", "sad/4.png,sad,ann,"]
    for name in ("happy", "sad"):
        (root / name).mkdir(parents=True)
    Image.fromarray(picture()).save(root / "happy" / "1.png")
    Image.new("RGB", (160, 160), (90, 80, 70)).save(root / "happy" / "2.jpg")
    Image.fromarray(picture(9)).save(root / "sad" / "3.png")
    Image.fromarray(picture(face=False)).save(root / "sad" / "4.png")
    (root / "manifest.csv").write_text("\n".join(["file,label,group,source", *rows]))


def test_a_corpus_of_photographs(tmp_path: Path) -> None:
    make_photos(tmp_path / "in")
    events: list[Event] = []
    given = {"output": tmp_path / "out", "workers": 0, "make_detector": SquareDetector}
    examined = check(PHOTOS, tmp_path / "in", output=tmp_path / "out", workers=0, make_detector=SquareDetector)
    done = prepare(PHOTOS, tmp_path / "in", on_item=events.append, **given)  # type: ignore[arg-type]
    assert [(item.id, item.fault) for item in done.skipped] == [("sad/4.png", "no face")]
    assert [remark.id for remark in examined.faceless] == ["sad/4.png"]
    with done.manifest.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["audio"], row["speaker"], row["source"]) for row in rows] == [
        ("clips/happy/1.png.png", "", "ann", "film"),
        ("clips/happy/2.jpg.jpg", "", "ben", "press"),
        ("clips/sad/3.png.png", "", "ben", "film"),
    ]
    assert len({(row["speaker"], row["fold"]) for row in rows}) == 2
    assert all(read_prepared_clip(done.manifest.parent / row["video"], None).is_still for row in rows)
    assert done.sheet is not None and done.sheet.is_file()
    before = files_of(tmp_path / "out")
    prepare(PHOTOS, tmp_path / "in", on_item=events.append, **given)  # type: ignore[arg-type]
    assert files_of(tmp_path / "out") == before
    assert events.count("kept") == 3
    for option in ({"keep_people": "all"}, {"frames": tmp_path}):
        with pytest.raises(SettingsError, match="photos has no videos, only single pictures; leave it out"):
            prepare(PHOTOS, tmp_path / "in", **given, **option)  # type: ignore[arg-type]


def test_a_manifest_may_mix_videos_pictures_and_sounds(tmp_path: Path) -> None:
    film(tmp_path / "v.mkv", sound=tone(0.5))
    Image.fromarray(picture()).save(tmp_path / "p.png")
    soundfile.write(tmp_path / "s.flac", tone(0.5), 16_000)
    (tmp_path / "manifest.csv").write_text("id,video,audio,label\n1,v.mkv,,sad\n2,p.png,,sad\n3,,s.flac,happy\n")
    done = prepare(MANIFEST, tmp_path, workers=0, make_detector=SquareDetector)
    with done.manifest.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["audio"]) for row in rows] == [
        ("clips/1.mkv", "clips/1.mkv"),
        ("clips/2.png", ""),
        ("", "clips/3.wav"),
    ]
    with pytest.raises(SettingsError, match=r"keep_people='all': needs videos, but clip 2 is p\.png"):
        prepare(MANIFEST, tmp_path, workers=0, keep_people="all")
