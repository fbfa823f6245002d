r"""Write the model card of a bundled weight from its metadata, the JSON of an evaluation and a template.

    hicmae evaluate --manifest held-out.csv --weights hicmae-nano --by source --json test.json
    python scripts/write_card.py hicmae-nano test.json \
        --template scripts/cards/hicmae-nano.md --output weights/hicmae-nano.md

Several evaluations are given as KEY=FILE; the template then has `{{table: KEY-scores}}` and so on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hicmae_cli.cards.template import read_template, render_card
from hicmae_cli.evaluation.documents import read_document
from hicmae_cli.files import write_text_atomically
from hicmae_cli.weights.reading import read_info


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weight")
    parser.add_argument("evaluations", nargs="+", metavar="[KEY=]FILE")
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    documents = {}
    for text in given.evaluations:
        key, sign, file = text.rpartition("=")
        documents[f"{key}-" if sign else ""] = read_document(Path(file))
    card = render_card(read_template(given.template), given.weight, read_info(given.weight), documents)
    write_text_atomically(given.output, card)
    print(f"wrote {given.output}")


if __name__ == "__main__":
    main()
