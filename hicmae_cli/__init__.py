"""hicmae: raw video in, fused audio-visual emotion out, per person, over time.

``import hicmae_cli as hicmae`` gives these names, each imported when it is first used. They do what the commands do::

    prediction = hicmae.predict("interview.mp4")
    print(prediction)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hicmae_cli.errors import MissingDependencyError, install_hint

if TYPE_CHECKING:
    from hicmae_cli.api import load_weight, predict
    from hicmae_cli.corpora.manifest import read_manifest
    from hicmae_cli.corpora.merging import merge_manifests as merge
    from hicmae_cli.embedding.clips import embed_clips
    from hicmae_cli.embedding.probe import probe
    from hicmae_cli.embedding.recordings import embed_recordings as embed
    from hicmae_cli.evaluation.calibrate_weight import calibrate_weight
    from hicmae_cli.evaluation.comparison.compare import compare
    from hicmae_cli.evaluation.evaluate import evaluate
    from hicmae_cli.exporting.export import export_onnx
    from hicmae_cli.preparing.cues import measure_cues
    from hicmae_cli.preparing.dataset import prepare
    from hicmae_cli.pulling.pull import pull_weight
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.reruns.rerun import rerun
    from hicmae_cli.runtime.predictor import Predictor
    from hicmae_cli.summaries.summarize import summarize
    from hicmae_cli.training.finetuning.folds import finetune_folds as finetune
    from hicmae_cli.training.pretraining.run import pretrain
    from hicmae_cli.weights.adding import add_weight
    from hicmae_cli.weights.record import read_record

__version__ = "0.1.0"
__all__ = [
    "Prediction",
    "Predictor",
    "add_weight",
    "calibrate_weight",
    "compare",
    "embed",
    "embed_clips",
    "evaluate",
    "export_onnx",
    "finetune",
    "load_weight",
    "measure_cues",
    "merge",
    "predict",
    "prepare",
    "pretrain",
    "probe",
    "pull_weight",
    "read_manifest",
    "read_record",
    "rerun",
    "summarize",
]

# Module and name of each, so that `import hicmae_cli` imports none of them. The imports above tell type checkers.
_PLACES = {
    "Prediction": "report.prediction:Prediction",
    "Predictor": "runtime.predictor:Predictor",
    "add_weight": "weights.adding:add_weight",
    "calibrate_weight": "evaluation.calibrate_weight:calibrate_weight",
    "compare": "evaluation.comparison.compare:compare",
    "embed": "embedding.recordings:embed_recordings",
    "embed_clips": "embedding.clips:embed_clips",
    "evaluate": "evaluation.evaluate:evaluate",
    "export_onnx": "exporting.export:export_onnx",
    "finetune": "training.finetuning.folds:finetune_folds",
    "load_weight": "api:load_weight",
    "measure_cues": "preparing.cues:measure_cues",
    "merge": "corpora.merging:merge_manifests",
    "predict": "api:predict",
    "prepare": "preparing.dataset:prepare",
    "pretrain": "training.pretraining.run:pretrain",
    "probe": "embedding.probe:probe",
    "pull_weight": "pulling.pull:pull_weight",
    "read_manifest": "corpora.manifest:read_manifest",
    "read_record": "weights.record:read_record",
    "rerun": "reruns.rerun:rerun",
    "summarize": "summaries.summarize:summarize",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    try:
        found = getattr(import_module(f"{__name__}.{module}"), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == __name__:
            raise
        raise MissingDependencyError(f"{name} needs {error.name}: {install_hint('train')}") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*__all__, "__version__"])
