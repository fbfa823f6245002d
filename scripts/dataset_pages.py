"""Write the datasets' cards into their pages, between the markers: ``python scripts/dataset_pages.py``."""

from __future__ import annotations

import re
from pathlib import Path

from hicmae_cli.corpora.card import card
from hicmae_cli.corpora.catalogue import find_dataset

PAGES = Path(__file__).resolve().parent.parent / "docs" / "datasets"
_CARD = re.compile(r"(<!-- card: (?P<name>\S+) -->\n).*?(<!-- end of card -->)", re.DOTALL)


def with_cards(text: str) -> str:
    """A page with what stands between its markers made anew."""
    return _CARD.sub(lambda found: f"{found[1]}{card(find_dataset(found['name']))}{found[3]}", text)


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        page.write_text(with_cards(page.read_text("utf-8")), "utf-8")
        print(f"wrote {page}")
