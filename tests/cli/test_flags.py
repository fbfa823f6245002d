"""Parameters in messages become options of the command, and nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.cli.app import _COMMANDS
from hicmae_cli.cli.flags import FLAGS, to_flags
from hicmae_cli.training.recipes import list_keys
from hicmae_cli.training.settings import FinetuneSettings
from tests.cli.running import hicmae


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


def test_the_table_is_in_order_and_every_option_exists() -> None:
    assert list(FLAGS) == sorted(FLAGS)
    with_commands = {"visualize": ["visualize", "reconstruction"]}
    commands = [with_commands.get(command, [command]) for command in _COMMANDS if command not in ("weights", "puppets")]
    helps = "".join(hicmae(*command, "--help").out for command in commands)
    options = set(re.findall(r"--[a-z-]+", helps))
    assert [flag for flag in FLAGS.values() if flag.partition(" ")[0] not in options] == []


def test_every_key_that_set_names_is_a_key_of_a_recipe() -> None:
    keys = {flag.partition(" ")[2] for flag in FLAGS.values()} - {""}
    assert keys <= {key.name for key in list_keys(FinetuneSettings)}
