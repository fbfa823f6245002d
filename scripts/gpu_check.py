"""Check a machine with a GPU, part by part, and leave one JSON file; a part that fails does not stop the others.

The parts are the CUDA tests, ``hicmae bench --device`` with each variant and, if the folders are given,
``scripts/train_default.sh`` with the recipe ``default-tiny``. Options after ``--`` go to ``hicmae finetune``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from hicmae_cli.bench.device import name_device
from hicmae_cli.errors import HicmaeError
from hicmae_cli.records.surroundings import describe_machine, list_versions, read_own_commit

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = "hicmae.gpu-check/1"
LIMIT_S = 480
"""What the recipe default-tiny is made for, on a recent GPU."""


@dataclass(frozen=True)
class Part:
    """One part of the check.

    Attributes:
        name: what was run.
        result: passed, failed or skipped.
        failures: what failed, in a line each.
        seconds: how long the part took.
        details: its numbers.
    """

    name: str
    result: str
    failures: tuple[str, ...] = ()
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def run_logged(command: Sequence[str | Path]) -> tuple[int, list[str]]:
    """Run a command in the checkout and print what it prints -> its exit code and last 200 lines."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    lines: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.strip():
                lines.append(line.strip())
    return process.returncode, list(lines)


def explain(code: int, lines: Sequence[str]) -> tuple[str, ...]:
    """Name the failure of a command by its exit code and last line."""
    return () if code == 0 else (f"exit code {code}: {lines[-1] if lines else 'no output'}",)


def check_tests(device: str) -> Part:
    """Run the CUDA tests; without a GPU all of them skip, which only a dry run may do."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        options = ["-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/gpu"]
        code, lines = run_logged([sys.executable, "-m", "pytest", *options])
        if not report.exists():
            return Part("tests", "failed", explain(code, lines))
        cases = list(ElementTree.parse(report).iter("testcase"))
    bad, skipped = [], 0
    for case in cases:
        skipped += case.find("skipped") is not None
        fault = next((found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None)
        if fault is not None:
            message = fault.get("message", "").partition("\n")[0]
            bad.append(f"{case.get('name')}: {message}")
    details = {"passed": len(cases) - skipped - len(bad), "failed": len(bad), "skipped": skipped}
    if not bad and details["passed"] == 0:
        if device == "cpu" and code == 0:
            return Part("tests", "skipped", details=details)
        bad.append("no test ran")
    failures = tuple(bad) or explain(code, lines)
    return Part("tests", "failed" if failures else "passed", failures, details=details)


def check_speed(device: str, variant: str, batch_size: int) -> Part:
    """Measure clips/s of pre-training, fine-tuning and prediction, and their shares of the bfloat16 peak."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "bench.json"
        bench: list[str | Path] = [
            sys.executable,
            "-m",
            "hicmae_cli.cli",
            "bench",
            "--device",
            device,
            "--json",
            target,
        ]
        code, lines = run_logged([*bench, "--variant", variant, "--batch-size", str(batch_size)])
        if code or not target.exists():
            return Part(f"bench {variant}", "failed", explain(code or 1, lines))
        measures = json.loads(target.read_text("utf-8"))["measures"]
    numbers = {f"{measure['name']} ({measure['unit']})": measure["value"] for measure in measures}
    return Part(f"bench {variant}", "passed", details={"batch_size": batch_size, "measures": numbers})


def check_training(device: str, folders: Sequence[Path], options: Sequence[str]) -> Part:
    """Train the recipe default-tiny, and list the seconds of each step that was not done before."""
    # Fail before the clips are prepared, which takes half an hour.
    name_device(device)
    script: list[str | Path] = [
        "bash",
        ROOT / "scripts" / "train_default.sh",
        *(folder.resolve() for folder in folders),
    ]
    given = ["--recipe", "default-tiny", "--device", device, "--mixed-precision", "bf16", *options]
    code, lines = run_logged([*script, *given])
    steps = {match[1]: int(match[2]) for line in lines if (match := re.fullmatch(r"(\w+ \S+): took (\d+) s", line))}
    details: dict[str, Any] = {"steps_s": steps, "limit_s": LIMIT_S}
    if "hicmae finetune" in steps:
        details["finetune_within_limit"] = steps["hicmae finetune"] <= LIMIT_S
    metrics = folders[-1] / "run" / "metrics.jsonl"
    if metrics.exists():
        rows = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
        details["clips_per_s"] = next((row["clips_per_s"] for row in reversed(rows) if "clips_per_s" in row), None)
    return Part("training", "failed" if code else "passed", explain(code, lines), details=details)


def describe(device: str) -> dict[str, Any]:
    """Describe the machine; a device that torch cannot use is named as such, and the parts fail on their own."""
    found: dict[str, Any] = {**describe_machine(), "cores": os.cpu_count(), "cuda": torch.version.cuda}
    try:
        found["device"] = name_device(device)
    except HicmaeError as error:
        found["device"] = f"cannot be used: {error}"
    return found


def attempt(name: str, check: Callable[[], Part]) -> Part:
    """Run a part and time it; an exception fails only this part."""
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    try:
        part = check()
    except Exception as error:  # the other parts still run
        part = Part(name, "failed", (f"{type(error).__name__}: {error}",))
    part = replace(part, seconds=round(time.perf_counter() - started, 1))
    print(f"== {name}: {part.result} in {part.seconds:.0f} s", flush=True)
    return part


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the arguments -> the options of the check, and what stands after ``--``."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__)
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FACES VOICES FACE_API OUTPUT", help="also train, from these"
    )
    parser.add_argument("--device", default="cuda", help="cuda; cpu for a dry run")
    parser.add_argument("--variants", default="nano,tiny,small,base", help="models to measure, with commas")
    parser.add_argument("--batch-size", type=int, default=64, help="clips of a measured step")
    parser.add_argument("--json", type=Path, default=Path("gpu-check.json"), help="file to write")
    given = parser.parse_args(arguments[:cut])
    if len(given.folders) not in (0, 4):
        parser.error("expected FACES VOICES FACE_API OUTPUT, or none of them")
    return given, list(arguments[cut + 1 :])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts -> the exit code, 1 if one of them failed."""
    given, options = parse(sys.argv[1:] if arguments is None else arguments)
    checks: list[tuple[str, Callable[[], Part]]] = [("tests", lambda: check_tests(given.device))]
    checks += [
        (f"bench {variant}", partial(check_speed, given.device, variant, given.batch_size))
        for variant in given.variants.split(",")
    ]
    if given.folders:
        checks.append(("training", lambda: check_training(given.device, given.folders, options)))
    commit = read_own_commit()
    document = {
        "schema": SCHEMA,
        "machine": describe(given.device),
        "versions": {**list_versions(), "commit": None if commit is None else commit.model_dump()},
    }
    parts: list[Part] = []
    for name, check in checks:
        parts.append(attempt(name, check))
        passed = len(parts) == len(checks) and all(part.result != "failed" for part in parts)
        # After each part: if the machine goes away, what was measured stays.
        whole = {**document, "passed": passed, "parts": [asdict(part) for part in parts]}
        given.json.write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    for part in parts:
        for failure in part.failures:
            print(f"{part.name}: {failure}", file=sys.stderr)
    print(given.json)
    return int(any(part.result == "failed" for part in parts))


if __name__ == "__main__":
    sys.exit(main())
