from __future__ import annotations

import math
from dataclasses import replace

import pytest

from drivers.clock import JumpClock, RealClock, ScaledClock
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal
from lab.safety.judging.pace import fitted, scan_interval_s, watchdog_s

DOOR = parse_expression("door", {"door": None})
INTERLOCKS = Interlocks(
    {"door": Signal("door", "safety-1", "di1", None, -math.inf, math.inf, 1.0)},
    {},
    (
        Rule("NOW", "alarm", "door", DOOR, "close it"),
        Rule("SOON", "alarm", "door", DOOR, "close it", after_s=10.0),
        Rule("LATE", "alarm", "door", DOOR, "close it", after_s=600.0),
    ),
    (),
)


def test_scans_come_ten_times_a_second_of_the_wall_and_once_a_minute_when_time_jumps() -> None:
    assert scan_interval_s(RealClock()) == 0.1
    assert scan_interval_s(ScaledClock(600.0)) == 60.0
    assert scan_interval_s(JumpClock()) == 60.0


def test_times_shorter_than_three_scans_are_raised_and_told() -> None:
    rules, raised = fitted(INTERLOCKS, 60.0)
    assert rules.signals["door"].max_age_s == 180.0
    assert [rule.after_s for rule in rules.rules] == [0.0, 180.0, 600.0]
    assert raised == ["greatest age of door from 1 s to 180 s", "patience of SOON from 10 s to 180 s"]


def test_in_real_time_nothing_is_changed() -> None:
    assert fitted(INTERLOCKS, 0.1) == (INTERLOCKS, [])


@pytest.mark.parametrize(("declared_s", "fitted_s"), [(0.0, 0.0), (0.05, 0.0), (0.1, 0.0), (3600.0, 3599.9)])
def test_what_may_go_on_without_the_lab_service_ends_one_scan_before_it_would_be_overstepped(
    declared_s: float, fitted_s: float
) -> None:
    outputs = {"heater": Output("heater", "safety-1", "do1", declared_s)}
    rules, raised = fitted(replace(INTERLOCKS, outputs=outputs), 0.1)
    assert rules.outputs["heater"].continue_for_s == pytest.approx(fitted_s)
    assert raised == []


@pytest.mark.parametrize(("asked_s", "interval_s", "given_s"), [(1.0, 0.1, 1.0), (1.0, 60.0, 180.0)])
def test_a_watchdog_waits_for_at_least_three_scans(asked_s: float, interval_s: float, given_s: float) -> None:
    assert watchdog_s(asked_s, interval_s) == given_s
