"""One fold from its clips to its score: train, choose the epoch, and look at the test clips once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from accelerate import PartialState

from hicmae_cli import __version__
from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import Split
from hicmae_cli.errors import TrainingError, WeightsError
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.files import compute_sha256, write_atomically
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.loop import Outcome, Progress, finetune
from hicmae_cli.training.finetuning.parts import check_people, parts_of
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.runs import TESTED, fingerprint
from hicmae_cli.training.settings import FinetuneSettings
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.reading import read_info


def finetune_and_test(
    run: Path,
    task: Task,
    samples: Sequence[Sample],
    fold: str | None,
    *,
    settings: FinetuneSettings,
    init: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    on_split: Callable[[Split[Sample]], None] = lambda _: None,
    on_test_clip: Callable[[], None] = lambda: None,
) -> tuple[Outcome, Evaluation | None]:
    """Fine-tune on one fold of a manifest, or on its fixed split, and score the chosen weight on the test clips.

    A finished run is not tested again: what was found lies in its folder, if every clip could be read.

    Args:
        run: folder of the run.
        task: what is to be learned.
        samples: all lines of the manifest.
        fold: which fold to test; None where the column ``split`` says who is what.
        settings: the whole recipe.
        init: a weight to start from, as for ``finetune``.
        device: as there.
        progress: as there.
        on_split: called with the parts before the training.
        on_test_clip: called after each test clip, for progress.

    Returns:
        How the training ended, and the scores; none where it was stopped, where there are no test clips, and in all
        processes but the main one.

    Raises:
        HicmaeError: as ``finetune`` and ``evaluate`` do; people who are in both the training and the test clips; a
            start that has learned from the test clips.
    """
    doubt = check_start(init, task, fold) if init is not None else None
    if doubt and progress is not None:
        progress.warn(doubt)
    parts = parts_of(samples, settings, fold)
    check_people((*parts.train, *parts.validation), parts.test if settings.selection != "test-best" else (), "test")
    on_split(parts)
    outcome = finetune(
        run,
        task,
        train=parts.train,
        validation=parts.validation,
        settings=settings,
        init=init,
        fold=fold,
        device=device,
        progress=progress,
    )
    if not outcome.finished or not parts.test or not PartialState().is_main_process:
        return outcome, None
    assert outcome.weight is not None
    made_of = {
        "weight": compute_sha256(outcome.weight),
        "clips": fingerprint(_facts(sample) for sample in parts.test),
        "modality": settings.modality,
        "merge_by": task.merge_by,
        "device": device,
        "version": __version__,
    }
    found = _read_tested(run, made_of)
    if found is not None and progress is not None:
        progress.warn(f"{run / TESTED}: holds what the test found; remove it to test again")
    if found is None:
        engine = TorchEngine(*load_classifier(outcome.weight), device)
        tested = evaluate(
            parts.test, engine, modalities=(settings.modality,), merge_by=task.merge_by, on_clip=on_test_clip
        )
        found = tested[settings.modality]
        _write_tested(run, made_of, found)
    return outcome, found


def check_start(init: Path, task: Task, fold: str | None) -> str | None:
    """Make sure that a weight to start from has not learned from the clips that test a fold -> what to say in doubt.

    Two corpora of one's own may be called alike, and then nobody knows.

    Raises:
        WeightsError: it has, as far as weights say where they come from; or it cannot be read.
    """
    info = read_info(str(init))
    if not info.fold or not fold or info.fold == fold:
        return None
    if same_clips(info.dataset, task.dataset):
        raise WeightsError(
            f"{init}: has learned from the clips that test fold {fold}, as it left out fold {info.fold} of "
            f"{info.dataset}; start from one that was pre-trained, or that left out fold {fold}"
        )
    if info.dataset != task.dataset:
        return None
    return (
        f"{init}: left out fold {info.fold} of {info.dataset}; if these are the same clips, it has learned from those "
        f"that test fold {fold}, and the score will be too good"
    )


def _facts(sample: Sample) -> str:
    """What a clip is, and whether its files are those that they were."""
    files = [path.stat() for path in (sample.video, sample.audio) if path is not None and path.exists()]
    return f"{sample} " + " ".join(f"{file.st_size},{file.st_mtime_ns}" for file in files)


def _read_tested(run: Path, made_of: Mapping[str, object]) -> Evaluation | None:
    """What an earlier call found, if it was by this weight on these clips and every clip could be read."""
    try:
        document = json.loads((run / TESTED).read_text("utf-8"))
        if document["made_of"] != made_of:
            return None
        found = Evaluation.from_record(document["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if found.failures else found


def _write_tested(run: Path, made_of: Mapping[str, object], found: Evaluation) -> None:
    text = json.dumps({"made_of": made_of, "result": found.to_record()}, allow_nan=False)
    try:
        with write_atomically(run / TESTED) as temporary:
            temporary.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise TrainingError(f"{run / TESTED}: cannot be written: {error.strerror}") from error
