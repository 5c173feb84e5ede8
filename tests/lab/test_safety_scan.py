from __future__ import annotations

import math

import pytest

from lab.safety.expressions import Value, parse_expression
from lab.safety.interlock_file import Interlocks, Rule, Signal
from lab.safety.scan import BOOT, SafetyState, causes, reset, step

UNITS: dict[str, str | None] = {"T": "degC", "door": None, "water": None, "f1.heater": None, "f2.heater": None}
COLD: dict[str, Value] = {"T": 25.0, "door": True, "water": True, "f1.heater": False}
CLEAR = SafetyState(tripped=())


def rule(name: str, kind: str, target: str, when: str) -> Rule:
    return Rule(name, kind, target, parse_expression(when, UNITS), "do it")  # type: ignore[arg-type]


@pytest.fixture
def interlocks() -> Interlocks:
    signals = {"T": Signal("T", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0)}
    rules = (
        rule("OVER", "trip", "f1.heater", "T > 1150 degC"),
        rule("DRY", "trip", "f1.heater", "not water"),
        rule("HEAT", "interlock", "f1.heater", "door"),
        rule("DOOR", "permissive", "furnace-1.door.open", "T < 60 degC"),
    )
    outputs = {"f1.heater": ("safety-1", "do1"), "f2.heater": ("safety-2", "do1")}
    return Interlocks(signals, outputs, rules, (parse_expression("f1.heater and not door", UNITS),))


def test_boot_is_tripped_and_opens_every_output(interlocks: Interlocks) -> None:
    state, must_open = step(interlocks, SafetyState(), COLD)
    assert state.tripped == (BOOT,)
    assert must_open == {"f1.heater", "f2.heater"}


def test_a_quiet_laboratory_opens_nothing(interlocks: Interlocks) -> None:
    assert step(interlocks, CLEAR, COLD) == (CLEAR, frozenset())


def test_a_trip_latches_after_its_cause_has_gone(interlocks: Interlocks) -> None:
    hot, must_open = step(interlocks, CLEAR, {**COLD, "T": 1151.0})
    assert hot.tripped == ("OVER",)
    assert must_open == {"f1.heater", "f2.heater"}
    cold, must_open = step(interlocks, hot, COLD)
    assert cold.tripped == ("OVER",)
    assert must_open == {"f1.heater", "f2.heater"}


def test_causes_stand_in_the_order_in_which_they_came(interlocks: Interlocks) -> None:
    dry, _ = step(interlocks, CLEAR, {**COLD, "water": False})
    both, _ = step(interlocks, dry, {**COLD, "water": False, "T": 1200.0})
    again, _ = step(interlocks, both, {**COLD, "water": False, "T": 1200.0})
    assert both.tripped == ("DRY", "OVER")
    assert again.tripped == ("DRY", "OVER")


@pytest.mark.parametrize("value", [None, math.nan])
def test_a_trip_fires_on_an_input_that_is_unknown(interlocks: Interlocks, value: Value) -> None:
    assert causes(interlocks, {**COLD, "T": value}) == ["OVER"]
    assert causes(interlocks, {}) == ["OVER", "DRY", "never 1"]


def test_an_interlock_holds_back_its_output_alone_and_clears_by_itself(interlocks: Interlocks) -> None:
    state, must_open = step(interlocks, CLEAR, {**COLD, "door": False})
    assert state == SafetyState(tripped=(), interlocked=frozenset({"f1.heater"}))
    assert must_open == {"f1.heater"}
    assert step(interlocks, state, COLD) == (CLEAR, frozenset())


def test_an_interlock_acts_on_an_input_that_is_unknown(interlocks: Interlocks) -> None:
    _, must_open = step(interlocks, CLEAR, {**COLD, "door": None})
    assert must_open == {"f1.heater"}


def test_what_must_never_be_trips_when_it_is(interlocks: Interlocks) -> None:
    state, _ = step(interlocks, CLEAR, {**COLD, "f1.heater": True, "door": False})
    assert state.tripped == ("never 1",)
    assert step(interlocks, CLEAR, {**COLD, "f1.heater": True})[0].tripped == ()


def test_a_permissive_neither_trips_nor_opens(interlocks: Interlocks) -> None:
    assert step(interlocks, CLEAR, {**COLD, "T": 900.0}) == (CLEAR, frozenset())


def test_a_reset_restores_ability_only_when_no_cause_is_left(interlocks: Interlocks) -> None:
    tripped = SafetyState(tripped=("DRY", "OVER"))
    assert reset(interlocks, tripped, {**COLD, "water": False}) == tripped
    assert reset(interlocks, tripped, {**COLD, "T": None}) == tripped
    assert reset(interlocks, tripped, COLD) == CLEAR


def test_a_reset_leaves_an_interlock_as_it_is(interlocks: Interlocks) -> None:
    held = SafetyState(tripped=(BOOT,), interlocked=frozenset({"f1.heater"}))
    assert reset(interlocks, held, {**COLD, "door": False}).interlocked == {"f1.heater"}
