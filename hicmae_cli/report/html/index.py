"""A page that lists the reports of several inputs: what came out of each, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

from hicmae_cli.report.console import weight_notice
from hicmae_cli.report.files import write_text
from hicmae_cli.report.html.markup import clock, escape, percent, plural, table
from hicmae_cli.report.html.page import read_asset, write_policy
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult

_PAGE: Final = Template(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="${policy}">\n'
    '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    '<meta name="generator" content="hicmae">\n<title>${count} · emotion over time</title>\n<style>${style}</style>\n'
    '</head>\n<body>\n<header>\n<p class="kicker">hicmae · emotion over time</p>\n<h1>${count}</h1>\n'
    "${notice}\n</header>\n"
    '<main>\n<section aria-labelledby="reports"><h2 id="reports">Reports</h2>${files}</section>\n</main>\n'
    "<footer><p>Each name opens the report beside this page. This page loads nothing and sends nothing.</p></footer>\n"
    "</body>\n</html>\n"
)


def write_index(prediction: Prediction, reports: Mapping[Path, str], path: Path) -> None:
    """Write the page.

    Args:
        prediction: of several inputs.
        reports: name of the report of each input that has one, in the folder of the page.
        path: where to.

    Raises:
        HicmaeError: the page cannot be written.
    """
    write_text(path, render_index(prediction, reports))


def render_index(prediction: Prediction, reports: Mapping[Path, str]) -> str:
    """Return the page; arguments as `write_index`."""
    style = read_asset("style.css")
    notice = weight_notice(prediction.model.name, prediction.model.info)
    rows = [_make_row(file, reports.get(file.path)) for file in prediction.files]
    columns = ("input", "length", "people", "main person", "result", "note")
    return _PAGE.substitute(
        policy=escape(write_policy(style)),
        style=style,
        count=escape(f"Reports of {plural(len(prediction.files), 'input')}"),
        notice=f'<p class="notice"><span>{escape(notice)}</span></p>' if notice else "",
        files=table(columns, rows),
    )


def _make_row(file: FileResult, report: str | None) -> tuple[str, ...]:
    name = escape(file.path.name)
    # A name that looks like an address must stay a name.
    linked = f'<a href="./{escape(quote(report, errors="surrogateescape"))}">{name}</a>' if report else name
    people, main = sum(track.id != VOICE_TRACK for track in file.tracks), file.main_track
    who, answer = "", ""
    if main is not None:
        who = "voice" if main.id == VOICE_TRACK else main.name or f"person {main.id}"
        numbers = main.scores.by_name
        shown = main.scores.labels or tuple(numbers)
        unit = percent if main.scores.labels else "{:.2f}".format
        answer = ", ".join(f"{each} {unit(numbers[each])}" for each in shown)
    length = clock(file.duration_s, tenths=False) if file.duration_s else ""
    return linked, length, str(people) if file.tracks else "", escape(who), escape(answer), escape(file.message)
