from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.media import probe
from hicmae_cli.puppets.preview import make_preview


@pytest.mark.slow
def test_a_sheet_and_a_video_to_look_at(tmp_path: Path) -> None:
    sheet, video = make_preview(tmp_path / "new", people=2, seed=0)
    picture = np.asarray(Image.open(sheet))
    assert picture.shape == (22 + 2 * 224, 224 * len(CREMA_D_LABELS), 3)
    cells = [picture[22:246, i * 224 : (i + 1) * 224].astype(int) for i in range(6)]
    assert all(np.abs(cells[0] - other).mean() > 1 for other in cells[1:])  # one person, six faces
    info = probe(video)
    assert info.has_video and info.has_audio
    assert abs(info.duration_s - 6 * 2.56) < 0.2
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["puppets.mp4", "sheet.png"]
