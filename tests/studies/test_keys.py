"""The keys of runs: all code that decides a number is in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hicmae_cli.studies import keys

# Imported by the covered code, but without a say in a number of a study. Module or room -> why.
ALLOWED = {
    "__init__.py": "the version, which weights record",
    "errors.py": "words of errors",
    "files.py": "writes files and hashes lines",
    "json_text.py": "writes JSON documents in pieces",
    "toml.py": "reads a recipe, whose values are in the key",
    "workers.py": "runs jobs in processes",
    "ray_workers.py": "runs jobs on other machines",
    "memory.py": "measures memory for a warning",
    "bundled.py": "the weight that commands take by default",
    "outputs.py": "names of files of predictions",
    "onnx_runtime.py": "runs exported weights; a study measures checkpoints",
    "cards": "model cards",
    "records": "records what was done; hashes of clips are in the key by themselves",
    "report": "tables and pictures of finished numbers",
    "faces": "finds faces in raw video; a study reads prepared clips, whose files are hashed",
    "speaking": "finds who speaks in raw video",
    "preparing": "prepares raw video; a study reads prepared clips, whose files are hashed",
    "tiers": "reads annotations of raw video, whose labels are in the hashed list",
    "corpora/annotated_people.py": "reads annotations of raw video, whose labels are in the hashed list",
    "corpora/annotations.py": "reads a dataset's own files, whose labels are in the hashed list",
    "corpora/published.py": "compares a split with a published one",
    "corpora/catalogue.py": "finds a dataset by its name",
    "corpora/clip_list.py": "finds the list, which is hashed",
    "corpora/fold_protocols.py": "draws folds; a study takes those of the list, which is hashed",
    "weights/adding.py": "adds files to the store of weights",
    "weights/authors.py": "names in the authors' checkpoints; a study reads its own weights",
    "weights/catalogue.py": "published weights; a study reads its own",
    "weights/checkpoint_archive.py": "reads the authors' checkpoints",
    "weights/checkpoint_pickle.py": "reads the authors' checkpoints",
    "weights/export.py": "reads exported weights; a study measures checkpoints",
    "weights/facts.py": "checks the record of a weight",
    "weights/onnx_parameters.py": "reads exported weights",
    "weights/published.py": "published weights; a study reads its own",
    "weights/reading.py": "finds and opens a weight's file",
    "weights/run_folder.py": "finds a weight in the folder of a run",
    "weights/storing.py": "adds files to the store of weights",
    "weights/suffixes.py": "suffixes of files",
    "studies/data.py": "finds and hashes the clips; the hash is in the key",
    "studies/plan.py": "makes the keys",
    "studies/study.py": "reads the study; the recipes that follow from it are in the keys",
}
# Pre-training reads no label and measures nothing, so its keys leave these out.
MEASURING = {"evaluation", "runtime", "training/finetuning"}


def find_modules(rooms: tuple[str, ...]) -> set[Path]:
    paths = [keys._PACKAGE / room for room in rooms]
    return {module for path in paths for module in (path.rglob("*.py") if path.is_dir() else [path])}


def find_imported(module: Path) -> Iterator[Path]:
    """Modules of the package that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *parts = name.split(".")
            if first == keys._PACKAGE.name and parts:
                # The last part may be a name in a module.
                places = [keys._PACKAGE.joinpath(*some) for some in (parts, parts[:-1])]
                options = [option for place in places for option in (place.with_suffix(".py"), place / "__init__.py")]
                yield next(option for option in options if option.is_file())


def is_in(module: Path, places: set[str]) -> bool:
    name = module.relative_to(keys._PACKAGE).as_posix()
    return any(name == place or name.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("measuring", [False, True])
def test_keys_cover_the_code_that_decides_numbers(measuring: bool) -> None:
    rooms = (*keys._TRAINED_BY, *keys._MEASURED_BY) if measuring else keys._TRAINED_BY
    covered = find_modules(rooms)
    allowed = set(ALLOWED) if measuring else set(ALLOWED) | MEASURING
    used: set[Path] = set()
    missing: dict[str, str] = {}
    for module in covered:
        if not measuring and is_in(module, MEASURING):
            continue
        for found in set(find_imported(module)) - covered:
            used.add(found)
            if not is_in(found, allowed):
                missing[found.relative_to(keys._PACKAGE).as_posix()] = module.relative_to(keys._PACKAGE).as_posix()
    assert missing == {}, "cover these modules in keys.py, or say in ALLOWED why they decide no number"
    if measuring:
        assert {place for place in ALLOWED if not any(is_in(module, {place}) for module in used)} == set()


def test_a_module_that_is_not_covered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_TRAINED_BY", tuple(room for room in keys._TRAINED_BY if room != "metric_names.py"))
    with pytest.raises(AssertionError, match=r"metric_names\.py"):
        test_keys_cover_the_code_that_decides_numbers(True)


def test_all_that_a_key_names_is_there() -> None:
    for room in (*keys._TRAINED_BY, *keys._MEASURED_BY):
        assert (keys._PACKAGE / room).exists()
    assert {"torch", "numpy", "scikit-learn", "pillow"} <= keys.list_packages(measuring=True).keys()
