r"""Is hierarchical feature fusion worth it? On puppets: all layers against the last one, over some seeds.

    python scripts/fusion_gain.py --data data/puppets --output runs/first
    python scripts/fusion_gain.py --data data/puppets --output runs/steady --recipe puppets-nano-steady \
        --init "runs/first/seed-{seed}/{arm}/best.safetensors"

are the two steps that made the bundled weight. The last lines of the output are a table. An interrupted call resumes
when it is given again. A run of the first step takes 40 minutes on one core, one of the second 20; two calls with
``--arms all`` and ``--arms last`` share two cores. With ``--more`` the weights are also tested on the test clips of
another corpus (``hicmae puppets make other --train 0 --validation 0 --test 1200 --seed 7``), because 300 clips are too
few to tell small differences.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hicmae_cli.corpora.clip_list import find_clips
from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.evaluation.comparison.compare import compare
from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.files import compute_sha256, write_atomically
from hicmae_cli.recipes.recipe import parse_overrides
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.weights.checkpoint import load_classifier

ARMS = {"all": "all layers (hierarchical fusion)", "last": "last layer"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/puppets"), help="drawn by `hicmae puppets make`")
    parser.add_argument("--more", type=Path, help="another such folder, to test on as well")
    parser.add_argument("--output", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS), help="one for each of two calls")
    parser.add_argument("--init", help="weight to start from; {seed} and {arm} in it are replaced")
    parser.add_argument("--recipe", default="puppets-nano")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for the recipe")
    given = parser.parse_args()
    found: dict[str, list[Evaluation]] = {arm: [] for arm in given.arms}
    for seed in given.seeds:
        for arm in given.arms:
            result = finetune_folds(
                "puppets",
                root=given.data,
                output=given.output / f"seed-{seed}" / arm,
                recipe=given.recipe,
                overrides={**parse_overrides(given.set), "seed": seed, "layer_fusion": arm == "all"},
                init=given.init and given.init.format(seed=seed, arm=arm),
                source="scripts/fusion_gain.py",
                progress=FinetuningProgress(on_epoch=lambda report: print(f"  {report}", flush=True)),
            )
            if result.pooled is None:
                raise SystemExit("stopped; give the same command again to resume")
            print(f"seed {seed}, {ARMS[arm]}: test UAR {result.pooled.metrics['uar']:.4f}", flush=True)
            found[arm].append(add_clips(result.pooled, given.more, result.weights[0]) if given.more else result.pooled)
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
    (pair,) = compare(*(gather(arm, found[arm]) for arm in ARMS)).pairs
    low, high = pair.interval
    print(f"{'difference':34s} mean {pair.difference:+.4f}  95 % interval over people: {low:+.4f} to {high:+.4f}")
    print(pair.words)


def add_clips(tested: Evaluation, folder: Path, weight: Path) -> Evaluation:
    """Return scores that also cover the test clips of another drawn corpus."""
    manifest = find_clips("puppets", folder).manifest
    clips = [sample for sample in read_manifest(manifest) if sample.split == "test"]
    other = test_on(clips, weight)
    print(f"  on {len(clips)} clips of {folder}: {other.metrics['uar']:.4f}", flush=True)
    others = (replace(result, speaker=f"other {result.speaker}") for result in other.samples)
    return replace(tested, samples=(*tested.samples, *others))


def test_on(clips: Sequence[Sample], weight: Path) -> Evaluation:
    """Score a weight on more clips, or read the scores that an earlier call kept beside it."""
    made_of = {"weight": compute_sha256(weight), "clips": [f"{clip.video} {clip.label}" for clip in clips]}
    kept = weight.with_name("more.json")
    if kept.is_file() and (record := json.loads(kept.read_text("utf-8")))["made_of"] == made_of:
        return Evaluation.from_record(record["result"])
    found = score_clips(clips, TorchEngine(*load_classifier(weight), "cpu"))["av"]
    with write_atomically(kept) as temporary:
        temporary.write_text(json.dumps({"made_of": made_of, "result": found.to_record()}), "utf-8")
    return found


def gather(arm: str, results: Sequence[Evaluation]) -> System:
    """Gather the decisions of all seeds of an arm."""
    return System(arm, {f"seed {at}": SystemRun.from_evaluation(result) for at, result in enumerate(results)})


if __name__ == "__main__":
    main()
