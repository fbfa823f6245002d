"""Compare the precisions of an export: differences to torch, agreement, size and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from hicmae_cli.clips import Clip
from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.evaluation.scoring import restrict
from hicmae_cli.exporting.clips import ClipChoice, add_withheld, feed
from hicmae_cli.exporting.export import HALF_TOLERANCE, LEAST_AGREEMENT, compare_rows
from hicmae_cli.exporting.precision import convert_to_half, quantise
from hicmae_cli.files import make_scratch_folder
from hicmae_cli.onnx_runtime import open_session, run_session
from hicmae_cli.report.grid import Grid
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.tasks import Kind
from hicmae_cli.weights.export import trace_weight
from hicmae_cli.weights.info import ComputePrecision, WeightInfo
from hicmae_cli.weights.onnx_parameters import halve
from hicmae_cli.weights.reading import read_info

SCHEMA: Final = "hicmae.export/1"
_PAIRS: Final[tuple[tuple[ComputePrecision, ComputePrecision], ...]] = (
    ("float32", "float32"),
    ("float32", "float16"),
    ("float16", "float16"),
    ("int8", "int8"),
)
"""What a file computes in, and what its parameters are stored in."""
_ROUNDS: Final = 15
# Two medians of one graph differ by less.
_FASTER: Final = 0.95


@dataclass(frozen=True)
class PrecisionFacts:
    """A weight in one precision, compared with torch.

    Attributes:
        precision: what the file computes in.
        stored: what its parameters are stored in.
        max_logit_difference: largest difference of a logit, or of a regression's value.
        max_probability_difference: largest difference of a probability, without temperature; None for a regression.
        agreement: share of the clips for which both decide alike; see ``measure_agreement``.
        one_stream_agreement: the same with one stream alone, ``video`` or ``audio``; empty for a weight of one stream.
        size_bytes: size of the file.
        time_ratio: its time over that of torch: medians of one clip in one thread, on this processor.
    """

    precision: ComputePrecision
    stored: ComputePrecision
    max_logit_difference: float
    max_probability_difference: float | None
    agreement: float
    one_stream_agreement: Mapping[str, float]
    size_bytes: int
    time_ratio: float


@dataclass(frozen=True)
class PrecisionReport:
    """The precisions of a weight.

    Attributes:
        weight: its name or file, as given.
        kind: its task.
        clips: how many clips were compared.
        precisions: one for each file; the first is the plain one, of float32.
    """

    weight: str
    kind: Kind
    clips: int
    precisions: tuple[PrecisionFacts, ...]

    @property
    def recommended(self) -> ComputePrecision:
        """The precision to choose here: float32, unless another one is faster and loses little.

        Both others must decide as torch does for 99 % of the clips, also with one stream alone, and float16 may differ
        by 0.005 in a probability.
        """
        best = self._base
        for facts in self.precisions:
            if facts.precision != "float32" and self._is_exact(facts) and facts.time_ratio < _FASTER * best.time_ratio:
                best = facts
        return best.precision

    @property
    def _base(self) -> PrecisionFacts:
        return self.precisions[0]

    def _is_exact(self, facts: PrecisionFacts) -> bool:
        close = facts.precision == "int8" or (facts.max_probability_difference or 0.0) <= HALF_TOLERANCE
        return close and min(facts.agreement, *facts.one_stream_agreement.values(), 1.0) >= LEAST_AGREEMENT

    def advise(self) -> str:
        """Return a sentence that recommends a precision for this processor."""
        base, recommended = self._base, self.recommended
        if recommended == base.precision:
            return f"Recommended on this processor: {recommended}. No other file is both faster and exact enough."
        best = next(facts for facts in self.precisions if facts.precision == recommended)
        what = "a value" if self.kind == "regression" else "a probability"
        difference = best.max_logit_difference if self.kind == "regression" else best.max_probability_difference
        return (
            f"Recommended on this processor: {best.precision}. It takes {best.time_ratio / base.time_ratio:.2f} of the "
            f"time of float32, decides as torch does for {best.agreement:.1%} of the clips, and changes {what} by up "
            f"to {difference:.2g}."
        )

    def to_grid(self) -> Grid:
        """Make a table of texts."""
        output = "value" if self.kind == "regression" else "logit"
        alone = {"video": "face alone", "audio": "voice alone"}
        streams = [stream for stream in alone if stream in self._base.one_stream_agreement]
        header = (
            *("precision", f"largest difference, {output}", "probability", "agreement"),
            *(alone[stream] for stream in streams),
            *("size", "time / torch"),
        )
        rows = tuple(
            (
                facts.precision if facts.stored == facts.precision else f"{facts.precision}, stored in {facts.stored}",
                f"{facts.max_logit_difference:.1e}",
                "" if facts.max_probability_difference is None else f"{facts.max_probability_difference:.1e}",
                f"{facts.agreement:.1%}",
                *(f"{facts.one_stream_agreement[stream]:.1%}" for stream in streams),
                f"{facts.size_bytes / 1e6:.1f} MB",
                f"{facts.time_ratio:.2f}",
            )
            for facts in self.precisions
        )
        return Grid(f"precisions of {one_line(self.weight)} on {self.clips} clips", header, rows)

    def to_markdown(self) -> str:
        """Make a Markdown section: the table and the recommendation."""
        return "\n".join([*self.to_grid().to_section(), self.advise(), ""])

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `hicmae export --report --json`."""
        return {
            "schema": SCHEMA,
            "weight": self.weight,
            "task": self.kind,
            "clips": self.clips,
            "precisions": [asdict(facts) for facts in self.precisions],
            "recommended": self.recommended,
        }


