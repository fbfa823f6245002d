"""The timeline of a report as SVG: an axis, the sound, and rows for each person, all on one scale of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.report.html.markup import (
    HEIGHT,
    SPAN,
    Scale,
    breakable,
    clock,
    escape,
    of_duration,
    percent,
    plural,
    points,
)
from hicmae_cli.report.html.person import Lane, Person
from hicmae_cli.report.stretches import thin

MOST_STEPS: Final = 800
"""Steps of one drawing; a wide screen has about twice as many pixels."""
MANY_BLOCKS: Final = 150
"""More have no lines between them, which would hide the blocks."""
_PAGE_PX: Final = 900  # of a drawing on a wide screen, to choose which words fit before the script measures
_LETTER_PX: Final = 7.2
_SPEAKING: Final = {"yes": "y", "unsure": "u", "no": "n"}
_TOPS: Final = {"yes": 0, "no": 88}
_UNSURE_Y: Final = 75  # of a thick dashed line, which CSS makes half as high as the row


def svg(content: str, css: str, label: str, extra: str = "") -> str:
    """Return a drawing that is stretched to its place; ``label`` describes it to screen readers."""
    named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return f'<svg class="{css}" viewBox="0 0 {SPAN} {HEIGHT}" preserveAspectRatio="none" {named}{extra}>{content}</svg>'


def row(css: str, title: str, chart: str, value: str) -> str:
    """Return a row: what it is, its drawing, and a number that follows the cursor; the last two are HTML."""
    return (
        f'<div class="row {css}"><span class="k">{title}</span><div class="c">{chart}</div>'
        f'<span class="v">{value}</span></div>'
    )


def draw_axis(scale: Scale) -> str:
    """Return the axis of time: ticks with words."""
    ticks_s = scale.ticks()
    tenths = len(ticks_s) > 1 and ticks_s[1] - ticks_s[0] < 1
    words = "".join(
        f'<text class="{_edge(scale.x(t))}" x="{scale.x(t) / 10:g}%" y="14">{clock(t, tenths=tenths)}</text>'
        f'<line x1="{scale.x(t) / 10:g}%" x2="{scale.x(t) / 10:g}%" y1="19" y2="24"/>'
        for t in ticks_s
    )
    return f'<svg class="axis" aria-hidden="true">{words}</svg>'


def _edge(x: float) -> str:
    """Return the class of a word on the axis that must not leave the drawing."""
    return "first" if x < SPAN * 0.03 else "last" if x > SPAN * 0.97 else ""


def draw_sound(scale: Scale, envelope: NDArray[np.float64] | None, why: str) -> str:
    """Return the row of the sound.

    Args:
        scale: of the page.
        envelope: largest absolute samples (B,) in equal stretches of the scale, 0 to 1; None without sound.
        why: why there is none.
    """
    if envelope is None:
        return row("sound", "Sound", f'<p class="none">{escape(why)}</p>', "")
    top = max(float(envelope.max(initial=0.0)), 1e-6)
    halves = (np.sqrt(envelope / top) * (HEIGHT / 2)).round(1).tolist()
    xs = np.linspace(0, SPAN, len(halves)).round(1).tolist()
    upper = "L".join(f"{x:g} {HEIGHT / 2 - h:g}" for x, h in zip(xs, halves, strict=True))
    lower = "L".join(f"{x:g} {HEIGHT / 2 + h:g}" for x, h in zip(xs[::-1], halves[::-1], strict=True))
    return row("sound", "Sound", svg(f'<path d="M{upper}L{lower}Z"/>', "wave", "loudness of the sound over time"), "")


def draw_off_screen(scale: Scale, spans_s: Sequence[tuple[float, float]]) -> str:
    """Return the row of the voice of nobody in view; nothing without one."""
    if not spans_s:
        return ""
    total_s = sum(end_s - start_s for start_s, end_s in spans_s)
    chart = svg(
        f'<path class="y" d="{scale.blocks(spans_s)}"/>', "blocks", f"nobody in view speaks for {total_s:.1f} s"
    )
    return row("speaks off", "Voice off-screen", chart, of_duration(total_s, scale.end_s - scale.start_s))


def draw_person(scale: Scale, person: Person, lanes: Sequence[Lane]) -> str:
    """Return the rows of a person."""
    # On paper, each person has an axis: the page's own may be on another sheet.
    rows = [row("again", "Time", draw_axis(scale), "mean")] if person.number else []
    rows += [] if person.timeline.task == "regression" else [_draw_episodes(scale, person, lanes)]
    rows += [_draw_speaking(scale, person)] if person.speaks_s is not None else []
    rows += [_draw_lane(scale, person, lane, place) for place, lane in enumerate(lanes)]
    rows += [] if person.is_voice else [_draw_face(scale, person)]
    rows += _draw_effects(scale, person)
    return "".join(rows)


def _draw_episodes(scale: Scale, person: Person, lanes: Sequence[Lane]) -> str:
    """Return the band of labels: blocks in the labels' colours, those of no drawn label in grey, gaps hollow."""
    spans: dict[int, list[tuple[float, float]]] = {place: [] for place in range(-1, len(lanes))}
    places = {lane.name: place for place, lane in enumerate(lanes)}
    words = []
    for episode in person.timeline.episodes:
        place = next((places[name] for name in episode.labels if name in places), -1)
        spans[place].append((episode.start_s, episode.end_s))
        words.append(_word(scale, episode.start_s, episode.end_s, episode.label or "no label", f"o{place}"))
    paths = [f'<path class="f{place}" d="{scale.blocks(held)}"/>' for place, held in spans.items() if held]
    gaps = person.timeline.gaps
    paths += [f'<path class="gap" d="{scale.blocks([(g.start_s, g.end_s) for g in gaps])}"/>'] if gaps else []
    words += [
        _word(scale, gap.start_s, gap.end_s, gap.reason, "") or _word(scale, gap.start_s, gap.end_s, "\N{EN DASH}", "")
        for gap in gaps
    ]
    count = plural(len(person.timeline.episodes), "stretch")
    label = f"{person.name}: {count} of one label; the table of episodes lists them"
    written = f'<svg class="words" aria-hidden="true">{"".join(words)}</svg>'
    css = "blocks dense" if len(person.timeline.episodes) > MANY_BLOCKS else "blocks"
    return row("band", "Label", svg("".join(paths), css, label) + written, "")


