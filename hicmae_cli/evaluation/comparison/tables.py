"""The tables of a comparison as a file: CSV, LaTeX (booktabs) or Markdown, by its suffix."""

from __future__ import annotations

import re
from pathlib import Path

from hicmae_cli.evaluation.comparison.result import Comparison
from hicmae_cli.evaluation.intervals import LEVEL
from hicmae_cli.report.files import to_csv, write_text
from hicmae_cli.report.score_tables import check_table

_COLUMNS = ("table", "row", "metric", "value", "lower", "upper", "p", "p_holm")


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the tables of a comparison in the format of the file's suffix.

    Args:
        comparison: the result of ``compare``.
        path: a .csv, .tex or .md file.

    Raises:
        SettingsError: another suffix.
        HicmaeError: the file cannot be written.
    """
    check_table(path)
    texts = {".csv": comparison_csv, ".tex": comparison_latex, ".md": Comparison.to_markdown}
    write_text(path, texts[path.suffix.lower()](comparison))


def comparison_latex(comparison: Comparison) -> str:
    """Make LaTeX tables with captions and labels; a document that contains them needs the package booktabs."""
    lines = ["% \\usepackage{booktabs}"]
    drawn = f"{comparison.resampled}s" if comparison.resampled else "clips"
    for grid in comparison.grids():
        caption = f"{grid.title[:1].upper()}{grid.title[1:]}."
        if any("interval" in name for name in grid.header):
            caption += f" Intervals: {100 * LEVEL:.0f} %, paired bootstrap over {drawn}, {comparison.draws} resamples."
        key = re.sub(r"[^a-z0-9]+", "-", f"compare {grid.title.partition(',')[0]}".lower()).strip("-")
        lines += ["", *grid.to_latex(caption, key)]
    return "\n".join(lines) + "\n"


def comparison_csv(comparison: Comparison) -> str:
    """Make a CSV table of scores, differences and tests in full precision, one per line."""
    rows: list[tuple[object, ...]] = [_COLUMNS]
    rows += [
        ("scores", system.name, comparison.metric, system.score, *system.interval, None, None)
        for system in comparison.systems
    ]
    for pair in comparison.pairs:
        name = f"{pair.first} - {pair.second}"
        rows.append(("differences", name, comparison.metric, pair.difference, *pair.interval, pair.p, pair.p_holm))
        named = [(f"mcnemar, {test.run}" if test.run else "mcnemar", test.p, test.p_holm) for test in pair.mcnemar]
        named += [(f"wilcoxon over {test.over}", test.p, test.p_holm) for test in pair.wilcoxon]
        rows += [("tests", name, title, None, None, None, p, p_holm) for title, p, p_holm in named]
    return to_csv(rows)
