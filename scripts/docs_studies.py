"""Put finished studies into the docs: the report, its figures, the page with charts that answer the pointer, and JSON.

    for study in ablation seeds; do hicmae study $study --output studies; done
    python scripts/docs_studies.py studies

For each study ``docs/studies/NAME.md`` is written, and its files in ``docs/studies/NAME/``.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from hicmae_cli.studies.report import FIGURES, PAGE, REPORT, RESULT
from hicmae_cli.studies.study import list_studies

DOCS = Path(__file__).parents[1] / "docs" / "studies"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, help="the folder --output of `hicmae study`")
    for name in list_studies():
        folder = parser.parse_args().studies / name
        if (folder / REPORT).is_file():
            publish(folder, DOCS / name)


def publish(folder: Path, target: Path) -> None:
    """Copy a report; its page in the docs is beside the folder of its files, not in it, for a short address."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder / FIGURES, target)
    for name in (PAGE, RESULT):
        shutil.copyfile(folder / name, target / name)
    text = (folder / REPORT).read_text("utf-8").replace(f"]({FIGURES}/", f"]({target.name}/")
    links = (
        f"Charts that answer the pointer: [{PAGE}]({target.name}/{PAGE}). Every number: "
        f"[{RESULT}]({target.name}/{RESULT}).\n"
    )
    target.with_suffix(".md").write_text(
        text.replace("## What was compared", f"{links}\n## What was compared", 1), "utf-8"
    )


if __name__ == "__main__":
    main()
