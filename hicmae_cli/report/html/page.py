"""Write a report: one HTML page per input, complete in itself.

The page forbids the browser to load anything (``Content-Security-Policy``), so a name in a prediction cannot make it
do so either. Its own style and script are named by their hashes. It is complete without the script, which adds the
cursor, the zoom and the playing of a video that the reader opens.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

from hicmae_cli.report.files import write_text
from hicmae_cli.report.html import charts, sections
from hicmae_cli.report.html.maps import choose_unit, draw_moved, draw_sound_row
from hicmae_cli.report.html.markup import Scale, escape
from hicmae_cli.report.html.moved import measure_moved
from hicmae_cli.report.html.person import (
    MOST_EPISODES,
    Lane,
    Person,
    describe_part,
    list_lanes,
    list_off_screen,
    list_people,
    thinning,
    to_data,
)
from hicmae_cli.report.html.pictures import read_pictures
from hicmae_cli.report.palette import Colour, ink_on
from hicmae_cli.report.prediction import Prediction

_ROOM: Final = "hicmae_cli.report.html"
_OTHER: Final = Colour("#8b8f96", "#7c828b")


def write_html(prediction: Prediction, path: Path) -> None:
    """Write the page of a prediction of one file.

    Raises:
        HicmaeError: the page cannot be written.
    """
    write_text(path, render_page(prediction))


def render_page(prediction: Prediction) -> str:
    """Return the page of a prediction of one file that has tracks."""
    (file,) = prediction.files
    info = prediction.model.info
    people = list_people(file, prediction.settings)
    scale = Scale(people[0].timeline.start_s, people[0].timeline.end_s)
    moved = measure_moved(people)
    unit = choose_unit(moved)
    pictures = read_pictures(file, scale, spectrum=any(each.sound for each in moved))
    sound_rows = {each.person.number: draw_sound_row(scale, each, unit, pictures.spectrum) for each in moved}
    lanes = list_lanes(people, info)
    off_screen_s = list_off_screen(file)
    style = read_asset("style.css") + write_colours([lane.colour for lane in lanes])
    script = read_asset("script.js")
    is_part = bool(describe_part(file, people[0].timeline))
    why = pictures.missing or "no sound that can be decoded"
    persons = "".join(
        f'<section class="person" aria-labelledby="p{p.number}"><h3 id="p{p.number}">{escape(p.name)}'
        f'<small class="at"></small></h3>{charts.draw_person(scale, p, lanes)}{sound_rows.get(p.number, "")}</section>'
        for p in people
    )
    return _load_template().substitute(
        policy=escape(write_policy(style, script)),
        style=style,
        script=script,
        data=_write_data(to_data(people, lanes, (scale.start_s, scale.end_s), off_screen_s)),
        title=escape(file.path.name),
        file_facts=sections.list_file_facts(file, people),
        notice=sections.write_notice(prediction.model.name, info, file.message),
        width="wide" if len(people) % 4 in (1, 2) else "",
        cards="".join(
            sections.draw_card(p, lanes, pictures.faces.get(p.track.id, ()), is_part=is_part) for p in people
        ),
        axis=charts.draw_axis(scale),
        sound=charts.draw_sound(scale, pictures.envelope, why) + charts.draw_off_screen(scale, off_screen_s),
        persons=persons,
        hints=sections.list_hints(people, info),
        thinned=_explain_thinning(people, lanes),
        moved=draw_moved(moved, unit),
        episodes=sections.list_episodes(people, lanes),
        gaps=sections.list_gaps(people),
        making=sections.describe_making(prediction, file),
        model=sections.describe_model(prediction.model.name, info),
    )


def _explain_thinning(people: Sequence[Person], lanes: Sequence[Lane]) -> str:
    """Return what is left out of the drawings, as items of a list; nothing if they are complete."""
    points = []
    count = max(len(person.stretches.windows) for person in people)
    drawn, held = -(-count // charts.MOST_STEPS), -(-count // thinning(people, lanes))
    if drawn > 1:
        zoomed = f"the page itself holds means of {held}" if held > 1 else "zoom in to see every one"
        points.append(f"Each drawn step is the mean of {drawn} neighbouring ones; {zoomed}.")
    most = MOST_EPISODES // len(people)
    if any(len(person.timeline.episodes) > most for person in people):
        points.append(f"At most {most:,} episodes of each person are drawn, the longest ones.")
    return "".join(f"<li>{escape(point)}</li>" for point in points)


def write_colours(lanes: Sequence[Colour]) -> str:
    """Return the style of the lanes: ``l0`` has the colour of lane 0, ``f0`` fills with it, ``o0`` writes on it."""
    colours = {-1: _OTHER, **dict(enumerate(lanes))}

    def declare(shade: str) -> str:
        return "".join(
            f"--c{place}:{getattr(c, shade)};--i{place}:{ink_on(getattr(c, shade))};" for place, c in colours.items()
        )

    rules = "".join(
        f".l{place}{{--c:var(--c{place})}}.f{place}{{fill:var(--c{place})}}.o{place}{{fill:var(--i{place})}}"
        for place in colours
    )
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{declare('dark')}}}}}"
    return f"\n:root{{{declare('light')}}}\n{dark}\n{rules}\n"


def write_policy(style: str, script: str | None = None) -> str:
    """Return the policy: nothing is loaded, and only this style and this script count, or no script at all."""
    allowed = [
        "'none'" if text is None else f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src {allowed[0]}; script-src {allowed[1]}; img-src data:; media-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _write_data(document: dict[str, Any]) -> str:
    """Return the document as JSON that no name in it can end early."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def read_asset(name: str) -> str:
    """Read a file of this room, such as ``style.css``."""
    return files(_ROOM).joinpath(name).read_text("utf-8")


@cache
def _load_template() -> Template:
    return Template(read_asset("template.html"))
