"""The sections of a report in words and tables: people, episodes, gaps, how it was made, the model and its limits."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Final

from hicmae_cli import __version__
from hicmae_cli.report.console import describe_limits, find_range
from hicmae_cli.report.html.markup import breakable, clock, duration, escape, facts, of_duration, percent, plural, table
from hicmae_cli.report.html.person import Lane, Person, describe_part
from hicmae_cli.report.original import is_there
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.versions import describe_versions
from hicmae_cli.weights.info import WeightInfo

MOST_EPISODES: Final = 200
"""Rows of a table of episodes or of gaps."""
_SHOWN_EPISODES: Final = 40  # more are folded
_PRINTED_ROWS: Final = 40  # of a table of episodes, also in style.css
OPTIONS: Final = {
    "modality": "--modality",
    "window_s": "--window",
    "hop_s": "--hop",
    "faces": "--faces",
    "start_s": "--start",
    "end_s": "--end",
    "smooth_s": "--smooth",
    "abstain": "--abstain",
    "people": "--people",
    "sound": "--sound",
    "explain": "--explain",
    "features": "--features",
}
"""Option of ``hicmae predict`` for each field of the settings that a user chooses."""
_BASED_ON: Final = {"av": "face and voice", "video": "face", "audio": "voice"}
NOT_FOR: Final = (
    "judging individuals: not for hiring, schooling, policing, border control, credit, diagnosis or surveillance. In "
    "the European Union, inferring emotions at work and in education is prohibited (AI Act, Article 5(1)(f), with "
    "exceptions for medical and safety reasons)."
)


def list_file_facts(file: FileResult, people: Sequence[Person]) -> str:
    """Return one line about the file: people, length, the part that was analysed, pictures and size."""
    seen = sum(not person.is_voice for person in people)
    parts = [count_people(seen)]
    parts += [duration(file.duration_s)] if file.duration_s else []
    parts += filter(None, [describe_part(file, people[0].timeline)])
    parts += [f"{file.width_px} \N{MULTIPLICATION SIGN} {file.height_px} px"] if file.width_px else []
    parts += [f"{file.fps:.4g} frames/s"] if file.fps else []
    parts += [_write_size(file.size_bytes)] if file.size_bytes else []
    return "".join(f"<li>{escape(part)}</li>" for part in parts)


def count_people(seen: int) -> str:
    """Write how many people are seen."""
    return plural(seen, "person").replace("persons", "people") if seen else "voice only"


def write_notice(name: str, info: WeightInfo, message: str = "") -> str:
    """Return what a reader must know first: what the weight cannot judge, and what was wrong with the file."""
    data, cannot = describe_limits(info)
    parts = [f"<p><b>{escape(name)} cannot judge {escape(cannot)}.</b></p>"] if cannot else []
    parts += [f"<p>{escape(name)} was trained on {escape(data)}.</p>"] if data else []
    if info.held_out:
        parts.append(f"<details open><summary>Scores on people it had not seen</summary>{_list_scores(info)}</details>")
    notices = ["".join(parts), f"<p>{escape(message)}</p>" if message else ""]
    return "".join(f'<div class="notice">{each}</div>' for each in notices if each)


def _list_scores(info: WeightInfo) -> str:
    return f"<ul>{''.join(f'<li>{escape(score)}</li>' for score in info.held_out)}</ul>" if info.held_out else ""


def draw_card(person: Person, lanes: Sequence[Lane], faces: Sequence[str], *, is_part: bool = False) -> str:
    """Return the card of a person: a face, the mean numbers as bars, and what they rest on.

    Args:
        person: whose card.
        lanes: labels or targets to show.
        faces: ``data:`` addresses of some of the person's faces.
        is_part: whether only a part of the file was analysed.
    """
    track, scores = person.track, person.scores
    lead = ""
    if scores.label is not None:
        places = {lane.name: place for place, lane in enumerate(lanes)}
        lead = "".join(
            f'<p class="lead"><span>{_chip(places.get(name, -1))}<b>{breakable(name)}</b></span> '
            f"{percent(scores.by_name[name])}</p>"
            for name in scores.labels
        )
    known = [
        ("Based on", f"{_BASED_ON[track.modality]}, {_count_windows(track)}"),
        ("Face seen", "" if person.is_voice else f"in {percent(track.face_coverage)} of frames"),
        ("Covered", f"{percent(person.timeline.coverage)} of the {'analysed part' if is_part else 'time'}"),
        ("Speaks", "" if person.speaks_s is None else of_duration(person.speaks_s, person.length_s)),
    ]
    first, rest = faces[:1], faces[1:]
    face = f'<img class="face" src="{first[0]}" alt="" width="88" height="88">' if first else _NO_FACE
    strip = "".join(f'<img src="{each}" alt="" width="44" height="44">' for each in rest)
    return (
        f'<article class="card"><div class="who">{face}<div><h3>{escape(person.name)}</h3>{lead}'
        f"{_compare(person)}</div></div>"
        f"{_draw_bars(person, lanes)}{facts((name, escape(value)) for name, value in known)}"
        f"{f'<div class=strip>{strip}</div>' if strip else ''}</article>"
    )


_NO_FACE: Final = (
    '<svg class="face" viewBox="0 0 88 88" aria-hidden="true"><circle cx="44" cy="35" r="14"/>'
    '<path d="M16 76c4-18 16-24 28-24s24 6 28 24"/></svg>'
)


def _count_windows(track: Track) -> str:
    """Return the number of windows in words."""
    spans_ms = sorted((round(1000 * window.start_s), round(1000 * window.end_s)) for window in track.windows)
    overlap = any(later[0] < earlier[1] for earlier, later in pairwise(spans_ms))
    return plural(len(spans_ms), "overlapping window" if overlap else "window")


def _compare(person: Person) -> str:
    """Return what the mean of a classification's label is to be compared with: the next label, and chance."""
    if person.chance is None:
        return ""
    ordered = sorted(person.scores.by_name.items(), key=lambda pair: -pair[1])
    words = [f"next: {name} {percent(number)}" for name, number in ordered[1:2]]
    return f"<small>{escape(' · '.join([*words, f'chance {percent(person.chance)}']))}</small>"