def _word(scale: Scale, start_s: float, end_s: float, text: str, css: str) -> str:
    left, right = scale.x(start_s), scale.x(end_s)
    if (right - left) / SPAN * _PAGE_PX < len(text) * _LETTER_PX + 10:
        return ""
    return f'<text class="{css}" x="{left / 10:g}%" dx="6" y="17">{escape(text)}</text>'


def _draw_speaking(scale: Scale, person: Person) -> str:
    """Return who speaks: high blocks for yes, half as high and hatched for unsure, a line for no."""
    spans = person.stretches.join_speakers()
    paths = []
    for answer, css in _SPEAKING.items():
        held = [(start, end) for start, end, found in spans if found == answer]
        if answer == "unsure":
            path = "".join(f"M{scale.x(start):g} {_UNSURE_Y}H{scale.x(end):g}" for start, end in held)
        else:
            path = scale.blocks(held).replace(" 0H", f" {_TOPS[answer]}H")
        paths += [f'<path class="{css}" d="{path}"/>'] if held else []
    times_s = {answer: sum(b - a for a, b, found in spans if found == answer) for answer in _SPEAKING}
    label = f"{person.name} speaks for {times_s['yes']:.1f} s; unsure for {times_s['unsure']:.1f} s"
    said = of_duration(times_s["yes"], person.length_s)
    return row("speaks", "Speaks", svg("".join(paths), "blocks", label), said)


def _draw_lane(scale: Scale, person: Person, lane: Lane, place: int) -> str:
    """Return the steps of one label, strong where it is the predicted one."""
    means, led = person.stretches.means, person.led_by(lane.name)
    columns = np.column_stack([lane.heights(means), led])
    edges_s, thinned = thin(person.stretches.edges_s, columns, MOST_STEPS)
    strong = np.where(thinned[:, 1] >= 0.5, thinned[:, 0], np.nan)
    paths = f'<path class="a" d="{scale.steps(edges_s, thinned[:, 0])}"/>'
    paths += f'<path class="b" d="{scale.steps(edges_s, strong)}"/>'
    paths += _draw_lines(person)
    mean = person.scores.by_name[lane.name]
    best = int(np.nanargmax(means[:, lane.index]))
    at_s = float(person.stretches.edges_s[best])
    if person.timeline.task == "regression":
        label = f"{lane.name}: mean {mean:.2f}, highest {means[best, lane.index]:.2f} at {clock(at_s)}"
        title, value = f"{breakable(lane.name)} <small>{lane.low:.2f} to {lane.high:.2f}</small>", f"{mean:.2f}"
    else:
        label = f"{lane.name}: mean {percent(mean)}, highest {percent(means[best, lane.index])} at {clock(at_s)}"
        title, value = breakable(lane.name), percent(mean)
    chart = svg(paths, f"lane l{place}", label, f' data-lane="{place}"')
    return row("lane", title, chart, value)


def _draw_lines(person: Person) -> str:
    """Return a rule at a half and a dashed line at chance; nothing where the numbers are no classification."""
    if person.chance is None:
        return ""
    y = round((1 - person.chance) * HEIGHT, 1)
    return f'<path class="half" d="M0 {HEIGHT // 2}H{SPAN}"/><path class="chance" d="M0 {y:g}H{SPAN}"/>'


def _draw_face(scale: Scale, person: Person) -> str:
    """Return how much of the face was seen over time."""
    edges_s, thinned = thin(person.stretches.edges_s, person.stretches.face_seen[:, None], MOST_STEPS)
    path = f'<path d="{scale.steps(edges_s, thinned[:, 0])}"/>'
    share = percent(person.track.face_coverage)
    return row("face", "Face seen", svg(path, "seen", f"face seen in {share} of frames"), share)


def _draw_effects(scale: Scale, person: Person) -> list[str]:
    """Return how much face and voice moved the answer over time, where the prediction was explained."""
    rows: list[str] = []
    for stream in () if person.timeline.task == "regression" else ("face", "voice"):
        numbers = person.stretches.effects_of(stream)
        if np.isnan(numbers).all():
            continue
        edges_s, thinned = thin(person.stretches.edges_s, numbers[:, None], MOST_STEPS)
        path = f'<path d="{scale.steps(edges_s, thinned[:, 0])}"/>'
        known = ~np.isnan(numbers)
        mean = points(np.average(numbers[known], weights=np.diff(person.stretches.edges_s)[known]))
        label = f"the {stream} moved the answer by {mean.replace('point', 'percentage point')} on average"
        chart = svg(path, "moves", label, f' data-effect="{stream}"')
        rows.append(row("effect", f"Moved by {stream} <small>(size)</small>", chart, mean))
    return rows
