"""Add a fine-tuned weight to `weights/`: metrics in the metadata, ONNX beside it, sha256 in the catalogue.

    python scripts/bundle_weight.py runs/puppets/best.safetensors test.json --name puppets-nano

`hicmae evaluate --dataset puppets --modality each --json test.json` writes `test.json`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from hicmae_cli.files import compute_sha256
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.export import export_onnx

FOLDER = Path(__file__).parent.parent / "weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weight", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument(
        "--summary", default="nano, six emotions; trained on computer-drawn people and synthetic voices"
    )
    given = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9-]+", given.name):
        parser.error(f"--name {given.name}: expected lower-case letters, digits and '-'")

    model, info = load_classifier(given.weight)
    document = json.loads(given.evaluation.read_text("utf-8"))
    test = {"clips": len(document["samples"])}
    for modality, scores in document["by_modality"].items():
        test |= {f"uar_{modality}": round(scores["uar"], 4), f"war_{modality}": round(scores["war"], 4)}
    validation = {key: round(value, 4) for key, value in info.metrics["validation"].items()}
    target = FOLDER / f"{given.name}.safetensors"
    save_classifier(target, model, info.model_copy(update={"metrics": {"validation": validation, "test": test}}))
    report = export_onnx(target, target.with_suffix(".onnx"))
    print(report)

    lines = [
        "# Weights that ship with hicmae. `hicmae weights list` reads this; every file is checked against its sha256.",
        "",
        "[[weight]]",
        f'name = "{given.name}"',
        f'summary = "{given.summary}"',
        f'licence = "{info.licence}"',
        f'card = "{given.name}.md"',
    ]
    for path in (target, report.path):
        lines += [
            "",
            "[[weight.files]]",
            f'name = "{path.name}"',
            f'sha256 = "{compute_sha256(path)}"',
            f"size_bytes = {path.stat().st_size}",
        ]
    (FOLDER / "catalogue.toml").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
