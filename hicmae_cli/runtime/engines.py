"""The table of engines: the libraries that run a weight, each with the file format that it reads.

To add an engine, add a row here, a class that follows ``engine.Engine``, and its suffix in ``weights/suffixes.py``.
Nothing heavy is imported before an engine is opened, so that the commands' help can list the names.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli.runtime.providers import ONNX_ONLY
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS

if TYPE_CHECKING:
    from hicmae_cli.runtime.engine import Engine


@dataclass(frozen=True)
class EngineKind:
    """One row of the table.

    Attributes:
        name: value of the parameter ``engine``.
        suffix: suffix of the weight files that it reads.
        open: opens a weight file, given the device and the number of CPU threads (0: the library's choice).
        also_reads: suffix of another format whose files it reads if the weight has none of its own; empty if there is
            none.
        needs: packages that it needs beyond the base install; all of them are in the extra ``train``.
        convert: makes a weight file of its format from a ``.safetensors`` file; None if it cannot be made.
        convert_needs: packages for that.
        export_option: option of ``hicmae export`` that writes its format; empty if there is none.
        own_devices: devices that no other engine has.
    """

    name: str
    suffix: str
    open: Callable[[Path, str, int], Engine]
    also_reads: str = ""
    needs: tuple[str, ...] = ()
    convert: Callable[[Path, Path], object] | None = None
    convert_needs: tuple[str, ...] = ()
    export_option: str = ""
    own_devices: tuple[str, ...] = ()

    def is_available(self) -> bool:
        """Whether its packages are installed."""
        return not missing_packages(self.needs)

    def advise_export(self, weights: str) -> str:
        """Return the end of a sentence: how to make a file of its format on another machine; empty if it cannot."""
        if not self.export_option:
            return ""
        return f"; or run `hicmae export {self.export_option} --weights {weights}` where they are installed"


def missing_packages(names: tuple[str, ...]) -> list[str]:
    """Return the packages that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def _open_onnx(path: Path, device: str, threads: int) -> Engine:
    from hicmae_cli.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(path, device, threads)


def _export_onnx(source: Path, target: Path) -> object:
    from hicmae_cli.weights.export import write_onnx

    return write_onnx(source, target)


def _open_torch(path: Path, device: str, threads: int) -> Engine:
    from hicmae_cli.runtime.torch_engine import TorchEngine
    from hicmae_cli.weights.checkpoint import load_classifier

    return TorchEngine(*load_classifier(path), device, threads)


ENGINES: Final = {
    kind.name: kind
    for kind in (
        EngineKind(
            "onnx",
            ONNX,
            _open_onnx,
            convert=_export_onnx,
            convert_needs=("torch", "torchvision", "onnx", "onnxscript"),
            export_option="--onnx",
            own_devices=ONNX_ONLY,
        ),
        EngineKind("torch", SAFETENSORS, _open_torch, also_reads=ONNX, needs=("torch",)),
    )
}
"""By name, in the order in which ``auto`` tries them."""
ENGINE_NAMES: Final = ("auto", *ENGINES)
