"""A table of texts, for a terminal, in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table

from hicmae_cli.errors import one_line
from hicmae_cli.markdown import escape_markdown

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


@dataclass(frozen=True)
class Grid:
    """A table of texts that a terminal and a Markdown page show alike."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table on a terminal, with columns from ``fit_columns``."""
        columns = list(zip(self.header, *self.rows, strict=True))
        longest = [max(map(cell_len, column)) for column in columns]
        words = [max(cell_len(word) for text in column for word in text.split() or [""]) for column in columns]
        # A column has a line and two blanks, and the table one more line.
        widths = fit_columns(longest, words, options.max_width - 3 * len(columns) - 1)
        table = Table(title=_safe(self.title), title_justify="left")
        for name, width in zip(self.header, widths, strict=True):
            table.add_column(_safe(name), overflow="fold", width=width if widths != longest else None)
        for row in self.rows:
            table.add_row(*map(_safe, row))
        yield table

    def to_markdown(self) -> list[str]:
        """Make the lines of a Markdown table."""
        lines = [self.header, tuple("---" if not i else "---:" for i in range(len(self.header))), *self.rows]
        return ["| " + " | ".join(map(escape_markdown, line)) + " |" for line in lines]

    def to_section(self) -> list[str]:
        """Make the lines of a section of a Markdown page: the title as its heading, and the table."""
        return [f"## {self.title[:1].upper()}{self.title[1:]}", "", *self.to_markdown(), ""]

    def to_latex(self, caption: str, label: str) -> list[str]:
        """Make the lines of a LaTeX table, with the package booktabs.

        Args:
            caption: text below the title, not yet escaped.
            label: the name of its label.
        """
        lines = [self.header, *self.rows]
        cells = [" & ".join(map(escape_latex, line)) + r" \\" for line in lines]
        return [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape_latex(caption)}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
            r"    \toprule",
            f"    {cells[0]}",
            r"    \midrule",
            *(f"    {line}" for line in cells[1:]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]


def fit_columns(longest: Sequence[int], words: Sequence[int], cells: int) -> list[int]:
    """Narrow the widest columns until a table fits, but none below its longest word if that is possible.

    Args:
        longest: width of the longest text of each column.
        words: width of the longest word of each column.
        cells: width of all columns together.
    """
    widths, least = list(longest), list(words)
    while sum(widths) > cells and max(widths) > 1:
        wide = [index for index, width in enumerate(widths) if width > least[index]]
        if not wide:
            least = [1] * len(widths)
            continue
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def escape_latex(text: str) -> str:
    """Escape a text, so that LaTeX prints it literally."""
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def _safe(text: str) -> str:
    """Escape a text from a file, so that Rich prints it literally."""
    return escape(one_line(text))
