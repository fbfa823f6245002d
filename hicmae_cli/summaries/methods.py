"""A paragraph on predictions for the methods section of a paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from hicmae_cli import __version__
from hicmae_cli.report.console import weight_notice
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.versions import describe_versions
from hicmae_cli.timeline import make_timeline

_HOUR_S: Final = 3600
_MINUTE_S: Final = 60
_CALIBRATED: Final = {"av": "both streams", "video": "a face alone", "audio": "a voice alone"}
_STREAMS: Final = {
    "auto": "faces and voices, as far as a window had them",
    "av": "faces and voices together",
    "video": "faces only",
    "audio": "voices only",
}

_SOUNDS: Final = {
    "speaker": "The voice was used only for the person who spoke, found by how well lips and sound move together; "
    "listeners were judged by the face.",
    "shared": "The sound was used for everybody in view.",
}


def describe_predictions(
    predictions: Sequence[Prediction], *, baseline: str = "", events: int = 0, speaking: bool = False
) -> str:
    """Describe how predictions were made and summarized, as Markdown.

    It states what the documents hold, and neither results nor who the people are: those are yours to add.

    Args:
        predictions: of one weight and one kind of window.
        baseline: what changes are relative to, as given; empty without.
        events: number of events; 0 if each file was summarized as a whole.
        speaking: whether the time that people speak was measured.
    """
    model = predictions[0].model
    done = [file for each in predictions for file in each.files if not file.failed]
    predicted = f"predicted with {describe_versions(file.hicmae_version for file in done)} and " if done else ""
    sentences = [
        _describe_files(predictions),
        _describe_model(model),
        _describe_windows(predictions[0]),
        *_describe_choices(predictions),
        _describe_measures(model, baseline, events, speaking=speaking),
        f"We {predicted}made the table with hicmae {__version__}.",
    ]
    use = model.info.intended_use.strip().rstrip(".")
    limits = [weight_notice(_code(model.name), model.info) or "", f"Its intended use: {use}." if use else ""]
    limits.append(
        "The outputs say which expressions of the training data a face and a voice resemble, not what a person feels; "
        "they depend on light, pose, sound, age, culture and context, and overlapping windows are not independent "
        "observations."
    )
    return f"{' '.join(filter(None, sentences))}\n\n**Limits.** {' '.join(filter(None, limits))}\n"


def _describe_files(predictions: Sequence[Prediction]) -> str:
    done = [(file, each.settings) for each in predictions for file in each.files if not file.failed]
    spans = [make_timeline(file, file.tracks[0], settings) for file, settings in done if not file.is_photograph]
    total_s = sum(span.end_s - span.start_s for span in spans)
    total = f" ({_format_duration(total_s)} analysed in all)" if total_s else ""
    kinds = [_count(len(spans), "recording")] if spans else []
    kinds += [_count(len(done) - len(spans), "photograph")] if len(done) > len(spans) else []
    people = sum(len(file.tracks) for file, _ in done)
    text = f"We analysed {' and '.join(kinds)}{total} with {_count(people, 'track')} of a face or a voice"
    failed = sum(len(each.failures) for each in predictions)
    return f"{text}; {_count(failed, 'file')} could not be analysed." if failed else f"{text}."


def _describe_model(model: ModelRecord) -> str:
    info = model.info
    what = {"regression": "values of", "multilabel": "sets of"}.get(info.task, "probabilities of")
    renamed = f"; labels renamed after the training: {', '.join(info.list_renamed())}" if info.relabelled else ""
    fitted = [
        f"{temperature:.3g} for {streams}"
        for modality, streams in _CALIBRATED.items()
        if (temperature := info.find_temperature(modality)) is not None
    ]
    calibrated = f", calibrated with a temperature of {' and '.join(fitted)}" if fitted else ""
    return (
        f"The model was HiCMAE (Sun et al., 2024; size {info.variant}) with the weight {_code(model.name)} (SHA-256 "
        f"{_code(model.sha256)}, made with {info.created_with}, trained on {info.dataset}, licence {info.licence}"
        f"{renamed}), run by {model.engine} on {model.device}. It predicts {what} {', '.join(info.labels)}{calibrated}."
    )


def _describe_windows(prediction: Prediction) -> str:
    settings = prediction.settings.follow(prediction.model.info.step_s)
    text = (
        f"It judged each person in windows of {settings.window_s:.3g} s, starting every {settings.hop_s:.3g} s, from "
        f"{_STREAMS.get(settings.modality, settings.modality)}. The numbers at a moment are the mean of the windows "
        "that cover it"
    )
    text += f", after a centred mean over {settings.smooth_s:.3g} s" if settings.smooth_s else ""
    text += f"; no label counts below a probability of {settings.abstain:.3g}" if settings.abstain else ""
    return f"{text}. {_SOUNDS.get(settings.sound, '') if settings.modality in ('auto', 'av') else ''}".strip()


def _describe_choices(predictions: Sequence[Prediction]) -> Iterator[str]:
    """Yield a sentence for each choice of people and part; predictions may differ in them."""
    done = [each.settings for each in predictions for file in each.files if not file.failed]
    counts = Counter(text for settings in done for text in _list_choices(settings))
    for text, number in counts.items():
        if number == len(done):
            yield f"{text[0].upper()}{text[1:]}."
        else:
            yield f"For {number} of {_count(len(done), 'file')}, {text}."


def _list_choices(settings: PredictSettings) -> Iterator[str]:
    """Yield what was chosen of people and part of the files, where it is not the default."""
    if settings.faces == "all":
        yield "everybody in view was followed"
    elif settings.faces == "largest":
        yield "only the person with the largest face of each window was judged"
    elif settings.faces != PredictSettings().faces:
        yield f"at most {settings.faces} {'person was' if settings.faces == 1 else 'people were'} followed at once"
    start, end = settings.start_s, settings.end_s
    if start or end is not None:
        part = f"from {start:g} s to {'the end' if end is None else f'{end:g} s'}"
        yield f"only the part {part} was analysed"
    if settings.people_sha256 is not None:
        yield f"people were named after photographs of them (SHA-256 {_code(str(settings.people_sha256))})"


def _describe_measures(model: ModelRecord, baseline: str, events: int, *, speaking: bool) -> str:
    whole = "each event" if events else "each recording"
    if model.info.task == "regression":
        text = f"For each person and {whole} we computed the mean over time, the largest and the smallest value, "
    else:
        text = (
            f"For each person and {whole} we computed the mean probability over time, the share of time with each "
            "label, its peak, its first occurrence, "
        )
    text += "the time in seconds in which the person speaks, " if speaking else ""
    text += "and the share of time that at least one window covers (coverage)"
    return f"{text}; changes are relative to the same person's mean in {_code(baseline)}." if baseline else f"{text}."


def _code(text: str) -> str:
    """Write a name from a file as code, which Markdown does not interpret."""
    plain = "".join(c if c.isprintable() else " " for c in text).replace("`", "'")
    return f"`{plain}`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _format_duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} seconds"
    return f"{seconds / _MINUTE_S:.0f} minutes" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} hours"
