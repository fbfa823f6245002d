"""Pictures of an MJPEG video, decoded one by one: the same as decoding all, or left to that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media import Frame, read_audio, read_audio_if_any, read_frames, read_stills, write_video

START = b"\xff\xd8\xff"


def pictures(count: int = 6) -> NDArray[np.uint8]:
    """Soft patterns with some noise (count, 48, 64, 3)."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 180, 64)[None, None, :, None] + 10 * np.arange(count)[:, None, None, None]
    return (ramp + rng.normal(0, 12, (count, 48, 64, 3))).clip(0, 255).astype(np.uint8)


def written(path: Path, **options: object) -> Path:
    sound = np.sin(np.arange(16000) / 20).astype(np.float32)
    write_video(path, pictures(), 10, sound, **{"video_codec": "mjpeg", **options})  # type: ignore[arg-type]
    return path


def test_pictures_are_those_of_a_reading_from_the_start(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv")
    stills = read_stills(path)
    assert stills is not None
    expected = [frame.rgb for frame in read_frames(path)]
    assert len(stills) == len(expected) == 6
    assert (stills.width_px, stills.height_px) == (64, 48)
    for indices in (range(6), [5, 0, 5], []):
        found = stills.decode(indices)
        assert all(np.array_equal(a, expected[i]) for a, i in zip(found, indices, strict=True))
    path.unlink()  # nothing is held open
    assert np.array_equal(stills.decode([3])[0], expected[3])


def test_the_quick_way_shows_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv")
    stills = read_stills(path)
    assert stills is not None
    for exact, quick in zip(stills.decode(range(6)), stills.decode(range(6), exact=False), strict=True):
        assert quick.shape == exact.shape and quick.dtype == np.uint8
        assert np.abs(quick.astype(int) - exact).max() <= 3


def test_what_cannot_be_read_one_by_one_is_left_to_the_other_reader(tmp_path: Path) -> None:
    assert read_stills(written(tmp_path / "film.mkv", video_codec="libx264")) is None
    late = [Frame(time_s, rgb) for time_s, rgb in zip((0.0, 0.1, 9000.0), pictures(3), strict=True)]
    write_video(tmp_path / "late.mkv", late, 10, video_codec="mjpeg")
    assert read_stills(tmp_path / "late.mkv") is None
    with pytest.raises(MediaError, match="no such file"):
        read_stills(tmp_path / "gone.mkv")


def damaged(path: Path, kind: str, rng: np.random.Generator) -> Path:
    """A copy with a few wrong bytes, in the headers of a picture or anywhere, or cut off."""
    data = bytearray(path.read_bytes())
    if kind == "cut off":
        del data[int(rng.integers(300, len(data))) :]
    elif kind == "header":
        places = [at for at in range(len(data)) if data.startswith(START, at)]
        data[places[rng.integers(len(places))] + int(rng.integers(0, 300))] ^= int(rng.integers(1, 256))
    else:
        for at in rng.integers(0, len(data), 3):
            data[at] ^= int(rng.integers(1, 256))
    copy = path.with_name("damaged.mkv")
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("kind", ["header", "anywhere", "cut off"])
def test_damage_changes_no_count(tmp_path: Path, kind: str) -> None:
    """A picture that is left out would move all that follow: those files are left to the other reader, or refused."""
    path, rng = written(tmp_path / "a.mkv"), np.random.default_rng(1)
    alone = 0
    for _ in range(60):
        copy = damaged(path, kind, rng)
        try:
            expected = [frame.rgb for frame in read_frames(copy)]
        except MediaError:
            expected = []
        try:
            stills = read_stills(copy, with_sound=True)
            found = None if stills is None else stills.decode(range(len(stills)))
        except MediaError:
            continue
        if found is not None:
            assert stills is not None and len(found) == len(expected)
            sound = read_audio_if_any(copy)
            assert (sound is None) == (stills.samples is None)
            assert sound is None or np.array_equal(sound, stills.samples)  # type: ignore[arg-type]
            alone += 1
    assert alone >= 5


def test_a_picture_that_turns_out_to_be_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hicmae_cli.media import stills as module

    found = read_stills(written(tmp_path / "a.mkv"))
    assert found is not None
    monkeypatch.setattr(module, "_decode_alone", lambda *_: None)
    with pytest.raises(MediaError, match=r"a\.mkv: frame 2 of 6 cannot be decoded"):
        found.decode([2])


def test_sound_is_read_if_there_is_any(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv")
    stills, sound = read_stills(path, with_sound=True), read_audio_if_any(path)
    assert stills is not None and stills.samples is not None and sound is not None
    assert np.array_equal(sound, read_audio(path))
    assert np.array_equal(stills.samples, sound)
    unasked = read_stills(path)
    assert unasked is not None and unasked.samples is None
    write_video(tmp_path / "b.mkv", pictures(), 10, video_codec="mjpeg")
    silent = read_stills(tmp_path / "b.mkv", with_sound=True)
    assert silent is not None and silent.samples is None
    assert read_audio_if_any(tmp_path / "b.mkv") is None


def test_times_do_not_depend_on_freed_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv")
    program = f"from hicmae_cli.media import read_stills; print(*read_stills({str(path)!r}).times_s.round(6))"
    # glibc then overwrites the memory that closing a file frees; other C libraries ignore it.
    surroundings = {**os.environ, "MALLOC_PERTURB_": "165"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=surroundings, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"], done.stderr