def _chip(place: int) -> str:
    """Return a spot of a lane's colour."""
    return (
        f'<svg class="chip l{place}" aria-hidden="true" viewBox="0 0 10 10"><rect width="10" height="10" rx="2"/></svg>'
    )


def _draw_bars(person: Person, lanes: Sequence[Lane]) -> str:
    """Return a bar for each lane, the largest first; labels without a lane are summed up in words.

    A target has no bar: the zero of its scale is arbitrary. It gets its mean, lowest and highest value.
    """
    by_name = person.scores.by_name
    rows = []
    if person.timeline.task == "regression":
        for lane in lanes:
            low, high = find_range(person.track, lane.name)
            values = f"{by_name[lane.name]:.2f} <small>({low:.2f} to {high:.2f})</small>"
            rows.append(f'<li class="value"><span>{breakable(lane.name)}</span><span>{values}</span></li>')
    else:
        at = f"M{100 * (person.chance or 0):.1f} 0V10"
        tick = f'<path class="halo" d="{at}"/><path class="chance" d="{at}"/>' if person.chance else ""
        for place, lane in sorted(enumerate(lanes), key=lambda pair: -by_name[pair[1].name]):
            share = by_name[lane.name]
            rows.append(
                f'<li class="l{place}"><span>{breakable(lane.name)}</span><svg viewBox="0 0 100 10" '
                'preserveAspectRatio="none" aria-hidden="true"><rect class="rail" width="100" height="10"/>'
                f'<rect width="{100 * share:.1f}" height="10"/>{tick}</svg><span>{percent(share)}</span></li>'
            )
    others = len(by_name) - len(lanes)
    more = f"<li class=more>{plural(others, 'other label')} with smaller means</li>" if others else ""
    return f'<ul class="bars">{"".join(rows)}{more}</ul>'


