"""What became of each clip, remembered."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hicmae_cli.preparing.journal import Entry, Journal, open_journal, read_journal
from hicmae_cli.preparing.measuring import ClipFacts

DONE = Entry("1 2", ClipFacts(0.5, 1.0, 1.25, is_silent=False), 99)
FAILED = Entry("1 2", fault="no face", cause="a.mkv: no face \udc80 é")


def test_entries_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clips.jsonl"
    with open_journal(path) as journal:
        journal.add("b", DONE)
        journal.add("a\udc80", FAILED)
        journal.add("b", FAILED)
        journal.add("c", Entry("", fault="died", cause="killed"))
        assert read_journal(path) == {"b": FAILED, "a\udc80": FAILED}  # at once, and the last one counts
        assert journal.entries["c"].fault == "died"
    assert read_journal(path) == {"a\udc80": FAILED, "b": FAILED}
    assert len(path.read_bytes().splitlines()) == 2


def test_the_order_of_coming_leaves_no_trace(tmp_path: Path) -> None:
    for name, ids in (("a", "123"), ("b", "312")):
        with open_journal(tmp_path / name) as journal:
            for id_ in ids:
                journal.add(id_, DONE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(cut=st.integers(0, 1000), rest=st.binary(max_size=30))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_line_that_was_cut_off_costs_itself(tmp_path: Path, cut: int, rest: bytes) -> None:
    path = tmp_path / "clips.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for id_ in "abc":
        journal.add(id_, DONE)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][: cut % len(lines[2])] + rest.replace(b"\n", b""))
    with open_journal(path) as again:
        assert {"a": DONE, "b": DONE}.items() <= again.entries.items()
        again.add("d", FAILED)
    assert read_journal(path)["d"] == FAILED


def test_no_file_no_entries(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "gone") == {}
    assert read_journal(tmp_path) == {}
