from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hicmae_cli
from hicmae_cli.errors import SettingsError
from hicmae_cli.outputs import Output, write_outputs
from hicmae_cli.runtime.inputs import find_inputs


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*arguments: str) -> list[str]:
    return [path.as_posix() for path in find_inputs(arguments)[0]]


def test_files_are_kept_in_the_order_given_whatever_their_names() -> None:
    touch("b.mp4", "a.wav", "odd.xyz")
    assert found("odd.xyz", "b.mp4", "a.wav") == ["odd.xyz", "b.mp4", "a.wav"]


def test_a_folder_gives_its_media_also_from_subfolders() -> None:
    touch("clips/b.MP4", "clips/a.wav", "clips/deep/er/c.mkv", "clips/notes.txt", "clips/deep/d.mp4.part")
    touch("clips/e.JPG", "clips/deep/f.heic")
    Path("clips/folder.mp4").mkdir()
    names = ["a.wav", "b.MP4", "deep/er/c.mkv", "deep/f.heic", "e.JPG"]
    assert found("clips") == [f"clips/{name}" for name in names]


def test_patterns_give_sorted_files_also_across_folders() -> None:
    touch("clips/b.mp4", "clips/a.mp4", "clips/deep/c.mp4", "clips/a.wav")
    Path("clips/folder.mp4").mkdir()
    assert found("clips/*.mp4") == ["clips/a.mp4", "clips/b.mp4"]
    assert found("clips/**/*.mp4") == ["clips/a.mp4", "clips/b.mp4", "clips/deep/c.mp4"]
    assert found("clips/[b-z].mp4") == ["clips/b.mp4"]


def test_a_file_named_in_several_ways_is_judged_once_at_its_first_place() -> None:
    touch("clips/a.mp4", "clips/b.mp4")
    assert found("clips/b.mp4", "clips", "clips/*.mp4", "./clips/a.mp4") == ["clips/b.mp4", "clips/a.mp4"]


def test_a_missing_file_is_kept_so_that_predicting_it_says_so() -> None:
    touch("a.mp4")
    assert found("missing.mp4", "a.mp4") == ["missing.mp4", "a.mp4"]


@pytest.mark.parametrize("name", ["take [1].mp4", "what?.mp4", "a*b.mp4"])
def test_a_file_whose_name_looks_like_a_pattern_is_itself(name: str) -> None:
    touch(name, "take 1.mp4", "whatx.mp4", "axb.mp4")
    assert found(name) == [name]


def test_a_folder_whose_name_looks_like_a_pattern_is_itself() -> None:
    touch("session [1]/a.mp4", "session 1/b.mp4")
    assert found("session [1]") == ["session [1]/a.mp4"]


def test_a_pattern_of_folders_gives_what_is_in_them() -> None:
    touch("day 1/a.mp4", "day 2/b.mp4")
    assert found("day*") == ["day 1/a.mp4", "day 2/b.mp4"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("empty", "empty: no videos, sounds or photographs in this folder"),
        ("emp*", "emp*: no videos, sounds or photographs in this folder"),
        ("*.mp4", "*.mp4: no file matches this pattern"),
    ],
)
def test_what_gives_nothing_is_named_and_the_rest_is_kept(argument: str, said: str) -> None:
    touch("empty/notes.txt", "a.wav")
    assert find_inputs([argument, "a.wav"]) == ([Path("a.wav")], [(argument, said)])


def test_a_name_too_long_for_the_system_does_not_stop_the_rest() -> None:
    touch("a.wav")
    name = 300 * "x" + ".mp4"
    paths, faults = find_inputs([name, "a.wav"])
    assert paths == [Path("a.wav")]
    assert [argument for argument, _ in faults] == [name]


def test_an_empty_argument_is_not_the_whole_folder() -> None:
    touch("a.wav")
    with pytest.raises(SettingsError, match="an input is empty"):
        find_inputs([""])


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a user without permissions")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    touch("all/open/a.mp4", "all/locked/b.mp4", "alone/c.mp4")
    tmp_path.chmod(0o755)
    for name in ("all/locked", "alone"):
        Path(name).chmod(0o000)
    code = (
        "import os\nfrom hicmae_cli.runtime.inputs import find_inputs\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "print(find_inputs(['all', 'alone']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    for name in ("all/locked", "alone"):
        Path(name).chmod(0o755)
    expected = [(name, f"{name}: Permission denied; the folder cannot be searched") for name in ("all/locked", "alone")]
    assert done.stdout.strip() == str(([Path("all/open/a.mp4")], expected))


def environment() -> dict[str, str]:
    """This process's, with the package under test on the path: the test has changed its folder."""
    return {**os.environ, "PYTHONPATH": str(Path(hicmae_cli.__file__).parent.parent)}


def test_what_hicmae_wrote_into_a_folder_is_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "a.png", "results/a.overlay.mp4", "results/own.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write_outputs(tmp_path, {"a.png": Output("0" * 64)})
    write_outputs(tmp_path / "results", {"a.overlay.mp4": Output("0" * 64)})
    assert find_inputs(["."]) == ([Path("a.mp4"), Path("results/own.png")], [])
    # A file that is named is wanted.
    assert find_inputs(["a.png"]) == ([Path("a.png")], [])