def list_episodes(people: Sequence[Person], lanes: Sequence[Lane]) -> str:
    """Return the tables of episodes, one for each person; nothing for a regression."""
    tables = []
    places = {lane.name: place for place, lane in enumerate(lanes)}
    is_open = " open" if sum(len(person.timeline.episodes) for person in people) <= _SHOWN_EPISODES else ""
    for person in people:
        found = person.timeline.episodes
        if not found:
            continue
        longest = sorted(found, key=lambda e: e.start_s - e.end_s)[:MOST_EPISODES]
        rows = [
            (
                f'<button type="button" data-from="{e.start_s:.3f}" data-to="{e.end_s:.3f}">'
                f"{clock(e.start_s)}</button>",
                clock(e.end_s),
                f"{e.end_s - e.start_s:.2f} s",
                "".join(_chip(places.get(name, -1)) for name in e.labels) + escape(e.label or "no label"),
                percent(e.probability),
                f"{percent(e.peak)} <small>at {clock(e.peak_s)}</small>",
            )
            for e in sorted(longest, key=lambda e: e.start_s)
        ]
        shown = plural(len(found), "episode")
        if len(found) > len(longest):
            shown = f"the {len(longest)} longest of {shown}; the JSON format lists all"
        columns = ("from", "to", "length", "label", "mean", "peak")
        left_out = f'<p class="on-paper">Only the first {_PRINTED_ROWS} are printed.</p>'
        tables.append(
            f"<details{is_open}><summary>{escape(person.name)} <small>{shown}</small></summary>"
            f"{table(columns, rows, f'Episodes of {person.name}')}"
            f"{left_out if len(rows) > _PRINTED_ROWS else ''}</details>"
        )
    if not tables:
        return ""
    title = '<h2 id="episodes">Episodes</h2>'
    lists = f'<div class="lists">{"".join(tables)}</div>'
    return f'<section class="episodes" aria-labelledby="episodes">{title}{lists}</section>'


def list_gaps(people: Sequence[Person]) -> str:
    """Return the table of stretches without an answer, with their reasons."""
    gaps = [(person, gap) for person in people for gap in person.timeline.gaps]
    if not gaps:
        return "<p>No gaps: every person has an answer throughout the analysed part.</p>"
    rows = [
        (
            escape(person.name),
            clock(gap.start_s),
            clock(gap.end_s),
            f"{gap.end_s - gap.start_s:.2f} s",
            escape(gap.reason),
        )
        for person, gap in gaps[:MOST_EPISODES]
    ]
    more = f"<p>The first {MOST_EPISODES} of {len(gaps)}.</p>" if len(gaps) > MOST_EPISODES else ""
    return table(("person", "from", "to", "length", "why"), rows, "Stretches without an answer") + more


def write_command(prediction: Prediction, file: FileResult) -> str:
    """Return a command that makes this prediction again."""
    model, settings, usual = prediction.model, prediction.settings, PredictSettings()
    options: list[tuple[str, Any]] = [("--weights", model.name), ("--engine", model.engine), ("--device", model.device)]
    for name, option in OPTIONS.items():
        value = getattr(settings, name)
        if value is not None and value != getattr(usual, name):
            options.append((option, repr(value).removesuffix(".0") if isinstance(value, float) else value))
    # A setting that is on has no value on the command line.
    given = [(option,) if value is True else (option, str(value)) for option, value in options]
    words = ["hicmae", "predict", str(file.path), *chain.from_iterable(given)]
    return " ".join(shlex.quote(word) for word in words)


