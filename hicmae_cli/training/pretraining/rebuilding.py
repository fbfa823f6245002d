"""Let a pre-trained model rebuild a video whose patches are masked, as ``hicmae visualize reconstruction`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.clips.snippet import read_snippet
from hicmae_cli.errors import SettingsError
from hicmae_cli.faces import FaceFinder
from hicmae_cli.model_input import WINDOW_S
from hicmae_cli.models.masking import draw_masks
from hicmae_cli.models.reconstruction import Reconstruction, reconstruct
from hicmae_cli.report.plots import reconstruction_picture
from hicmae_cli.runtime.torch_engine import choose_device
from hicmae_cli.weights.checkpoint import load_pretrained
from hicmae_cli.weights.info import PretrainingFacts
from hicmae_cli.weights.reading import find_parameters


@dataclass(frozen=True)
class RebuiltVideo:
    """The 2.56 s of a video that a model has rebuilt.

    Attributes:
        source: the video.
        weights: name or file of the model.
        start_s: where the 2.56 s begin in the video.
        hidden: share and kind of what was masked, in words.
        reconstruction: pictures and errors.
    """

    source: Path
    weights: str
    start_s: float
    hidden: str
    reconstruction: Reconstruction

    def draw(self, path: Path) -> Path:
        """Draw the original, its masked version and its reconstruction, as a PNG that appears whole.

        Raises:
            OSError: the file cannot be written.
        """
        end_s = self.start_s + WINDOW_S
        title = f"{self.source.name}, {self.start_s:.2f} to {end_s:.2f} s"
        title += f" · rebuilt by {Path(self.weights).name} · hidden: {self.hidden}"
        return reconstruction_picture(self.reconstruction, path, title=title, start_s=self.start_s, end_s=end_s)

    def __str__(self) -> str:
        made = self.reconstruction
        lines = [f"hidden: {self.hidden}"]
        for name, error, guess_error in (
            ("faces", made.face_error, made.face_guess_error),
            ("sound", made.log_mel_error, made.log_mel_guess_error),
        ):
            verdict = "better" if error < guess_error else "no better"
            lines.append(f"error, {name}: {error:.3f}, {verdict} than the mean of each patch: {guess_error:.3f}")
        return "\n".join(lines)


def rebuild_video(
    source: str | Path,
    weights: str | Path,
    *,
    at_s: float | None = None,
    mask_video: float | None = None,
    mask_audio: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> RebuiltVideo:
    """Mask most of 2.56 s of a video and let a pre-trained model rebuild it.

    Args:
        source: a video with sound, raw or prepared.
        weights: a pre-trained weight, by name or file.
        at_s: where the 2.56 s begin; by default in the middle.
        mask_video: share of the faces to mask; by default as in the pre-training.
        mask_audio: share of the sound to mask; by default as in the pre-training.
        seed: another seed masks other patches.
        device: ``auto``, ``cpu``, ``cuda`` …

    Raises:
        WeightsError: no such weight, or not a pre-trained one.
        SettingsError: a share that hides nothing or everything, or a moment outside the video.
        MediaError: the video cannot be read, or has no face or no sound there.
    """
    file = find_parameters(weights, "rebuild with")
    torch_device = choose_device(device)
    model, info = load_pretrained(file)
    facts = info.pretraining
    assert facts is not None, "load_pretrained refuses a weight without them"
    ratios = (
        facts.video_mask_ratio if mask_video is None else mask_video,
        facts.audio_mask_ratio if mask_audio is None else mask_audio,
    )
    try:
        masks = draw_masks((facts.video_mask, facts.audio_mask), ratios, seed)
    except ValueError as error:
        raise SettingsError(f"mask_video={ratios[0]:g}, mask_audio={ratios[1]:g}: {error}") from error
    snippet = read_snippet(Path(source), at_s, FaceFinder)
    made = reconstruct(
        model.to(torch_device),
        snippet.faces[None],
        snippet.log_mel[None, None],
        *masks,
        frame_difference=facts.frame_difference,
    )
    return RebuiltVideo(Path(source), str(weights), snippet.start_s, _describe_masks(facts, ratios), made)


def _describe_masks(facts: PretrainingFacts, ratios: tuple[float, float]) -> str:
    return f"{ratios[0]:.0%} of the faces ({facts.video_mask}), {ratios[1]:.0%} of the sound ({facts.audio_mask})"
