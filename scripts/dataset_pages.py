"""Write the cards of datasets between the markers of their pages: ``python scripts/dataset_pages.py``."""

from __future__ import annotations

import re
from pathlib import Path

from hicmae_cli.corpora.card import make_card
from hicmae_cli.corpora.catalogue import find_dataset

PAGES = Path(__file__).resolve().parent.parent / "docs" / "datasets"
_CARD = re.compile(r"(<!-- card: (?P<name>\S+) -->\n).*?(<!-- end of card -->)", re.DOTALL)


def update_cards(text: str) -> str:
    """Return a page with current text between its markers."""

    def update(found: re.Match[str]) -> str:
        return f"{found[1]}{make_card(find_dataset(found['name'], labelled=False))}{found[3]}"

    return _CARD.sub(update, text)


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        old = page.read_text("utf-8")
        if (new := update_cards(old)) != old:
            page.write_text(new, "utf-8")
            print(f"wrote {page}")
