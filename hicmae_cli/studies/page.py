"""The report of a study as one HTML page: claims, tables that sort, and charts that answer the pointer.

The page is complete in itself: it loads nothing, and its policy forbids the browser to. Text of others is escaped. It
can be read without the script, which draws the charts and sorts the tables.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

from hicmae_cli.report.html.markup import escape, table
from hicmae_cli.report.html.page import write_policy
from hicmae_cli.studies.wording import is_comparison

_PAGE: Final = Template(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="${policy}">\n'
    '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    '<meta name="generator" content="hicmae">\n<title>${title} · hicmae study</title>\n'
    "<style>${style}</style>\n</head>\n<body>\n<header>\n"
    '<p class="kicker">hicmae · study</p>\n<h1>${title}</h1>\n<p>${question}</p>\n'
    "${answer}</header>\n<main>\n"
    '${claims}<section id="charts"><h2>Charts</h2>'
    '<p class="how">Point at a mark for its numbers, or reach it with Tab and the arrow keys. Click a name below a '
    "chart to hide its marks.</p><noscript><p>The charts need JavaScript; the tables have their numbers.</p></noscript>"
    "${charts}"
    '${pictures}</section>\n<section><h2>Tables</h2><p class="how">Click a column to sort.</p>${tables}</section>\n'
    "<section><h2>What may not be concluded</h2><ul>${limits}</ul></section>\n"
    "<section><h2>How it was made</h2><ul>${making}</ul></section>\n</main>\n"
    "<footer><p>This page loads nothing and sends nothing.</p></footer>\n"
    '<script type="application/json" id="data">${data}</script>\n<script>${script}</script>\n</body>\n</html>\n'
)


def render_page(document: Mapping[str, Any], figures: Path) -> str:
    """Return the page of a study's JSON record.

    Args:
        document: the record, of the schema ``hicmae.study/1``.
        figures: folder of its pictures that are no charts.

    Raises:
        OSError: a picture cannot be read.
    """
    style, script = _read_asset("page.css"), _read_asset("page.js")
    data = json.dumps(document["charts"], separators=(",", ":"), allow_nan=False)
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        data = data.replace(letter, code)
    clips = ", ".join(f"{count} {name}" for name, count in document["data"]["clips"].items())
    seeds = ", ".join(str(seed) for seed in sorted({run["seed"] for run in document["runs"]}))
    making = (
        f"clips of {document['data']['name']}: {clips}",
        f"budget {document['budget']['name']}, seeds {seeds}",
        f"{document['jobs']} trainings and measurements, {document['compute_s'] / 60:.0f} minutes of work",
        f"hicmae {document['version']}, {name_machines(document)}, device {document['device']}",
        *([f"command: {document['command']}"] if document["command"] else []),
    )
    return _PAGE.substitute(
        policy=escape(write_policy(style, script)),
        style=style,
        script=script,
        data=data,
        title=escape(document["study"]["title"]),
        question=escape(document["study"]["question"]),
        answer="".join(
            f'<p class="{name}">{escape(document[name]["text"])}</p>\n'
            for name in ("answer", "check")
            if document[name]
        ),
        claims=_list_findings(document),
        charts="".join(
            f'<figure data-chart="{index}"><figcaption>{escape(chart["title"])}</figcaption></figure>'
            for index, chart in enumerate(document["charts"])
        ),
        pictures=_fold_pictures(document, figures),
        tables="".join(
            table(grid["header"], [[escape(cell) for cell in row] for row in grid["rows"]], grid["title"])
            for grid in document["tables"]
        ),
        limits="".join(f"<li>{escape(limit)}</li>" for limit in document["limits"]),
        making="".join(f"<li>{escape(line)}</li>" for line in making),
    )


def _list_findings(document: Mapping[str, Any]) -> str:
    """List the claims that are no rows of a table."""
    listed = "".join(
        f"<li>{escape(claim['text'])}</li>" for claim in document["claims"] if not is_comparison(claim["numbers"])
    )
    return f"<section><h2>Findings</h2><ul>{listed}</ul></section>\n" if listed else ""


def _fold_pictures(document: Mapping[str, Any], folder: Path) -> str:
    """Return pictures that the reader unfolds; each has its title in it."""
    pictures = document["pictures"]
    if not pictures:
        return ""
    figures = []
    for picture in pictures:
        data = b64encode((folder / f"{picture['name']}.png").read_bytes()).decode()
        figures.append(f'<figure><img alt="{escape(picture["title"])}" src="data:image/png;base64,{data}"></figure>')
    return f"<details><summary>Pictures of embeddings ({len(pictures)})</summary>{''.join(figures)}</details>"


def name_machines(document: Mapping[str, Any]) -> str:
    """Name the processors that computed the jobs."""
    return ", ".join(dict.fromkeys(machine["cpu"] for machine in document["machines"])) or "an unknown machine"


@cache
def _read_asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
