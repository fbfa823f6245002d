"""Is pre-training worth it? On puppets: fine-tuning after it against fine-tuning from scratch, over some seeds.

    python scripts/pretraining_gain.py --data data/puppets --output runs/gain

For every seed: pre-train on all training clips without their labels, fine-tune on a few labelled ones with and without
that start, score both on the test clips; and let faces find their voices among 64 held-out clips. Interrupted, it goes
on where it was. An hour and a half on 2 busy cores; the last lines are the table.
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
from hicmae_cli.corpora.unlabelled import from_manifest
from hicmae_cli.evaluation.retrieval import recall_among
from hicmae_cli.models.objectives import contrastive_logits, embed_layers
from hicmae_cli.training.finetuning.fold import finetune_and_test
from hicmae_cli.training.finetuning.task import Task, read_task
from hicmae_cli.training.pretraining.loop import Progress, pretrain
from hicmae_cli.training.recipes import load_settings, parse_overrides
from hicmae_cli.training.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.weights.checkpoint import load_pretrained

GROUP = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/puppets"), help="drawn by `hicmae puppets make`")
    parser.add_argument("--unlabelled", type=Path, help="another such folder to pre-train on; by default --data")
    parser.add_argument("--output", type=Path, default=Path("runs/gain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labelled", type=int, default=300, help="training clips whose labels are used")
    parser.add_argument("--epochs", type=int, default=16, help="of fine-tuning")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for the pre-training recipe")
    given = parser.parse_args()
    task, samples = read_task(
        given.data / "manifest.csv", find_dataset("puppets"), name="puppets", source="scripts/pretraining_gain.py"
    )
    test = [sample for sample in samples if sample.split == "test"]
    rows = []
    for seed in given.seeds:
        folder = given.output / f"seed-{seed}"
        weight = pretrained(given.unlabelled or given.data, folder / "pretrain", seed, given.set)
        found = retrieval(weight, test)
        scratch, start = (
            finetuned(task, samples, folder / name, seed, given.labelled, given.epochs, init)
            for name, init in (("scratch", None), ("pretrained", weight))
        )
        rows.append((scratch, start, found))
        print(
            f"seed {seed}: test UAR {scratch:.4f} from scratch, {start:.4f} pre-trained; recall@1 {found:.4f}",
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


def pretrained(data: Path, run: Path, seed: int, changes: list[str]) -> Path:
    """The weight of a pre-training on all training clips."""
    settings = load_settings(
        PretrainSettings, "pretrain-puppets-nano", {**parse_overrides(changes), "seed": seed, "picture_every": 0}
    )
    recordings, _ = from_manifest(data / "manifest.csv")
    outcome = pretrain(
        run,
        recordings=recordings,
        dataset="puppets",
        licence="MIT",
        front_end="hicmae.align/1",
        source="scripts/pretraining_gain.py",
        settings=settings,
        progress=Progress(on_epoch=lambda epoch, loss: print(f"  pre-training {epoch}: loss {loss:.4f}", flush=True)),
    )
    if outcome.weight is None or not outcome.finished:
        raise SystemExit("stopped; give the same command again to go on")
    return outcome.weight


def finetuned(
    task: Task, samples: list[Sample], run: Path, seed: int, labelled: int, epochs: int, init: Path | None
) -> float:
    """UAR on the test clips after fine-tuning on some labelled ones; both starts have the same budget."""
    settings = load_settings(
        FinetuneSettings, "puppets-nano", {"seed": seed, "epochs": epochs, "validate_every": epochs}
    )
    train = [sample for sample in samples if sample.split == "train"]
    some = [train[index] for index in np.random.default_rng(seed).permutation(len(train))[:labelled]]
    others = [sample for sample in samples if sample.split != "train"]
    tested = finetune_and_test(run, task, [*some, *others], None, settings=settings, init=init).evaluation
    if tested is None:
        raise SystemExit("stopped; give the same command again to resume")
    return tested.metrics["uar"]


@torch.inference_mode()
def retrieval(weight: Path, test: list[Sample]) -> float:
    """Recall@1 among 64 of the test clips, faces to voices and back, over 50 draws."""
    model, info = load_pretrained(weight)
    facts = info.pretraining
    assert facts is not None
    seen: list[torch.Tensor] = []
    heard: list[torch.Tensor] = []
    for start in range(0, len(test), 16):
        clips = [read_prepared_clip(s.video, s.audio).read_evaluation_clips(1)[0] for s in test[start : start + 16]]
        layers = model.encode(*(torch.from_numpy(stream) for stream in stack_clips(clips)))
        for kept, stream in zip((seen, heard), layers, strict=True):
            kept.append(embed_layers(stream, facts.contrast_segments))
    logits = contrastive_logits(torch.cat(seen, dim=1), torch.cat(heard, dim=1), centred=facts.contrast_centred)
    return recall_among(logits.mean(dim=0).double().numpy(), GROUP, draws=50)


if __name__ == "__main__":
    main()
