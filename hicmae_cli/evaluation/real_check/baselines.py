"""Simple judges that learn from the folders themselves: what a weight should at least reach.

They need scikit-learn (the extra ``train``), and people of the folder that are not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.log_mel import LOG_MEL_MEAN, LOG_MEL_STD, compute_log_mel
from hicmae_cli.errors import MissingDependencyError, SettingsError, install_hint
from hicmae_cli.evaluation.real_check.measures import Table
from hicmae_cli.model_input import LOG_MEL_BINS, LOG_MEL_FRAMES, SAMPLE_RATE_HZ

BLENDSHAPES: Final = "logistic regression on 52 blendshapes"
FUNCTIONALS: Final = "SVM on log-mel, cepstrum and pitch"
_BANDS: Final = 32
_COEFFICIENTS: Final = 13
_SHIFT_SAMPLES: Final = 160
_WINDOW_SAMPLES: Final = 400
_PITCH_SAMPLES: Final = 640
_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 70, 500
# Below this share of the energy at the best lag, a frame has no pitch.
_VOICED: Final = 0.4
_PERCENTILES: Final = (10, 50, 90)


def judge_blendshapes(
    learned: Table, truth: Sequence[str], tested: Table, labels: Sequence[str]
) -> NDArray[np.float64]:
    """Train a logistic regression, balanced by class, on the blendshapes of some people, and judge others.

    Args:
        learned: blendshapes (n, 52) of the people to learn from.
        truth: their labels (n,).
        tested: blendshapes (m, 52).
        labels: the C labels to learn.

    Returns:
        Probabilities (m, C).

    Raises:
        SettingsError: a label has nobody to learn from.
        MissingDependencyError: scikit-learn is not installed.
    """
    _require_sklearn()
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    return _fit_and_judge(model, learned, truth, tested, labels)


def judge_functionals(
    learned: Table, truth: Sequence[str], tested: Table, labels: Sequence[str]
) -> NDArray[np.float64]:
    """Train a support vector machine on descriptions of voices, and judge others; see ``judge_blendshapes``.

    The numbers are 1 for the chosen label and 0 for the others, not probabilities.
    """
    _require_sklearn()
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced"))
    return _fit_and_judge(model, learned, truth, tested, labels)


def describe_voice(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Describe a voice by functionals (mean, deviation, percentiles) of log-mel bands, cepstrum, their changes, pitch.

    Args:
        samples: (n,) 16 kHz mono, at least 40 ms; what follows 2.56 s is ignored.
    """
    frames = min(LOG_MEL_FRAMES, 1 + (len(samples) - _WINDOW_SAMPLES) // _SHIFT_SAMPLES)
    mel = compute_log_mel(samples)[:frames].astype(np.float64) * 2 * LOG_MEL_STD + LOG_MEL_MEAN
    bands = mel.reshape(frames, _BANDS, LOG_MEL_BINS // _BANDS).mean(axis=2)
    waves = np.cos(np.pi / _BANDS * np.outer(np.arange(_COEFFICIENTS), np.arange(_BANDS) + 0.5))
    cepstrum = bands @ waves.T / _BANDS
    pitch = _track_pitch(samples.astype(np.float64))
    # Loudness says nothing about recordings that were scaled: the bands are relative to their mean.
    tracks = [bands - bands.mean(), cepstrum, np.diff(cepstrum, axis=0)]
    parts = [_summarise(track) for track in tracks]
    voiced = pitch[np.isfinite(pitch)]
    known = voiced[:, None] if len(voiced) else np.zeros((1, 1))
    return np.concatenate([*parts, _summarise(known), [len(voiced) / max(len(pitch), 1)]])


def _summarise(track: Table) -> Table:
    if not len(track):
        track = np.zeros((1, track.shape[1]))
    return np.concatenate([track.mean(axis=0), track.std(axis=0), *np.percentile(track, _PERCENTILES, axis=0)])


def _track_pitch(samples: Table) -> Table:
    """Track the pitch in semitones above 70 Hz, by autocorrelation of windows of 40 ms; NaN where there is none."""
    if len(samples) < _PITCH_SAMPLES:
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _PITCH_SAMPLES)[::_SHIFT_SAMPLES]
    windows = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(_PITCH_SAMPLES)
    spectrum = np.fft.rfft(windows, 2 * _PITCH_SAMPLES)
    similarity = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[:, :_PITCH_SAMPLES]
    lags = np.arange(SAMPLE_RATE_HZ // _HIGHEST_PITCH_HZ, SAMPLE_RATE_HZ // _LOWEST_PITCH_HZ)
    best = similarity[:, lags].argmax(axis=1)
    strength = similarity[np.arange(len(windows)), lags[best]] / np.maximum(similarity[:, 0], 1e-12)
    semitones = 12 * np.log2(SAMPLE_RATE_HZ / lags[best] / _LOWEST_PITCH_HZ)
    pitch: Table = np.where(strength > _VOICED, semitones, np.nan)
    return pitch


def _fit_and_judge(
    model: Any, learned: Table, truth: Sequence[str], tested: Table, labels: Sequence[str]
) -> NDArray[np.float64]:
    rows = [row for row, label in enumerate(truth) if label in labels]
    if missing := sorted(set(labels) - set(truth)):
        raise SettingsError(
            f"`baselines`: nobody in the folder is left to learn {', '.join(missing)} from; use a folder with "
            "people of other splits, or leave it out"
        )
    model.fit(learned[rows], [truth[row] for row in rows])
    if hasattr(model, "predict_proba"):
        columns = [list(model.classes_).index(label) for label in labels]
        return np.asarray(model.predict_proba(tested)[:, columns])
    chosen = model.predict(tested)
    return np.array([[float(label == each) for label in labels] for each in chosen])


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(f"`baselines` needs scikit-learn: {install_hint('train')}") from error