def describe_making(prediction: Prediction, file: FileResult) -> str:
    """Return how the prediction was made: file, settings, versions and hashes."""
    model, settings = prediction.model, prediction.settings
    window_s, hop_s = settings.to_dict()["window_s"], settings.to_dict()["hop_s"]
    # A live stream and arrays cannot be given to the command.
    is_file = file.sha256 is not None or is_there(file)
    part = f"{clock(settings.start_s)} to {clock(settings.end_s) if settings.end_s else 'the end'}"
    rows = [
        ("Command", f"<code>{escape(write_command(prediction, file))}</code>" if is_file else ""),
        ("File", f"<code>{escape(file.path)}</code>"),
        ("File, SHA-256", f"<code>{escape(file.sha256 or 'not recorded')}</code>"),
        ("Weight", f"{escape(model.name)}, {escape(model.info.variant)}, made with {escape(model.info.created_with)}"),
        ("Weight, SHA-256", f"<code>{escape(model.sha256)}</code>"),
        ("Engine", f"{escape(model.engine)} on {escape(model.device)}"),
        ("Window", f"{window_s:g} s, every {hop_s:g} s"),
        ("Part", escape(part)),
        ("Streams", escape(settings.modality)),
        ("People", escape(f"at most {settings.faces}" if isinstance(settings.faces, int) else settings.faces)),
        ("Sound", "for the person who speaks" if settings.sound == "speaker" else "for everybody in view"),
        ("Smoothing", f"{settings.smooth_s:g} s" if settings.smooth_s else "none"),
        ("Answers below a threshold withheld", f"below {percent(settings.abstain)}" if settings.abstain else "no"),
        ("Predicted with", escape(describe_versions([file.hicmae_version]))),
        ("Page made with", escape(f"hicmae {__version__}")),
    ]
    return facts(rows)


def describe_model(name: str, info: WeightInfo) -> str:
    """Return the facts of the weight's card: data, scores on unseen people, limits, licence and use."""
    rows = [
        ("Name", escape(name)),
        ("Labels" if info.task != "regression" else "Targets", escape(", ".join(info.labels))),
        ("Trained on", escape(info.trained_on or info.dataset)),
        ("On people it had not seen", _list_scores(info) or "no score is recorded"),
        ("Cannot judge", escape(info.cannot_judge or "not recorded")),
        ("Calibrated", _describe_calibration(info) if info.task == "classification" else ""),
        ("Intended use", escape(info.intended_use or "not recorded")),
        ("Not for", escape(NOT_FOR)),
        ("Licence", escape(info.licence)),
    ]
    return facts(rows)


def _describe_calibration(info: WeightInfo) -> str:
    """Return for which streams the probabilities are calibrated, with the temperatures."""
    found = {words: info.find_temperature(modality) for modality, words in _BASED_ON.items()}
    return ", ".join(f"{words} (temperature {value:.2f})" for words, value in found.items() if value) or "no"


def list_hints(people: Sequence[Person], info: WeightInfo) -> str:
    """Return how to read the page, as a list."""
    points = []
    if info.task != "regression":
        points.append("Full colour marks the predicted label. Row height runs from 0 to 100%.")
    if info.task == "classification":
        points.append(f"The dashed line is chance, 1 in {len(info.labels)}.")
    points.append("Each moment shows the mean of all windows that cover it.")
    if info.task == "classification":
        points.append(
            f"The probabilities of {len(info.labels)} labels sum to 100%. There is no “none of these”, so even a yawn "
            "is given these labels."
        )
    used = {window.modality for person in people for window in person.track.windows}
    raw = [words for modality, words in _BASED_ON.items() if modality in used and not info.find_temperature(modality)]
    if info.task == "classification" and raw:
        whose = "" if len(raw) == len(used) else f" from {' and from '.join(raw)} alone"
        points.append(
            f"The probabilities{whose} are not calibrated: 80% does not mean that 8 of 10 such answers are right."
        )
    if info.task == "regression":
        points.append("Values are in the unit of the training targets. Each row has a scale of its own.")
    points.append("How a face looks or a voice sounds is not what a person feels.")
    if "av" in used and all(person.speaks_s is None for person in people):
        points.append("Who speaks was not tested: the same sound was used for everybody in view.")
    return "".join(f"<li>{escape(point)}</li>" for point in points)


def _write_size(size_bytes: int) -> str:
    size, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB"):
        if size >= 1000:
            size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
