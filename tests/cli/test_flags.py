"""Parameters in messages become options of the command, and nothing else does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.bench.device import measure_device
from hicmae_cli.cli.app import app
from hicmae_cli.cli.flags import FLAGS, to_flags
from hicmae_cli.evaluation.calibrate_weight import calibrate_weight
from hicmae_cli.evaluation.comparison.compare import compare
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.real_check.check import check_real_people
from hicmae_cli.exporting.export import export_onnx
from hicmae_cli.preparing.check import check
from hicmae_cli.preparing.dataset import prepare
from hicmae_cli.recipes.recipe import list_keys
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.reruns.rerun import rerun
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.serving.settings import ServeSettings
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.training.pretraining.rebuilding import rebuild_video
from hicmae_cli.training.pretraining.run import pretrain
from hicmae_cli.weights.adding import add_weight
from hicmae_cli.weights.importing import import_weight
from tests.cli.test_app import COMMANDS


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        ("hop_s=3.0: expected more", "--hop 3.0: expected more"),
        ("use hop_s=0.64.", "use --hop 0.64."),
        ("(modality='av'), or", "(--modality av), or"),
        ("faces=-1; window_s=1e-05", "--faces -1; --window 1e-05"),
        ("hop_s=nan, start_s=-inf", "--hop nan, --start -inf"),
        ("skip_existing=True needs `output`", "--skip-existing needs --output"),
        ("weights='a \\'b\\'.onnx'", "--weights a 'b'.onnx"),
        ("formats='a\\nb\\x1b[31m'", "--format a\\nb\\x1b[31m"),
        ('engine="a\'b"', "--engine a'b"),
        ("loss='mse': expected", "--set loss=mse: expected"),
        ("`loss`", "--set loss"),
        ("overrides='epochs': expected", "--set epochs: expected"),
    ],
)
def test_both_forms_are_translated(message: str, printed: str) -> None:
    assert to_flags(message) == printed


@pytest.mark.parametrize(
    "message",
    [
        "hop_s=3.mp4: no such file",
        "/data/hop_s=3/a.mp4: no such file",
        "hop_s=3/a.mp4: no such file",
        "my-hop_s=3: no such file",
        "shop_s=3: expected",
        "epochs=3: expected",
        "run `hicmae export --onnx`",
        "output: no such folder",
        "modality=av",
    ],
)
def test_other_text_stays(message: str) -> None:
    assert to_flags(message) == message


@given(st.sampled_from(sorted(FLAGS)), st.one_of(st.floats(), st.integers(), st.text(max_size=5)))
def test_every_value_that_python_writes_is_found(name: str, value: object) -> None:
    printed = to_flags(f"{name}={value!r}: expected another")
    assert printed.startswith((f"{FLAGS[name]} ", f"{FLAGS[name]}="))
    assert printed.endswith(": expected another")
    if FLAGS[name] != f"--set {name}":
        assert f"{name}=" not in printed.removesuffix(f"{value}: expected another")


def options_of(words: tuple[str, ...]) -> set[str]:
    """The options of a command, by all their names."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.get_command(None, word)
    return {name for option in command.params if option.param_type_name == "option" for name in option.opts}


OPTIONS = {words: options_of(words) for words in COMMANDS}

CALLS: list[tuple[str, Callable[..., object]]] = [
    ("bench", measure_device),
    ("predict", PredictSettings),
    ("predict", open_engine),
    ("serve", ServeSettings),
    ("prepare", prepare),
    ("prepare", check),
    ("pretrain", pretrain),
    ("finetune", finetune_folds),
    ("evaluate", evaluate),
    ("evaluate", check_real_people),
    ("compare", compare),
    ("export", export_onnx),
    ("rerun", rerun),
    ("visualize reconstruction", rebuild_video),
    ("weights calibrate", calibrate_weight),
    ("weights import", import_weight),
    ("weights import", add_weight),
]
"""Commands, and the library functions that they call."""

HOOKS = {"draw_puppets", "progress", "make_detector", "finetuning", "pretraining", "warn"}

UNTRANSLATED = {
    # The commands use the defaults.
    "bench": {"rounds"},
    "predict": {"threads", "people_sha256"},
    # Options of their own.
    "serve": {"predict"},
    # Arguments of the command.
    "prepare": {"dataset"},
    "rerun": {"run"},
    "visualize reconstruction": {"source"},
    "weights calibrate": {"weight"},
    "weights import": {"file", "name", "source", "weight"},
    # A path that the command has resolved.
    "export": {"source"},
    # Arguments of the command.
    "compare": {"systems"},
    # The command trains one seed, and the library writes the source.
    "finetune": {"seeds", "source"},
}
"""Parameters that messages of these commands need not translate."""


def test_the_table_is_in_order_and_every_option_exists() -> None:
    assert list(FLAGS) == sorted(FLAGS)
    options = set().union(*OPTIONS.values())
    assert [flag for flag in FLAGS.values() if flag.partition(" ")[0] not in options] == []


@pytest.mark.parametrize(("command", "function"), CALLS, ids=lambda each: getattr(each, "__name__", each))
def test_every_parameter_of_the_library_becomes_an_option_of_its_command(
    command: str, function: Callable[..., object]
) -> None:
    options = OPTIONS[tuple(command.split())]
    for name in inspect.signature(function).parameters:
        if name.startswith("on_") or name in HOOKS | UNTRANSLATED.get(command, set()):
            continue
        flag = FLAGS.get(name, "missing in FLAGS")
        assert flag.partition(" ")[0] in options, f"{name}: {flag}"
        same = f"--{name.replace('_', '-')}"
        assert flag == same or same not in options, f"{name}: {flag}, but {command} has {same}"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_option_with_the_name_of_a_parameter_is_its_option(words: tuple[str, ...]) -> None:
    for option in OPTIONS[words]:
        flag = FLAGS.get(option.strip("-").replace("-", "_"), option)
        assert flag == option


def test_every_key_that_set_names_is_a_key_of_a_recipe() -> None:
    keys = {flag.partition(" ")[2] for flag in FLAGS.values()} - {""}
    assert keys <= {key.name for key in list_keys(FinetuneSettings)}
