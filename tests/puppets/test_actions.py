"""The tables of actions, action units and displays."""

from __future__ import annotations

from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.puppets.actions import ACTION_NAMES, DISPLAYS, INDEX, PROTOTYPES, UNITS


def test_there_are_52_actions_and_nine_displays() -> None:
    assert len(ACTION_NAMES) == len(INDEX) == 52
    assert set(CREMA_D_LABELS) < set(DISPLAYS) and len(DISPLAYS) == 9


def test_every_unit_names_actions_of_one_or_both_sides() -> None:
    for actions in UNITS.values():
        assert all(name in INDEX or {f"{name}Left", f"{name}Right"} <= INDEX.keys() for name in actions)


def test_every_display_is_made_of_known_units() -> None:
    for units in PROTOTYPES.values():
        assert units.keys() <= UNITS.keys()
        assert all(0 < chance <= 1 and 0 <= low <= high <= 1 for chance, low, high in units.values())
