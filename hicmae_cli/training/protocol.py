"""One fold from its clips to its score: train, choose the epoch, and look at the test clips once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from accelerate import PartialState

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import Split
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetune import Outcome, Progress, Task, finetune
from hicmae_cli.training.finetune_data import check_people, parts_of
from hicmae_cli.training.settings import FinetuneSettings
from hicmae_cli.weights.checkpoint import load_classifier


def finetune_and_test(
    run: Path,
    samples: Sequence[Sample],
    fold: str | None,
    *,
    labels: Sequence[str],
    dataset: str,
    licence: str,
    front_end: str,
    source: str,
    settings: FinetuneSettings,
    task: Task = "classification",
    metric: str | None = None,
    merge_by: int = 0,
    init: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    on_split: Callable[[Split], None] = lambda _: None,
    on_test_clip: Callable[[], None] = lambda: None,
) -> tuple[Outcome, Evaluation | None]:
    """Fine-tune on one fold of a manifest, or on its fixed split, and score the chosen weight on the test clips.

    Args:
        run: folder of the run.
        samples: all lines of the manifest.
        fold: which fold to test; None where the column ``split`` says who is what.
        merge_by: of the dataset; see ``corpora.dataset.Dataset``.
        on_split: called with the parts before the training.
        on_test_clip: called after each test clip, for progress.
        labels: as for ``finetune``.
        dataset: as there.
        licence: as there.
        front_end: as there.
        source: as there.
        settings: as there.
        task: as there.
        metric: as there.
        init: as there.
        device: as there.
        progress: as there.

    Returns:
        How the training ended, and the scores; none where it was stopped, where there are no test clips, and in all
        processes but the main one.

    Raises:
        HicmaeError: as ``finetune`` and ``evaluate`` do; and people who are in both the training and the test clips.
    """
    parts = parts_of(samples, settings, fold)
    check_people(
        (*parts.train, *parts.validation), parts.test if settings.selection != "test-best" else (), "test"
    )
    on_split(parts)
    outcome = finetune(
        run, train=parts.train, validation=parts.validation, labels=labels, dataset=dataset, licence=licence,
        front_end=front_end, source=source, settings=settings, task=task, metric=metric, init=init, device=device,
        progress=progress,
    )  # fmt: skip
    if not outcome.finished or not parts.test or not PartialState().is_main_process:
        return outcome, None
    assert outcome.weight is not None
    engine = TorchEngine(*load_classifier(outcome.weight), device)
    found = evaluate(
        parts.test, engine, modalities=(settings.modality,), merge_by=merge_by, on_clip=on_test_clip
    )
    return outcome, found[settings.modality]
