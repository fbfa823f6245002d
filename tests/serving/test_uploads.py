"""Names of clients, and forms in pieces of any size."""

from __future__ import annotations

import io

from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.serving.uploads import NAMELESS, _Form, clean_name


@given(st.text(max_size=300))
def test_a_name_is_one_short_line_and_no_path(name: str) -> None:
    cleaned = clean_name(name)
    assert cleaned and cleaned.isprintable() and len(cleaned) <= 200
    assert "/" not in cleaned and cleaned not in (".", "..")


def test_names_keep_their_last_part() -> None:
    assert clean_name("a b.mp4") == "a b.mp4"
    assert clean_name("../../x/é.mp4") == "é.mp4"
    assert clean_name("C:\\films\\a.mp4") == "a.mp4"
    assert [clean_name(name) for name in ("", "..", "a/", " . ")] == [NAMELESS] * 4


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_file_arrives_as_it_was_sent_in_pieces_of_any_size(content: bytes, size: int) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
    body = head + content.replace(b"--b", b"") + b"\r\n--b--\r\n"
    file = io.BytesIO()
    form = _Form(b"b", file)
    for start in range(0, len(body), size):
        form.write(body[start : start + size])
    form.check_end()
    assert (form.name, file.getvalue()) == ("a.mp4", content.replace(b"--b", b""))


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=20))
def test_any_other_bytes_are_refused_in_one_line(body: bytes, boundary: bytes) -> None:
    try:
        form = _Form(boundary, io.BytesIO())
        form.write(body)
        form.check_end()
    except HTTPException as error:
        assert error.status_code == 400
        assert error.detail.isprintable()
