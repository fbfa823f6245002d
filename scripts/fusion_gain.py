r"""Is hierarchical feature fusion worth it? On puppets: all layers against the last one, over some seeds.

    python scripts/fusion_gain.py --data data/puppets --output runs/first
    python scripts/fusion_gain.py --data data/puppets --output runs/steady --recipe puppets-nano-steady \
        --init "runs/first/seed-{seed}/{arm}/best.safetensors"

are the two steps that the bundled weight was made by. Interrupted, a call goes on where it was; its last lines are a
table. A run of the first step takes 40 minutes on one core, of the second 20; two calls with ``--arms all`` and
``--arms last`` share two cores. With ``--more`` the weights are also tested on the test clips of another corpus
(``hicmae puppets make other --train 0 --validation 0 --test 1200 --seed 7``): 300 clips tell little apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.files import compute_sha256, write_atomically
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.fold import finetune_and_test
from hicmae_cli.training.finetuning.loop import Progress
from hicmae_cli.training.finetuning.state import EpochReport
from hicmae_cli.training.finetuning.task import Task, read_task
from hicmae_cli.training.recipes import load_settings, parse_overrides
from hicmae_cli.training.settings import FinetuneSettings
from hicmae_cli.weights.checkpoint import load_classifier

ARMS = {"all": "all layers (hierarchical fusion)", "last": "last layer"}
DRAWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/puppets"), help="drawn by `hicmae puppets make`")
    parser.add_argument("--more", type=Path, help="another such folder, to test on as well")
    parser.add_argument("--output", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS), help="one for each of two calls")
    parser.add_argument("--init", help="weight to start from; {seed} and {arm} in it stand for these")
    parser.add_argument("--recipe", default="puppets-nano")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for the recipe")
    given = parser.parse_args()
    task, samples = puppets_in(given.data)
    more = [sample for sample in puppets_in(given.more)[1] if sample.split == "test"] if given.more else []
    found: dict[str, list[Evaluation]] = {arm: [] for arm in given.arms}
    for seed in given.seeds:
        for arm in given.arms:
            init = Path(given.init.format(seed=seed, arm=arm)) if given.init else None
            changes = {**parse_overrides(given.set), "seed": seed, "layer_fusion": arm == "all"}
            outcome, tested = finetune_and_test(
                given.output / f"seed-{seed}" / arm,
                task,
                samples,
                None,
                init=init,
                settings=load_settings(FinetuneSettings, given.recipe, changes),
                progress=Progress(on_epoch=show),
            )
            if tested is None or outcome.weight is None:
                raise SystemExit("stopped; give the same command again to go on")
            print(f"seed {seed}, {ARMS[arm]}: test UAR {tested.metrics['uar']:.4f}", flush=True)
            if more:
                other = tested_on_more(more, outcome.weight)
                print(f"  on {len(more)} clips of {given.more}: {other.metrics['uar']:.4f}", flush=True)
                others = (replace(result, speaker=f"other {result.speaker}") for result in other.samples)
                tested = replace(tested, samples=(*tested.samples, *others))
            found[arm].append(tested)
    clips = len(next(iter(found.values()))[0].samples)
    print(f"\n{given.recipe}, {len(given.seeds)} seeds, UAR with face and voice on {clips} clips")
    for arm, results in found.items():
        scores = [result.metrics["uar"] for result in results]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        print(
            f"{ARMS[arm]:34s} mean {statistics.mean(scores):.4f}  sd {spread:.4f}  each "
            + " ".join(f"{score:.4f}" for score in scores)
        )
    if len(found) < len(ARMS):
        return
    middle, low, high = difference(found["all"], found["last"])
    print(f"{'difference':34s} mean {middle:+.4f}  95 % of {DRAWS} draws of the people: {low:+.4f} to {high:+.4f}")


def tested_on_more(clips: Sequence[Sample], weight: Path) -> Evaluation:
    """What a weight answers to more clips; kept beside it, and not asked again."""
    made_of = {"weight": compute_sha256(weight), "clips": [f"{clip.video} {clip.label}" for clip in clips]}
    kept = weight.with_name("more.json")
    if kept.is_file() and (record := json.loads(kept.read_text("utf-8")))["made_of"] == made_of:
        return Evaluation.from_record(record["result"])
    found = evaluate(clips, TorchEngine(*load_classifier(weight), "cpu"))["av"]
    with write_atomically(kept) as temporary:
        temporary.write_text(json.dumps({"made_of": made_of, "result": found.to_record()}), "utf-8")
    return found


def puppets_in(folder: Path) -> tuple[Task, list[Sample]]:
    """All clips of a drawn corpus, and what they teach."""
    return read_task(folder / "manifest.csv", find_dataset("puppets"), name="puppets", source="scripts/fusion_gain.py")


def difference(left: Sequence[Evaluation], right: Sequence[Evaluation]) -> tuple[float, float, float]:
    """UAR of some weights less that of others on the same clips, means over the seeds -> it, and its interval.

    Both see the same people in every draw of the bootstrap: what is easy for one is easy for the other.
    """
    samples = left[0].samples
    labels, truth = np.unique([sample.label for sample in samples], return_inverse=True)
    people, person = np.unique([sample.speaker for sample in samples], return_inverse=True)
    gain = np.mean([hits(a) - hits(b) for a, b in zip(left, right, strict=True)], axis=0)  # (n,)
    drawn = np.random.default_rng(0).multinomial(len(people), np.full(len(people), 1 / len(people)), DRAWS)
    weights = np.concatenate((np.ones((1, len(people))), drawn))[:, person]  # (1 + draws, n)
    is_of = np.eye(len(labels))[truth]  # (n, C)
    gains = ((weights * gain) @ is_of / (weights @ is_of)).mean(axis=1)
    low, high = np.quantile(gains[1:], (0.025, 0.975))
    return float(gains[0]), float(low), float(high)


def hits(result: Evaluation) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Whether each clip was named rightly (n,)."""
    return np.array([float(sample.label == sample.prediction) for sample in result.samples])


def show(report: EpochReport) -> None:
    print(
        f"  epoch {report.epoch}: loss {report.loss:.4f}, validation {report.scores.get('uar')}, "
        f"{report.clips_per_s:.0f} clips/s",
        flush=True,
    )


if __name__ == "__main__":
    main()
