"""A paragraph for the methods section of a paper, written from the records of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hicmae_cli.errors import WeightsError
from hicmae_cli.records.facts import RunRecord

_STREAMS = {"av": "faces and voices", "video": "faces only", "audio": "voices only"}
_MOST_SEEDS = 10
_SHORT_HASH = 12
_MINUTE_S, _HOUR_S = 60, 3600


def describe_methods(records: Sequence[RunRecord]) -> str:
    """Describe how the runs of one experiment were made, in sentences for a methods section.

    It states what the records hold, and neither scores nor what the data are: those are yours to add.

    Args:
        records: of all folds and seeds of one fine-tuning experiment, or of one pre-training.

    Raises:
        WeightsError: no records, runs of several phases, or runs that differ in more than seed and fold.
    """
    if not records:
        raise WeightsError("there are no records to describe")
    first = records[0].run
    for record in records[1:]:
        changed = [key for key, value in _common(record).items() if value != _common(records[0]).get(key)]
        if changed:
            raise WeightsError(
                f"the runs differ in {', '.join(changed)}: describe one experiment at a time, not several together"
            )
    recipe = first.recipe
    sentences = [_describe_model(records), _describe_data(records)]
    sentences += [_describe_folds(records)] if first.phase == "fine-tuning" else []
    sentences.append(_describe_training(recipe))
    sentences += [_describe_selection(recipe)] if first.phase == "fine-tuning" else []
    sentences.append(_describe_machine(records))
    return " ".join(filter(None, sentences))


def _common(record: RunRecord) -> dict[str, Any]:
    """Return what all runs of one experiment share."""
    own = {"seed", "split_seed"}
    run = record.run
    return {
        "phase": run.phase,
        "data": run.data and run.data.files_sha256,
        "start": run.init and run.init.tensors_sha256,
        **{key: value for key, value in run.recipe.items() if key not in own},
    }


def _describe_model(records: Sequence[RunRecord]) -> str:
    run = records[0].run
    verb = "fine-tuned" if run.phase == "fine-tuning" else "pre-trained"
    streams = _STREAMS.get(str(run.recipe.get("modality", "av")), "")
    version = run.versions.get("hicmae", "")
    tool = f"hicmae {version}".strip() + (f" (commit {run.commit.commit[:_SHORT_HASH]})" if run.commit else "")
    text = f"We {verb} HiCMAE (Sun et al., 2024; size {run.recipe.get('variant', 'custom')}, {streams}) with {tool}"
    if run.init is None:
        return f"{text}, starting from random parameters."
    return f"{text}, starting from the weight {run.init.weight} (SHA-256 {run.init.tensors_sha256[:_SHORT_HASH]}…)."


def _describe_data(records: Sequence[RunRecord]) -> str:
    run = records[0].run
    if run.data is None:
        return ""
    name = run.parameters.get("dataset") or run.data.manifest or "the recordings"
    text = f"The data were {run.data.clips} clips of {name} (SHA-256 {run.data.files_sha256[:_SHORT_HASH]}…)"
    if run.phase == "pre-training":
        return f"{text}."
    if run.recipe.get("sampling", "frames") == "time":
        return f"{text}; the model saw 16 face crops, 0.16 s apart, and the sound of the same time."
    rate = run.recipe.get("sampling_rate", 1)
    every = "consecutive" if rate == 1 else f"one in {rate}"
    return f"{text}; the model saw 16 face crops, {every} frames, and the sound of the same time."


def _describe_folds(records: Sequence[RunRecord]) -> str:
    folds = list(dict.fromkeys(record.run.fold for record in records))
    seeds = sorted({record.run.seed for record in records})
    protocol = str(records[0].run.parameters.get("protocol") or "official")
    if folds == [""]:
        text = "The split into training and test clips was that of the list"
    elif protocol == "loso":
        text = f"We left one speaker out at a time ({_count(len(folds), 'fold')})"
    elif protocol == "official":
        text = f"We tested {_count(len(folds), 'fold')} of the list, each by a model trained on the others"
    else:
        split_seeds = sorted({int(record.run.recipe.get("split_seed", 0)) for record in records})
        text = (
            f"We drew folds over people ({protocol}, split seed {_join(split_seeds)}), so that nobody was in both the "
            "training and the test clips"
        )
    share = float(records[0].run.recipe.get("label_share", 1.0))
    text += f", trained on {share:.3g} of the labelled training clips of each class" if share != 1 else ""
    if len(seeds) == 1:
        return f"{text}, with the random seed {seeds[0]}."
    return f"{text}, and repeated everything with {len(seeds)} random seeds ({_join(seeds)})."


def _describe_training(recipe: Mapping[str, Any]) -> str:
    batch = recipe.get("batch_size", 0)
    peak = float(recipe.get("base_lr", 0.0)) * float(batch) / 256
    warmup = float(recipe.get("warmup_epochs", 0))
    rate = f"rising to {peak:.3g} over {warmup:g} epochs and then falling" if warmup else f"falling from {peak:.3g}"
    text = (
        f"We trained for {_count(recipe.get('epochs', 0), 'epoch')} with AdamW (batches of {batch} clips, learning "
        f"rate {rate} by a cosine, weight decay {recipe.get('weight_decay', 0):g})"
    )
    parts = [
        f"{name} {value:g}"
        for key, name in (
            ("layer_decay", "layer-wise decay of the learning rate"),
            ("drop_path", "stochastic depth"),
            ("label_smoothing", "label smoothing"),
            ("mixup", "mixup"),
            ("cutmix", "CutMix"),
        )
        if (value := recipe.get(key)) and (key, value) != ("layer_decay", 1.0)
    ]
    if recipe.get("freeze", "none") != "none":
        parts.append(f"frozen {recipe['freeze']}")
    if recipe.get("lora_rank"):
        parts.append(f"LoRA of rank {recipe['lora_rank']}")
    dropped = [f"{recipe[key]:.1%} of the {name} tokens" for key, name in _TOKENS if recipe.get(key)]
    parts += [f"training on clips without {' and '.join(dropped)}, drawn for each step"] if dropped else []
    if recipe.get("video_tokens", 800) != 800:
        parts.append(f"{recipe['video_tokens']} of 800 video tokens read in validation and test")
    parts += _list_drawing(recipe)
    return f"{text}, {', '.join(parts)}." if parts else f"{text}."


def _list_drawing(recipe: Mapping[str, Any]) -> list[str]:
    """How clips were drawn, paired and taught, where the recipe says so."""
    parts = []
    if recipe.get("epoch_clips"):
        parts.append(f"epochs of {recipe['epoch_clips']} drawn clips")
    if shares := recipe.get("source_shares"):
        named = [f"{share:.3g} of {source}" for source, share in shares.items()]
        parts.append(f"sources mixed in the shares {', '.join(named)}")
    if (balance := recipe.get("balance", "none")) != "none":
        root = "in proportion to the square root of their clips"
        parts.append(f"the labels of each source drawn {'equally often' if balance == 'label' else root}")
    if recipe.get("person_cap"):
        parts.append(f"at most {recipe['person_cap']} clips of a person with one label in an epoch")
    if recipe.get("pair_streams"):
        parts.append(
            f"clips of one stream paired with probability {recipe['pair_streams']:g} with one of the other stream, "
            f"{recipe.get('pair_disagreeing', 0):.3g} of them with another label"
        )
    if recipe.get("teacher_weight"):
        parts.append(f"a share of {recipe['teacher_weight']:g} of each target from a teacher's probabilities")
    if recipe.get("auxiliary_weight"):
        parts.append(f"cues of face and voice learned beside the labels with weight {recipe['auxiliary_weight']:g}")
    return parts


_TOKENS = (("drop_video_tokens", "video"), ("drop_audio_tokens", "audio"))


def _describe_selection(recipe: Mapping[str, Any]) -> str:
    selection = recipe.get("selection", "val")
    if selection == "last":
        return "We kept the last epoch."
    if selection == "test-best":
        return "We kept the epoch with the best score on the test clips, so the scores are optimistic."
    share = float(recipe.get("validation_share", 0.0))
    return (
        "We kept the epoch with the best score on validation clips; where the list names none, these are "
        f"{share:.0%} of the training clips, whole people at a time. The test clips were scored once, after that."
    )


def _describe_machine(records: Sequence[RunRecord]) -> str:
    run = records[0].run
    device = run.machine.get("gpu") or run.machine.get("cpu") or run.machine.get("system") or ""
    precision = run.recipe.get("mixed_precision", "no")
    text = f"Training ran on {device}" if device else "Training ran"
    text += f" in {'float32' if precision == 'no' else precision}"
    text += f" with PyTorch {run.versions['torch']}" if "torch" in run.versions else ""
    durations = [record.duration_s for record in records]
    if all(duration is not None for duration in durations):
        text += f", {_format_duration(sum(filter(None, durations)))} in all"
    return f"{text}."


def _format_duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} seconds"
    return f"{seconds / _MINUTE_S:.0f} minutes" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} hours"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _join(numbers: Sequence[int]) -> str:
    shown = [str(number) for number in numbers[:_MOST_SEEDS]] + (["…"] if len(numbers) > _MOST_SEEDS else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
