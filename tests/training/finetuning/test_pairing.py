"""Partners of clips with one stream: of the same label or of another one, and none for a clip with both streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.pairing import PartnerPool

FILE = Path("clip")
# Rows 0 to 5: faces of three labels; 6 to 8: voices, of which two are happy; 9: both streams.
CLIPS = [
    *(Sample(f"f{i}", FILE, None, ("happiness", "anger", "fear")[i % 3]) for i in range(6)),
    *(Sample(f"v{i}", None, FILE, ("happiness", "happiness", "anger")[i]) for i in range(3)),
    Sample("both", FILE, FILE, "happiness"),
]
POOL = PartnerPool(CLIPS)


def partners(row: int, pairs: float, disagreeing: float = 0.0) -> list[int | None]:
    settings = FinetuneSettings().model_copy(update={"pair_streams": pairs, "pair_disagreeing": disagreeing})
    return [POOL.draw(row, settings, np.random.default_rng([row, draw])) for draw in range(200)]


def test_a_partner_has_the_same_label_and_only_the_other_stream() -> None:
    assert set(partners(0, 1.0)) == {6, 7}
    assert set(partners(1, 1.0)) == {8}
    assert set(partners(8, 1.0)) == {1, 4}
    assert partners(2, 1.0) == [None] * 200  # no fearful voice
    assert partners(9, 1.0) == [None] * 200  # has both streams


def test_a_share_of_the_clips_is_paired() -> None:
    found = partners(0, 0.3)
    assert found.count(None) / 200 == pytest.approx(0.7, abs=0.1)


def test_disagreeing_partners_have_another_label_each_as_likely() -> None:
    assert set(partners(0, 1.0, 1.0)) == {8}
    found = partners(2, 1.0, 1.0)  # fear: angry and happy voices
    assert found.count(8) / 200 == pytest.approx(0.5, abs=0.1) and set(found) == {6, 7, 8}
    shared = partners(0, 1.0, 0.25)
    assert shared.count(8) / 200 == pytest.approx(0.25, abs=0.1)


def test_where_no_partner_disagrees_a_clip_stays_alone() -> None:
    settings = FinetuneSettings().model_copy(update={"pair_streams": 1.0, "pair_disagreeing": 1.0})
    assert PartnerPool([CLIPS[0], CLIPS[6]]).draw(0, settings, np.random.default_rng(0)) is None
