"""From how well each mouth fits the voice to who speaks: competition, a margin, and memory of the last window.

The thresholds are from drawn people and from docs/assets/speech_sample.mp4, with their own sound and with other voices;
docs/predict.md has the numbers, and scripts/measure_speakers.py measures them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

START_SYNC: Final = 0.50
"""Smallest correlation at which somebody starts to speak."""
KEEP_SYNC: Final = 0.40
"""Smallest correlation at which who spoke in the last window still speaks."""
NO_SYNC: Final = 0.35
"""Below it, somebody does not speak."""
MARGIN: Final = 0.15
"""By how much a speaker's correlation exceeds everybody else's."""


@dataclass
class SpeakerJudge:
    """Decides window by window, in order of time."""

    _last: Mapping[int, str] = field(default_factory=dict)

    def judge(self, syncs: Mapping[int, float | None]) -> dict[int, str]:
        """Decide who speaks in a window with a voice.

        Args:
            syncs: how well the mouth of each visible person fits the voice; None if it could not be read.

        Returns:
            ``yes``, ``no`` or ``unsure`` for each of them; nobody has ``yes`` if the voice is off-screen.
        """
        answers = {track: self._judge_one(track, syncs) for track in syncs}
        if "yes" in answers.values():
            # One voice has one mouth: who does not fit better than the others does not speak.
            answers = {track: answer if answer == "yes" else "no" for track, answer in answers.items()}
        self._last = answers
        return answers

    def hear_nothing(self, tracks: Iterable[int]) -> dict[int, str]:
        """Return the answers for a window without a voice: nobody speaks."""
        self._last = {}
        return dict.fromkeys(tracks, "no")

    def _judge_one(self, track: int, syncs: Mapping[int, float | None]) -> str:
        sync = syncs[track]
        if sync is None:
            return "unsure"
        rival = max((other for each, other in syncs.items() if each != track and other is not None), default=-1.0)
        enough = KEEP_SYNC if self._last.get(track) == "yes" else START_SYNC
        if sync >= enough and sync - rival >= MARGIN:
            return "yes"
        return "no" if sync < NO_SYNC else "unsure"
