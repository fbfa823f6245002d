"""A page that lists the reports of several inputs: what came out of each, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import quote

from hicmae_cli.report.files import write_text
from hicmae_cli.report.html.markup import duration, escape, percent, plural, table
from hicmae_cli.report.html.page import read_asset, write_policy
from hicmae_cli.report.html.person import describe_part
from hicmae_cli.report.html.sections import count_people, write_notice
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.timeline import make_timeline, name_tracks

_PAGE: Final = Template(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="${policy}">\n'
    '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    '<meta name="generator" content="hicmae">\n<title>${count} · predicted emotion over time</title>\n'
    "<style>${style}</style>\n</head>\n<body>\n<header>\n"
    '<p class="kicker">hicmae · predicted emotion over time</p>\n<h1>${count}</h1>\n'
    "${notice}\n</header>\n"
    '<main>\n<section class="reports" aria-labelledby="reports"><h2 id="reports">Reports</h2>'
    '<p class="how">Click a name to open its report; keep the files in one folder.</p>${files}</section>\n</main>\n'
    "<footer><p>This page loads nothing and sends nothing.</p></footer>\n"
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
    rows = [_make_row(file, prediction.settings, reports.get(file.path)) for file in prediction.files]
    failed = len(prediction.failures)
    title = plural(len(reports), "report") + (f", {failed:,} failed" if failed else "")
    return _PAGE.substitute(
        policy=escape(write_policy(style)),
        style=style,
        count=title,
        notice=write_notice(prediction.model.name, prediction.model.info),
        files=table(("input", "result", "status", "length", "people", "main person"), rows),
    )


def _make_row(file: FileResult, settings: PredictSettings, report: str | None) -> tuple[str, ...]:
    name = escape(file.path.name)
    # A name that looks like an address must stay a name.
    linked = f'<a href="./{escape(quote(report, errors="surrogateescape"))}">{name}</a>' if report else name
    message = f" <small>{escape(file.message)}</small>" if file.message else ""
    status = f"<strong>{'failed' if file.failed else 'ok'}</strong>{message}"
    length = duration(file.duration_s) if file.duration_s else ""
    main = file.main_track
    if main is None:
        return linked, "", status, length, "", ""
    timeline = make_timeline(file, main, settings)
    scores = main.scores
    unit = percent if scores.labels else "{:.2f}".format
    answer = ", ".join(f"{each} {unit(scores.by_name[each])}" for each in scores.labels or scores.by_name)
    if part := describe_part(file, timeline):
        length += f" <small>{part}</small>"
    seen = sum(track.id != VOICE_TRACK for track in file.tracks)
    name_of_main = name_tracks(file)[file.tracks.index(main)]
    return linked, escape(answer), status, length, count_people(seen), escape(name_of_main)
