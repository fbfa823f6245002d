from __future__ import annotations

import json

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.runtime.settings import PredictSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_s": 0.0}, "hop_s=0.0: expected more than 0 and at most the window, 2.56 seconds"),
        ({"hop_s": 3.0}, "hop_s=3.0: expected more than 0"),
        ({"hop_s": float("nan")}, "hop_s=nan: expected"),
        ({"window_s": 0.01}, "window_s=0.01: expected 0.16 to 60"),
        ({"modality": "smell"}, "modality='smell': expected one of auto, av, video, audio"),
        ({"faces": 0}, "faces=0: expected 1 to 32"),
        ({"start_s": -1.0}, "start_s=-1.0: expected 0 seconds or more"),
        ({"start_s": 2.0, "end_s": 2.0}, "end_s=2.0: expected more than the start, 2.0 seconds"),
        ({"end_s": float("inf")}, "end_s=inf: expected"),
        ({"smooth_s": -1.0}, "smooth_s=-1.0: expected 0 to 3600 seconds"),
        ({"abstain": 1.1}, "abstain=1.1: expected a probability, 0 to 1"),
        ({"abstain": float("nan")}, "abstain=nan: expected"),
    ],
)
def test_values_out_of_range_are_named_as_python_writes_them(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PredictSettings(**settings)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


def test_settings_come_back_from_json_under_the_names_of_the_schema() -> None:
    settings = PredictSettings("av", 5.12, 0.5, 2, 1.0, 9.0, 3.0, 0.5)
    document = json.loads(json.dumps(settings.to_dict()))
    assert document["max_faces"] == 2 and "faces" not in document
    assert PredictSettings.from_dict(document) == settings
    for added in ("start_s", "end_s", "smooth_s", "abstain"):  # which older documents lack
        del document[added]
    assert PredictSettings.from_dict(document) == PredictSettings("av", 5.12, 0.5, 2)


def test_a_window_shorter_than_the_usual_hop_needs_no_hop() -> None:
    settings = PredictSettings(window_s=0.5).follow(0.16)
    assert (settings.window_s, settings.hop_s) == (0.5, 0.5)
    assert PredictSettings(window_s=5.12).follow(0.16).hop_s == 0.64
    assert PredictSettings().to_dict() == PredictSettings(window_s=2.56, hop_s=0.64).to_dict()
