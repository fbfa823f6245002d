"""The folder of a run: no half-written files, no damaged checkpoints, no results of another run."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hicmae_cli.errors import SettingsError, TrainingError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.runs import (
    begin_run,
    check_same_run,
    fingerprint,
    newest_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    read_metrics,
    save_checkpoint,
    step_path,
)


def state(step: int, size: int = 10) -> dict[str, object]:
    return {"step": step, "model": {"w": torch.full((size,), float(step))}, "facts": "{}"}


def test_the_newest_readable_checkpoint_is_used(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path, clean=True) is None
    for step in (9, 10, 100):
        save_checkpoint(step_path(tmp_path, step), state(step))
    found = newest_checkpoint(tmp_path, clean=True)
    assert found is not None
    assert (found[0]["step"], found[1]) == (100, [])
    newest = step_path(tmp_path, 100)
    newest.write_bytes(newest.read_bytes()[:-200])
    found = newest_checkpoint(tmp_path, clean=True)
    assert found is not None
    assert (found[0]["step"], found[1]) == (10, [newest])


def test_damage_to_a_single_number_is_detected(tmp_path: Path) -> None:
    save_checkpoint(step_path(tmp_path, 1), state(1))
    save_checkpoint(step_path(tmp_path, 2), state(2, size=5000))
    newest = step_path(tmp_path, 2)
    content = bytearray(newest.read_bytes())
    middle = bytes(content).index(torch.full((100,), 2.0).numpy().tobytes())
    content[middle + 40 : middle + 44] = b"\0\0\0\0"
    newest.write_bytes(bytes(content))
    assert torch.load(newest, weights_only=True)["model"]["w"][10] == 0  # torch reads it without an error
    found = newest_checkpoint(tmp_path, clean=True)
    assert found is not None
    assert (found[0]["step"], found[1]) == (1, [newest])
    # It is renamed, so that it does not count among the kept checkpoints.
    save_checkpoint(step_path(tmp_path, 3), state(3))
    prune_checkpoints(tmp_path, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["damaged-step-00000002.pt", "step-00000003.pt"]


@pytest.mark.parametrize("content", [b"", b"bad", b"PK\3\4", b"\x80\x02."])
def test_any_content_is_either_damaged_or_good(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_checkpoint(tmp_path / "c.pt")


@given(at=st.integers(0, 2**31), value=st.integers(0, 255))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_byte_changed_is_damaged_or_changes_nothing(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, state(7))
    content = bytearray(path.read_bytes())
    content[at % len(content)] = value
    path.write_bytes(bytes(content))
    try:
        found = read_checkpoint(path)
    except TrainingError:
        return
    assert found["step"] == 7
    assert torch.equal(found["model"]["w"], torch.full((10,), 7.0))


def test_results_of_another_run_are_kept(tmp_path: Path) -> None:
    facts = {"seed": 0}
    begin_run(tmp_path, facts, {}, stale=("log.jsonl",))
    (tmp_path / "log.jsonl").touch()
    begin_run(tmp_path, facts, {}, stale=("log.jsonl",))  # killed before its first checkpoint
    assert not (tmp_path / "log.jsonl").exists()
    begin_run(tmp_path, {"seed": 1}, {}, stale=())  # there are no results yet
    (tmp_path / "best.safetensors").write_bytes(b"precious")
    with pytest.raises(SettingsError, match=r"seed 1 -> 2.*choose another `output`"):
        begin_run(tmp_path, {"seed": 2}, {}, stale=())
    (tmp_path / "settings.json").unlink()
    with pytest.raises(SettingsError, match="holds weights of another run; choose another `output`"):
        begin_run(tmp_path, facts, {}, stale=())
    assert (tmp_path / "best.safetensors").read_bytes() == b"precious"


def test_leftovers_of_a_killed_process_are_not_used(tmp_path: Path) -> None:
    save_checkpoint(step_path(tmp_path, 1), state(1))
    remains = tmp_path / ".hicmae-0123456789abcdef.pt"
    remains.write_bytes(step_path(tmp_path, 1).read_bytes())
    for clean in (False, True):
        found = newest_checkpoint(tmp_path, clean=clean)
        assert found is not None
        assert found[0]["step"] == 1
        assert remains.exists() != clean


def test_a_folder_with_damaged_checkpoints_only_is_an_error(tmp_path: Path) -> None:
    step_path(tmp_path, 1).write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="none of its 1 checkpoints can be read; choose another `output`"):
        newest_checkpoint(tmp_path, clean=True)


def test_a_full_disk_leaves_earlier_checkpoints(tmp_path: Path) -> None:
    path = step_path(tmp_path, 1)
    save_checkpoint(path, state(1))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may grow larger, as on a full disk
    try:
        for target in (path, step_path(tmp_path, 2)):
            with pytest.raises(TrainingError, match=r"cannot be written .*earlier checkpoints are kept"):
                save_checkpoint(target, state(2, size=1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save_checkpoint(step_path(tmp_path, step), state(step))
    prune_checkpoints(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003.pt", "step-00000010.pt"]


def test_no_pickled_code_is_run(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"facts": "{}", "model": torch.nn.Linear(1, 1)}, path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_checkpoint(path)


def test_changed_settings_are_named_and_new_ones_are_not(tmp_path: Path) -> None:
    defaults = {"seed": 0, "mixup": 0.0, "flip": 0.5}
    before = {"seed": 0, "flip": 0.5, "clips": "abc"}
    check_same_run(tmp_path, before, {"seed": 0, "flip": 0.5, "mixup": 0.0, "clips": "abc"}, defaults)
    check_same_run(tmp_path, before, {"seed": 0, "clips": "abc"}, defaults)  # a removed key, at its default
    for now, message in (
        ({"seed": 1, "flip": 0.5, "clips": "abc"}, "seed 0 -> 1"),
        ({"seed": 0, "flip": 0.5, "clips": "abd"}, "clips abc -> abd"),
        ({"seed": 0, "flip": 0.5, "mixup": 0.8, "clips": "abc"}, "mixup 0.0 -> 0.8"),
        ({"seed": 0, "flip": 0.5}, "clips abc -> None"),
    ):
        with pytest.raises(SettingsError, match=message):
            check_same_run(tmp_path, before, now, defaults)


def test_fingerprints_differ_for_any_names() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(iter(["a", "b"])) != fingerprint(["a", "c"])
    assert len(fingerprint(["caf\udce9"])) == 16  # a name that is not UTF-8


def test_an_incomplete_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_metrics(path) == []
    for rest in ('{"st', "[1]\n", '{"loss": 1}\n', "\udc80".encode("utf-8", "surrogateescape").decode("latin-1")):
        path.write_text('{"step": 1}\n{"step": 2}\n' + rest, "latin-1")
        assert [line["step"] for line in read_metrics(path)] == [1, 2]


def test_a_run_that_began_before_clips_were_sampled_by_time_counted_frames(tmp_path: Path) -> None:
    defaults = FinetuneSettings().model_dump(mode="json")
    before = {key: value for key, value in defaults.items() if key != "sampling"}
    check_same_run(tmp_path, before, defaults, defaults)
    with pytest.raises(SettingsError, match="sampling frames -> time"):
        check_same_run(tmp_path, before, {**defaults, "sampling": "time"}, defaults)
