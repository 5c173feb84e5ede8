from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import NEVER_AFTER_S, Interlocks, Output, Rule, Signal
from lab.safety.judging.scan import (
    BOOT,
    Action,
    ActionKind,
    Latch,
    Readings,
    SafetyState,
    boot,
    must_open,
    reset,
    step,
    with_rises,
)

UNITS: dict[str, str | None] = {
    "over": "degC",
    "door": None,
    "water": None,
    "reading": "degC",
    "heater": None,
    "other": None,
}


def rule(name: str, kind: str, target: str, when: str, **more: float) -> Rule:
    return Rule(name, kind, target, parse_expression(when, UNITS), "do something", **more)  # type: ignore[arg-type]


def switch(name: str, device: str = "safety-1", channel: str = "di1") -> Signal:
    return Signal(name, device, channel, None, -math.inf, math.inf, 1.0)


INTERLOCKS = Interlocks(
    {
        "over": Signal("over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0),
        "door": switch("door"),
        "water": switch("water", channel="di2"),
        "reading": Signal("reading", "furnace-1", "reading", "degC", -20.0, 1350.0, 1.0),
    },
    {"heater": Output("heater", "safety-1", "do1", 100.0), "other": Output("other", "safety-2", "do1")},
    (
        rule("OVER", "trip", "heater", "over > 1150 degC"),
        rule("RUNAWAY", "trip", "heater", "rise(over, 60 s) > 60 K", after_s=1.0),
        rule("DOOR", "interlock", "heater", "door"),
        rule("LAB", "interlock", "heater", "reading < 1140 degC"),
        rule("WATER", "hold", "furnace-1", "not water"),
        rule("WARM", "alarm", "warm", "over > 1000 degC"),
        rule("OPEN", "permissive", "furnace-1.door.open", "over < 60 degC"),
    ),
    (parse_expression("heater and not door", UNITS),),
)
GOOD: dict[str, Value] = {
    "over": 25.0,
    "door": True,
    "water": True,
    "reading": 25.0,
    "heater": False,
    "other": False,
}
BOTH = frozenset({"safety-1", "safety-2"})
OPEN_HEATER = Action(ActionKind.OPEN, "heater")
OPEN_OTHER = Action(ActionKind.OPEN, "other")


def readings(t_s: float = 0.0, **changed: Any) -> Readings:
    values = {**GOOD, **{k: v for k, v in changed.items() if k in GOOD}}
    rest = {k: v for k, v in changed.items() if k not in GOOD}
    return Readings(t_s, values, **{"complete": BOTH, **rest})


def ready(**changed: Any) -> SafetyState:
    """A state in which nothing is latched and one scan was made."""
    state, _ = step(INTERLOCKS, boot(INTERLOCKS, 0.0), readings(**changed))
    state, why = reset(INTERLOCKS, state, readings(**changed))
    assert why == ()
    return state


def opened(actions: tuple[Action, ...]) -> set[str]:
    return {action.target for action in actions if action.kind is ActionKind.OPEN}


# ---------------------------------------------------------------- trips


def test_a_boot_is_tripped_and_opens_what_is_closed() -> None:
    state, actions = step(INTERLOCKS, boot(INTERLOCKS, 0.0), readings(heater=True, other=True))
    assert [latch.cause for latch in state.tripped] == [BOOT]
    assert opened(actions) == {"heater", "other"}


def test_what_was_latched_before_a_restart_stays_the_first_cause() -> None:
    kept = [Latch("OVER", 7, 3.0, ("heater",)), Latch(BOOT, 0, 0.0, ("heater", "other"))]
    assert [latch.cause for latch in boot(INTERLOCKS, 9.0, kept).tripped] == ["OVER", BOOT]


@pytest.mark.parametrize("over", [1151.0, None])
def test_a_trip_fires_when_its_condition_holds_or_is_unknown_and_stays_when_it_is_gone(over: Value) -> None:
    state, actions = step(INTERLOCKS, ready(), readings(0.1, over=over, heater=True))
    assert ("OVER", ("heater",)) in [(latch.cause, latch.targets) for latch in state.tripped]
    assert opened(actions) == {"heater"}
    state, actions = step(INTERLOCKS, state, readings(0.2, heater=True))
    assert state.tripped[0].cause == "OVER"
    assert opened(actions) == {"heater"}


def test_a_trip_of_one_furnace_leaves_the_other_one_heating() -> None:
    _, actions = step(INTERLOCKS, ready(), readings(0.1, over=1200.0, heater=True, other=True))
    assert opened(actions) == {"heater"}


def test_the_first_cause_stays_first_whatever_comes_later() -> None:
    state, _ = step(INTERLOCKS, ready(), readings(0.1, over=1200.0))
    state = replace(state, tripped=(*state.tripped, Latch("STOP by ana", 3, 0.2, ("heater", "other"))))
    state, _ = step(INTERLOCKS, state, readings(0.3, over=None))
    causes = [latch.cause for latch in state.tripped]
    assert causes[0] == "OVER"
    assert causes.count("OVER") == 1
    assert state.tripped[0].scan == 2


def test_a_rule_that_waits_fires_after_its_time_and_not_before() -> None:
    state = ready()
    state, _ = step(INTERLOCKS, state, readings(1.0, over=100.0))
    assert state.tripped == ()
    state, _ = step(INTERLOCKS, state, readings(1.9, over=101.0))
    assert state.tripped == ()
    state, _ = step(INTERLOCKS, state, readings(2.0, over=102.0))
    assert [latch.cause for latch in state.tripped] == ["RUNAWAY"]


def test_a_rule_that_waits_begins_anew_after_its_condition_was_gone() -> None:
    state = ready()
    for t_s, over in ((1.0, 100.0), (1.5, 30.0), (1.9, 100.0), (2.5, 100.0)):
        state, _ = step(INTERLOCKS, state, readings(t_s, over=over))
    assert state.tripped == ()


# ---------------------------------------------------------------- reset


def test_a_reset_clears_what_has_no_cause_any_more_and_says_why_the_rest_stays() -> None:
    state, _ = step(INTERLOCKS, boot(INTERLOCKS, 0.0), readings(over=1200.0))
    state, why = reset(INTERLOCKS, state, readings(over=1200.0))
    assert [latch.cause for latch in state.tripped] == ["OVER"]
    assert why == ("OVER: its condition goes on: do something",)
    state, why = reset(INTERLOCKS, state, readings())
    assert (state.tripped, why) == ((), ())


def test_a_reset_restores_ability_and_closes_nothing() -> None:
    _, actions = step(INTERLOCKS, ready(), readings(0.1))
    assert {action.kind for action in actions} == {ActionKind.TOGGLE}


def test_an_unknown_signal_keeps_its_trip_latched() -> None:
    state, _ = step(INTERLOCKS, boot(INTERLOCKS, 0.0), readings(over=None))
    _, why = reset(INTERLOCKS, state, readings(over=None))
    assert any("cannot be known" in sentence for sentence in why)


# ---------------------------------------------------------------- interlocks, holds, alarms, never


@pytest.mark.parametrize("door", [False, None])
def test_an_interlock_opens_while_its_condition_is_not_true_and_lets_go_by_itself(door: Value) -> None:
    state, actions = step(INTERLOCKS, ready(), readings(0.1, door=door, heater=True))
    assert state.interlocked == {"heater"}
    assert opened(actions) == {"heater"}
    state, actions = step(INTERLOCKS, state, readings(0.2))
    assert (state.interlocked, opened(actions)) == (frozenset(), set())
    assert state.tripped == ()


def test_a_hold_and_an_alarm_act_on_no_output() -> None:
    state, actions = step(INTERLOCKS, ready(), readings(0.1, water=False, over=1100.0, heater=True))
    assert state.held == {"furnace-1"}
    assert {"WATER", "WARM"} <= state.acting
    assert opened(actions) == set()


def test_a_never_that_an_interlock_ends_in_time_does_not_latch() -> None:
    state, _ = step(INTERLOCKS, ready(), readings(0.1, door=False, heater=True))
    state, _ = step(INTERLOCKS, state, readings(0.2, door=False, heater=False))
    state, _ = step(INTERLOCKS, state, readings(0.1 + NEVER_AFTER_S, door=False, heater=False))
    assert state.tripped == ()


def test_a_never_that_goes_on_latches_the_outputs_that_it_names() -> None:
    state = ready()
    for t_s in (0.1, 0.1 + NEVER_AFTER_S):
        state, _ = step(INTERLOCKS, state, readings(t_s, door=False, heater=True))
    assert [(latch.cause, latch.targets) for latch in state.tripped] == [("never 1", ("heater",))]


def test_an_output_that_only_the_stop_loop_holds_open_is_told_to_open_all_the_same() -> None:
    state, actions = step(INTERLOCKS, ready(), readings(0.1, door=False, heater=False, commanded={"heater": True}))
    assert OPEN_HEATER in actions
    _, actions = step(INTERLOCKS, state, readings(0.2, door=False, heater=False, commanded={"heater": False}))
    assert OPEN_HEATER not in actions


def test_a_bypassed_rule_does_nothing() -> None:
    state, actions = step(INTERLOCKS, ready(), readings(0.1, over=1200.0, heater=True, bypassed=frozenset({"OVER"})))
    assert state.tripped == ()
    assert opened(actions) == set()


# ---------------------------------------------------------------- watchdogs


def test_only_modules_that_answered_completely_are_toggled() -> None:
    _, actions = step(INTERLOCKS, ready(), readings(0.1, complete=frozenset({"safety-2"})))
    assert [action.target for action in actions if action.kind is ActionKind.TOGGLE] == ["safety-2"]


def test_outputs_are_opened_before_any_watchdog_is_told_that_all_is_well() -> None:
    _, actions = step(INTERLOCKS, boot(INTERLOCKS, 0.0), readings(heater=True, other=True))
    kinds = [action.kind for action in actions]
    assert kinds == sorted(kinds, key=[ActionKind.OPEN, ActionKind.TOGGLE].index)


# ---------------------------------------------------------------- without the lab service


def lost(t_s: float, **changed: Any) -> Readings:
    return readings(t_s, reading=None, lab_alive=False, **changed)


def test_without_the_lab_service_a_running_programme_goes_on_for_its_time_and_no_longer() -> None:
    state, actions = step(INTERLOCKS, ready(), lost(10.0, heater=True, other=True, running=frozenset({"heater"})))
    assert opened(actions) == {"other"}
    state, actions = step(INTERLOCKS, state, lost(109.9, heater=True))
    assert opened(actions) == set()
    state, actions = step(INTERLOCKS, state, lost(110.0, heater=True))
    assert opened(actions) == {"heater"}
    assert state.tripped == ()


def test_the_declared_time_counts_from_the_last_sign_of_life() -> None:
    state, _ = step(INTERLOCKS, ready(), lost(10.0, heater=True, lab_heard_s=8.5, running=frozenset({"heater"})))
    _, actions = step(INTERLOCKS, state, lost(108.4, heater=True))
    assert opened(actions) == set()
    _, actions = step(INTERLOCKS, state, lost(108.5, heater=True))
    assert opened(actions) == {"heater"}


def test_an_output_whose_controller_runs_nothing_opens_at_once_when_the_lab_service_is_gone() -> None:
    _, actions = step(INTERLOCKS, ready(), lost(10.0, heater=True))
    assert opened(actions) == {"heater"}


def test_nobody_can_declare_a_programme_after_the_lab_service_was_lost() -> None:
    state, _ = step(INTERLOCKS, ready(), lost(10.0, heater=False))
    _, actions = step(INTERLOCKS, state, lost(10.1, heater=True, running=frozenset({"heater"})))
    assert opened(actions) == {"heater"}


def test_its_own_trips_hold_also_without_the_lab_service() -> None:
    state, _ = step(INTERLOCKS, ready(), lost(10.0, heater=True, running=frozenset({"heater"})))
    _, actions = step(INTERLOCKS, state, lost(10.1, heater=True, over=1200.0))
    assert opened(actions) == {"heater"}


def test_a_rule_on_the_lab_services_signals_sleeps_while_that_is_gone_and_wakes_with_it() -> None:
    state, _ = step(INTERLOCKS, ready(), lost(10.0, heater=True, running=frozenset({"heater"})))
    assert "LAB" not in state.acting
    state, _ = step(INTERLOCKS, state, readings(11.0, reading=1145.0, heater=True))
    assert "LAB" in state.acting
    assert state.lab_lost_s is None


# ---------------------------------------------------------------- rises


def rise_of(points: list[tuple[float, Value]]) -> Value:
    state = ready()
    for t_s, over in points:
        state, _ = step(INTERLOCKS, state, readings(t_s, over=over))
    (rise,) = INTERLOCKS.rises
    return with_rises(INTERLOCKS, readings(points[-1][0], over=points[-1][1]).values, state.history)[rise.key]


def test_a_rise_is_the_change_over_its_window() -> None:
    assert rise_of([(float(t_s), 25.0 + 0.5 * t_s) for t_s in range(1, 300)]) == pytest.approx(30.0, abs=0.6)


def test_a_rise_over_less_than_its_window_is_the_change_since_it_was_first_seen() -> None:
    assert rise_of([(1.0, 30.0), (2.0, 32.0)]) == pytest.approx(7.0)


def test_a_drop_out_hides_no_rise() -> None:
    points: list[tuple[float, Value]] = [(0.5 * i, None if i % 40 == 0 else 25.0 + i) for i in range(1, 200)]
    rise = rise_of(points)
    assert rise == pytest.approx(120.0, abs=3.0)


def test_a_rise_is_unknown_while_its_signal_is() -> None:
    assert rise_of([(1.0, 30.0), (2.0, None)]) is None


def test_what_was_read_long_before_a_gap_is_no_beginning_of_a_rise() -> None:
    assert rise_of([(1.0, 30.0), (499.0, None), (500.0, 90.0)]) == pytest.approx(0.0)


def test_scans_further_apart_than_the_window_hide_no_rise() -> None:
    assert rise_of([(1.0, 30.0), (500.0, 90.0)]) == pytest.approx(60.0)


def test_the_memory_of_a_rise_stays_small() -> None:
    state = ready()
    for i in range(2000):
        state, _ = step(INTERLOCKS, state, readings(i * 0.1, over=25.0))
    assert len(state.history["over"]) < 80


# ---------------------------------------------------------------- for all


@given(
    over=st.sampled_from([25.0, 1010.0, 1200.0, None]),
    door=st.sampled_from([True, False, None]),
    heater=st.sampled_from([True, False, None]),
    alive=st.booleans(),
    running=st.booleans(),
    tripped=st.booleans(),
)
def test_whatever_a_scan_finds_what_may_not_be_closed_is_told_to_open(
    over: Value, door: Value, heater: Value, alive: bool, running: bool, tripped: bool
) -> None:
    before = boot(INTERLOCKS, 0.0) if tripped else ready()
    found = readings(
        5.0, over=over, door=door, heater=heater, lab_alive=alive, running=frozenset({"heater"} if running else ())
    )
    after, actions = step(INTERLOCKS, before, found)
    needed = set(must_open(INTERLOCKS, after, 5.0))
    assert {name for name in needed if found.values[name] is not False} == opened(actions)
    if over is None or over == 1200.0 or door is not True or tripped or not (alive or running):
        assert "heater" in needed


def test_the_transition_table_of_latching_can_be_enumerated() -> None:
    """Every (latched, condition, reset) leads where a latch must lead."""
    for latched, over, with_reset in itertools.product((False, True), (25.0, 1200.0, None), (False, True)):
        state = ready()
        if latched:
            state = replace(state, tripped=(Latch("OVER", 1, 0.0, ("heater",)),))
        state, _ = step(INTERLOCKS, state, readings(0.1, over=over))
        if with_reset:
            state, _ = reset(INTERLOCKS, state, readings(0.1, over=over))
        bad = over != 25.0
        is_latched = any(latch.cause == "OVER" for latch in state.tripped)
        assert is_latched is (bad or (latched and not with_reset))


def test_a_scan_changes_nothing_of_what_it_was_given() -> None:
    before, found = ready(), readings(0.1, over=1200.0)
    kept: Mapping[str, Value] = dict(found.values)
    state = replace(before)
    step(INTERLOCKS, before, found)
    assert before == state
    assert found.values == kept
