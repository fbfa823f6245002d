"""Settings of a prediction: streams, windows, people, and the part of the input to predict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.modalities import MODALITIES
from hicmae_cli.model_input import CLIP_FRAMES, FRAME_STEP_S, WINDOW_S

_CHOICES: Final = ("auto", *MODALITIES)
SOUNDS: Final = ("speaker", "shared")
"""Who gets the sound: who speaks, or everybody in view."""
_HOPS: Final = 4
"""Four windows cover every moment: an average over fewer changes more with the frame rate."""
_LONGEST_SMOOTHING_S: Final = 3600
MAX_FACES: Final = 100
"""Most people that ``faces='all'`` follows at once; each takes 1.3 MB while in view."""
_MAX_NUMBER: Final = 32
_JSON_NAMES: Final = {"faces": "max_faces"}  # keys of the JSON document that differ from the parameter


@dataclass(frozen=True)
class PredictSettings:
    """How an input is predicted.

    Attributes:
        modality: ``auto`` uses the streams that are there; ``av``, ``video`` and ``audio`` require theirs.
        window_s: length of a window in seconds; None for that of the weight's training, usually 2.56 s.
        hop_s: time between the starts of two windows, rounded to the sampling grid of window / 16; None for a quarter
            of the window of the weight's training, usually 0.64 s.
        faces: largest number of people to follow at once; ``all`` for everybody (up to ``MAX_FACES``); ``largest`` to
            follow them, but to predict in each window only the person with the largest face.
        start_s: where in the input to start.
        end_s: where to stop; None for its end.
        smooth_s: width of a centred mean over the windows of a timeline, in seconds; 0 for none.
        abstain: smallest probability of a label in a timeline; a moment below it has no label.
        people: folder with photographs of people, ``NAME.jpg`` or ``NAME/*.jpg``, after which tracks are named; None to
            name nobody. See ``faces.people.read_people``.
        people_sha256: hash of these photographs, once a `Predictor` has read them.
        sound: ``speaker`` gives a voice to the person who speaks, and judges listeners, and windows without a voice, by
            the face; ``shared`` gives any sound to everybody in view.
        explain: whether each window says what moved its answer; see `explain_clip`.
        features: whether each window has its embedding, the input of the model's head; needs the torch engine.

    Raises:
        SettingsError: a value out of range.
    """

    modality: str = "auto"
    window_s: float | None = None
    hop_s: float | None = None
    faces: int | str = 4
    start_s: float = 0.0
    end_s: float | None = None
    smooth_s: float = 0.0
    abstain: float = 0.0
    people: str | None = None
    sound: str = "speaker"
    explain: bool = False
    features: bool = False
    people_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.modality not in _CHOICES:
            raise SettingsError(f"modality={self.modality!r}: expected one of {', '.join(_CHOICES)}")
        if self.sound not in SOUNDS:
            raise SettingsError(f"sound={self.sound!r}: expected one of {', '.join(SOUNDS)}")
        if self.window_s is not None and not 0.16 <= self.window_s <= 60:
            raise SettingsError(f"window_s={self.window_s!r}: expected 0.16 to 60 seconds")
        longest_s = WINDOW_S if self.window_s is None else self.window_s
        if self.hop_s is not None and not 0 < self.hop_s <= longest_s:
            raise SettingsError(
                f"hop_s={self.hop_s!r}: expected more than 0 and at most the window, {longest_s} seconds"
            )
        if self.faces not in ("all", "largest") and not (
            isinstance(self.faces, int) and 1 <= self.faces <= _MAX_NUMBER
        ):
            raise SettingsError(f"faces={self.faces!r}: expected 1 to {_MAX_NUMBER}, all or largest")
        if not 0 <= self.start_s < math.inf:
            raise SettingsError(f"start_s={self.start_s!r}: expected 0 seconds or more")
        if self.end_s is not None and not self.start_s < self.end_s < math.inf:
            raise SettingsError(f"end_s={self.end_s!r}: expected more than the start, {self.start_s} seconds")
        if not 0 <= self.smooth_s <= _LONGEST_SMOOTHING_S:
            raise SettingsError(f"smooth_s={self.smooth_s!r}: expected 0 to {_LONGEST_SMOOTHING_S} seconds")
        if not 0 <= self.abstain <= 1:
            raise SettingsError(f"abstain={self.abstain!r}: expected a probability, 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as in the JSON document, which has numbers for the window and the hop in any case."""
        settings = self.follow(FRAME_STEP_S)
        return {_JSON_NAMES.get(name, name): value for name, value in asdict(settings).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> PredictSettings:
        """Read what `to_dict` wrote; settings that an older document lacks have their defaults.

        Raises:
            SettingsError: a value out of range.
            TypeError: a value is not a number.
        """
        names = {name: _JSON_NAMES.get(name, name) for name in cls.__dataclass_fields__}
        # A document without this setting is from before it existed, when everybody got the sound.
        return cls(**{"sound": "shared", **{name: fields[key] for name, key in names.items() if key in fields}})

    def follow(self, step_s: float) -> PredictSettings:
        """Return the settings with a window and a hop: where none is given, those of a weight.

        Args:
            step_s: time between two sampled frames in the weight's training.
        """
        trained_s = step_s * CLIP_FRAMES
        window_s = trained_s if self.window_s is None else self.window_s
        hop_s = min(trained_s / _HOPS, window_s) if self.hop_s is None else self.hop_s
        return replace(self, window_s=window_s, hop_s=hop_s)

    def with_absolute_people(self) -> PredictSettings:
        """Return the settings with the absolute path of the folder of people."""
        return self if self.people is None else replace(self, people=str(Path(self.people).absolute()))

    def retime(self, smooth_s: float | None = None, abstain: float | None = None) -> PredictSettings:
        """Return the settings with another smoothing or another smallest probability, where one is given.

        Raises:
            SettingsError: a value out of range.
        """
        return replace(
            self,
            smooth_s=self.smooth_s if smooth_s is None else smooth_s,
            abstain=self.abstain if abstain is None else abstain,
        )

    @property
    def max_faces(self) -> int:
        """Largest number of faces to find in a picture."""
        return self.faces if isinstance(self.faces, int) else MAX_FACES

    @property
    def step_s(self) -> float:
        """Time between two sampled frames."""
        return (WINDOW_S if self.window_s is None else self.window_s) / CLIP_FRAMES

    @property
    def hop_frames(self) -> int:
        """Hop in steps of the sampling grid."""
        hop_s = WINDOW_S / _HOPS if self.hop_s is None else self.hop_s
        return max(1, round(hop_s / self.step_s))
