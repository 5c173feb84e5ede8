"""When a programme is looked at, and until when it may take."""

from __future__ import annotations

import math

import pytest

from drivers.furnaces.timetable import ADOPTED_POLL_S, Cooling, Timetable


@pytest.fixture
def timetable() -> Timetable:
    timetable = Timetable()
    timetable.begin([100.0, 700.0], 1000.0)
    return timetable


def test_a_transition_is_met_exactly_and_steady_stretches_are_looked_at_each_minute(timetable: Timetable) -> None:
    assert timetable.next_look_s(0.0) == 60.0
    assert timetable.next_look_s(60.0) == 100.0
    assert timetable.next_look_s(100.0) == 160.0
    assert timetable.next_look_s(690.0) == 700.0


def test_a_transition_that_is_overdue_is_looked_for_closely(timetable: Timetable) -> None:
    assert timetable.next_look_s(702.0) == 703.0


def test_a_programme_whose_start_nobody_saw_is_looked_at_often() -> None:
    timetable = Timetable()
    timetable.begin(None, 1000.0)
    assert timetable.next_look_s(5.0) == 5.0 + ADOPTED_POLL_S


def test_while_on_hold_nothing_comes_and_nothing_is_late(timetable: Timetable) -> None:
    timetable.hold(90.0)
    assert timetable.on_hold
    assert timetable.next_look_s(95.0) == 155.0
    timetable.hold(500.0)
    timetable.go_on(590.0)
    assert not timetable.on_hold
    assert timetable.latest_s == 1500.0
    assert timetable.next_look_s(590.0) == 600.0


def test_what_was_seen_of_an_adopted_programme_is_not_invented_by_a_hold() -> None:
    timetable = Timetable()
    timetable.begin(None, 1000.0)
    timetable.hold(10.0)
    timetable.go_on(20.0)
    assert (timetable.latest_s, timetable.next_look_s(20.0)) == (1010.0, 30.0)


def test_going_on_without_a_hold_changes_nothing(timetable: Timetable) -> None:
    timetable.go_on(50.0)
    assert timetable.latest_s == 1000.0


def test_after_the_end_there_is_no_deadline(timetable: Timetable) -> None:
    timetable.hold(10.0)
    timetable.end()
    assert (timetable.latest_s, timetable.on_hold) == (math.inf, False)
    assert timetable.next_look_s(0.0) == 60.0


# ---------------------------------------------------------------- cooling


def test_while_nobody_waits_for_it_cooling_is_no_reason_to_look() -> None:
    cooling = Cooling()
    assert cooling.next_look_s(0.0, 500.0) == math.inf
    cooling.wait_for(60.0, 0.0)
    cooling.end()
    assert cooling.next_look_s(10.0, 500.0) == math.inf


def test_a_fall_is_followed_to_where_it_is_waited_for() -> None:
    cooling = Cooling()
    cooling.wait_for(60.0, 0.0)
    assert cooling.next_look_s(0.0, 72.0) == 1.0
    assert cooling.next_look_s(10.0, 70.0) == 60.0
    cooling.wait_for(60.0, 10.0)
    assert cooling.next_look_s(60.0, 200.0) == 120.0


def test_what_does_not_fall_is_looked_at_each_minute() -> None:
    cooling = Cooling()
    cooling.wait_for(60.0, 0.0)
    cooling.next_look_s(1.0, 70.0)
    assert cooling.next_look_s(61.0, 70.0) == 121.0
