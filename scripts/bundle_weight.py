"""Add or update one weight in `weights/`: float16, ONNX, metrics and facts in the metadata, sha256 in the catalogue.

    python scripts/bundle_weight.py runs/real/best.safetensors --name hicmae-nano --facts facts.toml \
        --summary "nano, six emotions; …" --evaluation test=test.json
    python scripts/bundle_weight.py weights/puppets-nano.onnx --name puppets-nano --onnx-only

`hicmae evaluate --modality each --json test.json` writes `test.json`. `docs/weights.md` describes `facts.toml`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hicmae_cli.weights.bundling import MAX_BUNDLE_BYTES, bundle_weight
from hicmae_cli.weights.catalogue import read_catalogue
from hicmae_cli.weights.facts import WeightFacts
from hicmae_cli.weights.suffixes import ONNX, WEIGHT_SUFFIXES

FOLDER = Path(__file__).parent.parent / "weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weight", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--summary", default="", help="one line for the catalogue; needed for a new weight")
    parser.add_argument(
        "--facts", type=Path, help="TOML file: trained_on, held_out, cannot_judge, intended_use, licence"
    )
    parser.add_argument(
        "--evaluation", action="append", default=[], metavar="NAME=FILE", help="scores for the metadata, by name"
    )
    parser.add_argument("--onnx-only", action="store_true", help="write no safetensors file; torch reads the ONNX file")
    parser.add_argument("--store", choices=("float16", "float32"), default="float16")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    metrics = {}
    for pair in given.evaluation:
        name, sign, file = pair.partition("=")
        if not sign:
            parser.error(f"--evaluation {pair}: expected NAME=FILE")
        metrics[name] = read_scores(Path(file))
    info = bundle_weight(
        given.weight,
        given.folder,
        given.name,
        summary=given.summary,
        facts=WeightFacts.read(given.facts) if given.facts else None,
        metrics=metrics,
        suffixes=(ONNX,) if given.onnx_only else WEIGHT_SUFFIXES,
        store=given.store,
    )
    size = sum(file.size_bytes for entry in read_catalogue(given.folder) for file in entry.files)
    print(f"{given.name}: {info.variant}, {', '.join(info.labels)}")
    print(f"all bundled weights: {size / 1e6:.1f} of {MAX_BUNDLE_BYTES / 1e6:.0f} MB")


def read_scores(path: Path) -> dict[str, float]:
    """Read the scores of an evaluation, with the stream in their names."""
    document = json.loads(path.read_text("utf-8"))
    streams = document.get("by_modality") or {document["modality"]: document["metrics"]}
    scores: dict[str, float] = {"clips": len(document["samples"])}
    for modality, found in streams.items():
        scores |= {f"uar_{modality}": round(found["uar"], 4), f"war_{modality}": round(found["war"], 4)}
    return scores


if __name__ == "__main__":
    main()
