"""Measure the gain of pre-training on puppets: fine-tuning with and without it, over some seeds.

    python scripts/pretraining_gain.py --data data/puppets --output runs/gain

For every seed: pre-train on all training clips without their labels, fine-tune on a few labelled ones with and without
that start, score both on the test clips, and match the faces and voices of 64 test clips. Started again after an
interruption, it resumes. It takes an hour and a half on 2 busy cores; the last lines are the table.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.clips.clip import stack_clips
from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.evaluation.comparison.compare import compare
from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.retrieval import recall_among
from hicmae_cli.models.objectives import contrastive_logits, embed_layers
from hicmae_cli.recipes.recipe import load_settings, parse_overrides
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.fold import finetune_and_test
from hicmae_cli.training.finetuning.task import Task, read_task
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.run import pretrain
from hicmae_cli.weights.checkpoint import load_pretrained

GROUP = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/puppets"), help="corpus of `hicmae puppets make`")
    parser.add_argument("--unlabelled", type=Path, help="another corpus to pre-train on; by default --data")
    parser.add_argument("--output", type=Path, default=Path("runs/gain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labelled", type=int, default=300, help="training clips to use with their labels")
    parser.add_argument("--epochs", type=int, default=16, help="epochs of fine-tuning")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of the pre-training recipe"
    )
    given = parser.parse_args()
    task, samples = read_task(
        given.data / "manifest.csv", find_dataset("puppets"), name="puppets", source="scripts/pretraining_gain.py"
    )
    test = [sample for sample in samples if sample.split == "test"]
    rows = []
    arms: dict[str, dict[str, SystemRun]] = {"from scratch": {}, "pre-trained": {}}
    for seed in given.seeds:
        folder = given.output / f"seed-{seed}"
        weight = pretrain_once(given.unlabelled or given.data, folder / "pretrain", seed, given.set)
        found = measure_retrieval(weight, test)
        scratch, start = (
            finetune_once(task, samples, folder / name, seed, given.labelled, given.epochs, init)
            for name, init in (("scratch", None), ("pretrained", weight))
        )
        for arm, tested in zip(arms.values(), (scratch, start), strict=True):
            arm[f"seed {seed}"] = SystemRun.from_evaluation(tested)
        rows.append((scratch.metrics["uar"], start.metrics["uar"], found))
        print(
            f"seed {seed}: test UAR {rows[-1][0]:.4f} from scratch, {rows[-1][1]:.4f} pre-trained; recall@1 "
            f"{found:.4f}",
            flush=True,
        )
    print(f"\n{len(rows)} seeds, {given.labelled} labelled clips, {given.epochs} epochs of fine-tuning")
    for name, column in zip(
        ("test UAR from scratch", "test UAR pre-trained", f"recall@1 among {GROUP} (chance {1 / GROUP:.4f})"),
        zip(*rows, strict=True),
        strict=True,
    ):
        spread = statistics.stdev(column) if len(column) > 1 else 0.0
        print(
            f"{name:32s} mean {statistics.mean(column):.4f}  sd {spread:.4f}  each "
            + " ".join(f"{v:.4f}" for v in column)
        )
    comparison = compare(*(System(name, runs) for name, runs in arms.items()))
    print("\n".join([*comparison.sentences, *(f"warning: {text}" for text in comparison.warnings)]))


def pretrain_once(data: Path, run: Path, seed: int, changes: list[str]) -> Path:
    """Pre-train on all training clips -> the weight."""
    outcome = pretrain(
        "puppets",
        root=data,
        overrides={**parse_overrides(changes), "picture_every": 0},
        seed=seed,
        output=run,
        progress=PretrainingProgress(
            on_epoch=lambda epoch, loss: print(f"  pre-training {epoch}: loss {loss:.4f}", flush=True)
        ),
    )
    if outcome.weight is None or not outcome.finished:
        raise SystemExit(str(outcome))
    return outcome.weight


def finetune_once(
    task: Task, samples: list[Sample], run: Path, seed: int, labelled: int, epochs: int, init: Path | None
) -> Evaluation:
    """Fine-tune on some labelled clips, equally long with and without a start -> its scores on the test clips."""
    settings = load_settings(
        FinetuneSettings, "puppets-nano", {"seed": seed, "epochs": epochs, "validate_every": epochs}
    )
    train = [sample for sample in samples if sample.split == "train"]
    some = [train[index] for index in np.random.default_rng(seed).permutation(len(train))[:labelled]]
    others = [sample for sample in samples if sample.split != "train"]
    tested = finetune_and_test(run, task, [*some, *others], None, settings=settings, init=init).evaluation
    if tested is None:
        raise SystemExit("stopped; give the same command again to resume")
    return tested.pooled


@torch.inference_mode()
def measure_retrieval(weight: Path, test: list[Sample]) -> float:
    """Match faces and voices among 64 test clips -> recall@1 over both directions and 50 draws."""
    model, info = load_pretrained(weight)
    facts = info.pretraining
    assert facts is not None
    video: list[torch.Tensor] = []
    audio: list[torch.Tensor] = []
    for start in range(0, len(test), 16):
        clips = [read_prepared_clip(s.video, s.audio).read_evaluation_clips(1)[0] for s in test[start : start + 16]]
        layers = model.encode(*(torch.from_numpy(stream) for stream in stack_clips(clips)))
        for kept, stream in zip((video, audio), layers, strict=True):
            kept.append(embed_layers(stream, facts.contrast_segments))
    logits = contrastive_logits(torch.cat(video, dim=1), torch.cat(audio, dim=1), centred=facts.contrast_centred)
    return recall_among(logits.mean(dim=0).double().numpy(), GROUP, draws=50)


if __name__ == "__main__":
    main()
