"""Is hierarchical feature fusion worth it? On puppets: all layers against the last one, over some seeds.

    python scripts/fusion_gain.py --data data/puppets --output runs/fusion

Interrupted, it goes on where it was. Each of six runs takes half an hour on 2 cores; the last lines are the table.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.training.finetune import Progress
from hicmae_cli.training.finetune_state import EpochReport
from hicmae_cli.training.protocol import finetune_and_test
from hicmae_cli.training.recipes import load_settings, parse_overrides
from hicmae_cli.training.settings import FinetuneSettings
from hicmae_cli.training.task import read_task

ARMS = {"all layers (hierarchical fusion)": True, "last layer": False}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data/puppets"), help="drawn by `hicmae puppets make`"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", default="puppets-nano")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for the recipe")
    given = parser.parse_args()
    task, samples = read_task(
        given.data / "manifest.csv", find_dataset("puppets"), name="puppets", source="scripts/fusion_gain.py"
    )
    scores: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for seed in given.seeds:
        for arm, fusion in ARMS.items():
            changes = {**parse_overrides(given.set), "seed": seed, "layer_fusion": fusion}
            _, tested = finetune_and_test(
                given.output / f"seed-{seed}" / ("all" if fusion else "last"), task, samples, None,
                settings=load_settings(FinetuneSettings, given.recipe, changes), progress=Progress(on_epoch=show),
            )  # fmt: skip
            if tested is None:
                raise SystemExit("stopped; give the same command again to go on")
            scores[arm].append(tested.metrics["uar"])
            print(f"seed {seed}, {arm}: test UAR {scores[arm][-1]:.4f}", flush=True)
    print(f"\n{given.recipe}, {len(given.seeds)} seeds, test UAR with face and voice")
    for arm, found in scores.items():
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(
            f"{arm:34s} mean {statistics.mean(found):.4f}  sd {spread:.4f}  each "
            + " ".join(f"{score:.4f}" for score in found)
        )


def show(report: EpochReport) -> None:
    print(
        f"  epoch {report.epoch}: loss {report.loss:.4f}, validation {report.scores.get('uar')}, "
        f"{report.clips_per_s:.0f} clips/s",
        flush=True,
    )


if __name__ == "__main__":
    main()
