"""Put finished studies into the docs: the report, its figures and its JSON record.

``make docs`` makes the page with charts that answer the pointer from the record (``scripts/docs_reference.py``).

    for study in ablation alignment …; do hicmae study $study --output studies; done
    python scripts/docs_studies.py studies

For each study ``docs/studies/NAME.md`` is written, and its files in ``docs/studies/NAME/``. All studies of the package
must be there; nothing is written if one is missing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hicmae_cli.studies.report import FIGURES, PAGE, REPORT, RESULT
from hicmae_cli.studies.study import list_studies

DOCS = Path(__file__).parents[1] / "docs" / "studies"


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, help="the folder --output of `hicmae study`")
    studies: Path = parser.parse_args(arguments).studies
    if missing := [name for name in list_studies() if not (studies / name / REPORT).is_file()]:
        sys.exit(f"{studies}: no report of {', '.join(missing)}; run `hicmae study NAME --output {studies}` for each")
    for name in list_studies():
        publish(studies / name, docs / name)


def publish(folder: Path, target: Path) -> None:
    """Copy a report; its page in the docs is beside the folder of its files, not in it, for a short address."""
    with TemporaryDirectory(dir=target.parent) as beside:
        # A copy that fails leaves the old files.
        whole = shutil.copytree(folder / FIGURES, Path(beside) / target.name)
        shutil.copyfile(folder / RESULT, whole / RESULT)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)
    text = (folder / REPORT).read_text("utf-8").replace(f"]({FIGURES}/", f"]({target.name}/")
    links = (
        f"Charts that answer the pointer: [{PAGE}]({target.name}/{PAGE}). Every number: "
        f"[{RESULT}]({target.name}/{RESULT}).\n"
    )
    # The links come after the answer, before the first section.
    target.with_suffix(".md").write_text(text.replace("\n## ", f"\n{links}\n## ", 1), "utf-8")


if __name__ == "__main__":
    main()
