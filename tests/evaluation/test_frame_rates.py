"""One video of one's own at four frame rates, with real motion, from its pixels to its probabilities."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.media import write_video
from hicmae_cli.preparing.dataset import prepare
from hicmae_cli.puppets.expression import add_speech, animate_expression
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.render import Renderer
from hicmae_cli.puppets.voice import VoiceIdentity, speak
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier

RATES = {"12": Fraction(12), "25": Fraction(25), "29.97": Fraction(30000, 1001), "60": Fraction(60)}
FILMED_FPS = 300
LENGTH_S = 3.5


def film(folder: Path, label: str, seed: int) -> None:
    """Film a speaking puppet at 300 frames/s, and write one version for each rate."""
    rng = np.random.default_rng(seed)
    identity = Identity.draw(rng)
    speaker = VoiceIdentity.draw(rng, float(identity.female), identity.age_years)
    utterance = speak(label, speaker, 1.0, LENGTH_S, rng)
    times_s = np.arange(round(LENGTH_S * FILMED_FPS)) / FILMED_FPS
    curves = animate_expression(label, 1.0, identity.style, rng, times_s)
    with Renderer() as renderer:
        frames = renderer.render_clip(identity, add_speech(curves, utterance.mouth.resample(times_s)), rng, times_s)
    folder.mkdir(parents=True)
    for name, fps in RATES.items():
        shown = (frames[round(index / fps * FILMED_FPS)] for index in range(int(LENGTH_S * fps)))
        write_video(folder / f"{name}.mp4", shown, fps, utterance.samples, audio_codec="aac")


@pytest.mark.slow
def test_another_frame_rate_of_a_video_gives_the_same_probabilities(tmp_path: Path) -> None:
    for label, seed in (("happiness", 5), ("sadness", 7)):
        film(tmp_path / "raw" / label, label, seed)
    done = prepare("folder", tmp_path / "raw", workers=0)
    assert len(done.report.frame_rates) == 6  # all but 25 frames/s
    model, info = load_classifier(find_bundled_file("puppets-nano.onnx"))
    spreads = {}
    for sampling in ("time", "frames"):
        weight = tmp_path / f"{sampling}.safetensors"
        save_classifier(weight, model, info.model_copy(update={"sampling": sampling, "sampling_rate": 4}))
        found = defaultdict(list)
        sheet = evaluate(weights=weight, manifest=done.manifest, split="all", engine="torch")
        for sample in sheet.main.pooled.samples:
            found[sample.target].append(sample.outputs)
        assert [len(rows) for rows in found.values()] == [4, 4]
        spreads[sampling] = max(float(np.ptp(rows, axis=0).max()) for rows in found.values())
    assert spreads["time"] <= 0.02
    assert spreads["frames"] > 0.1  # what counting frames, the only way once, makes of the same videos