def compare_precisions(
    source: str | Path,
    *,
    name: str = "",
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    split: str | None = None,
) -> PrecisionReport:
    """Export a weight in each precision into a temporary folder, and compare all with torch on prepared clips.

    The ranges of int8 come from every second clip, and the others are compared. Times are processor times of one clip
    in one thread, in rounds that alternate between torch and the files, so that other load on the machine changes
    little.

    Args:
        source: a ``.safetensors`` file, or an ``.onnx`` file that holds the parameters by name.
        name: the weight's name in the report; by default the file.
        dataset: name of a known dataset.
        root: its folder.
        manifest: a list of prepared clips instead.
        split: only the clips of this split; by default all, of which at most 256 are used.

    Raises:
        WeightsError: the source cannot be read, or a number is too large for float16.
        SettingsError: neither ``dataset`` nor ``manifest``.
        ManifestError: the clips are missing or cannot be read.
    """
    source = Path(source)
    choice = ClipChoice(dataset, root, manifest, split)
    info = read_info(str(source))
    clips = choice.read(info)
    shown = _list_shown(clips, info)
    traced = trace_weight(source, source)
    threads = torch.get_num_threads()
    with make_scratch_folder() as folder:
        try:
            reference = TorchEngine(traced.model, info, "cpu", threads=1)
            runs: dict[Any, Callable[..., NDArray[np.float32]]] = {"torch": reference.logits}
            sizes = {}
            for pair in _PAIRS:
                file = folder / f"{'-'.join(pair)}.onnx"
                onnx.save(_convert(traced.proto, *pair, clips[::2]), file)
                sizes[pair] = file.stat().st_size
                runs[pair] = _open(file)
            rows = {
                (run, stream): np.concatenate([runs[run](**inputs) for inputs in feed(found)])
                for stream, found in shown.items()
                for run in runs
            }
            times = _time(runs, next(feed(clips)))
        finally:
            torch.set_num_threads(threads)
    facts = []
    for pair in _PAIRS:
        found, *alone = (compare_rows(rows["torch", stream], rows[pair, stream], info) for stream in shown)
        probability = None if info.kind == "regression" else found.probability
        agreement = {stream: each.agreement for stream, each in zip(list(shown)[1:], alone, strict=True)}
        ratio = times[pair] / times["torch"]
        facts.append(PrecisionFacts(*pair, found.logit, probability, found.agreement, agreement, sizes[pair], ratio))
    return PrecisionReport(name or str(source), info.kind, len(shown[info.modality]), tuple(facts))


def _list_shown(clips: Sequence[Clip], info: WeightInfo) -> dict[str, list[Clip]]:
    """List the clips to compare by the streams that a model gets, its own first."""
    compared = list(clips[1::2] or clips)
    shown: dict[str, list[Clip]] = {info.modality: compared}
    if info.modality == "av":
        for stream in ("video", "audio"):
            alone = [restricted for clip in compared if (restricted := restrict(clip, stream)) is not None]
            shown |= {stream: alone} if alone else {}
    return shown


def _convert(
    proto: onnx.ModelProto, precision: ComputePrecision, stored: ComputePrecision, clips: Sequence[Clip]
) -> onnx.ModelProto:
    if precision == "int8":
        return quantise(proto, feed(add_withheld(clips)))
    if precision == "float16":
        return convert_to_half(proto)
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if stored == "float16":
        try:
            halve(copy)
        except ValueError as error:
            raise WeightsError(str(error)) from error
    return copy


def _open(file: Path) -> Callable[..., NDArray[np.float32]]:
    session = open_session(file, threads=1)
    return lambda **inputs: np.asarray(run_session(session, file, ["logits"], inputs)[0])


def _time(
    runs: Mapping[Any, Callable[..., NDArray[np.float32]]], inputs: Mapping[str, NDArray[np.float32]]
) -> dict[Any, float]:
    """Time all in turn, in rounds -> the median processor time of each, in seconds."""
    times: dict[Any, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            started = time.process_time()
            run(**inputs)
            times[name].append(time.process_time() - started)
    return {name: statistics.median(found) for name, found in times.items()}
