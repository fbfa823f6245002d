"""Texts in Markdown are shown as they are, by two renderers."""

from __future__ import annotations

import html
import re

import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hicmae_cli.errors import one_line
from hicmae_cli.markdown import escape_markdown, quote_code

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b",
    "a\\|b",
    "`code`",
    "*a* _b_ __c__",
    "[a](javascript:alert(1))",
    "![a](b.png)",
    "[a][b]",
    "a\n# title\n\n| x |\n| --- |",
    "&lt;&#60;&amp;",
    "a_b_c",
    "<b",
    "``` x",
    "\x1b[31m\u202e\udcff",
)


def show(line: str) -> str:
    """The text of a line, if it is plain text."""
    (paragraph, inline, _) = MarkdownIt("commonmark").enable("table").parse(line)
    assert paragraph.type == "paragraph_open"
    children = inline.children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    return "".join(child.content for child in children)


@given(st.text(st.sampled_from("ab \\`*_[]()<>&|!#;lt\n~-") | st.characters(), max_size=40))
def test_any_text_is_shown_literally(text: str) -> None:
    # Blanks at the end of a line are not shown.
    assert show(f"x {escape_markdown(text)}.") == f"x {one_line(text)}."


@pytest.mark.parametrize("text", HOSTILE)
def test_two_renderers_agree(text: str) -> None:
    page = f"| a |\n| --- |\n| x {escape_markdown(text)}. |"
    for shown in (
        markdown.markdown(page, extensions=["tables"]),
        MarkdownIt("commonmark").enable("table").render(page),
    ):
        (cell,) = re.findall(r"<td>(.*)</td>", shown)
        assert "<" not in cell and html.unescape(cell) == f"x {one_line(text)}."


def test_code_never_ends_early() -> None:
    assert quote_code("hicmae finetune --set a=1") == "`hicmae finetune --set a=1`"
    assert quote_code("a`b|c") == escape_markdown("a`b|c")
