"""Whether a furnace does what it was told, judged on what was seen."""

from __future__ import annotations

import dataclasses
import math

import pytest

from drivers.furnaces.controller import Look, ProgramState
from drivers.furnaces.program import FurnaceProgram, Step
from drivers.furnaces.watch import FROZEN_LOOKS, PanelWatch, RunWatch

COLD = Look(20.0, 0.0, 0.0, 0.0, ProgramState.RESET)
FIRING = FurnaceProgram((Step(10.0, 920.0, 3600.0), Step(10.0, 20.0)))


def running(setpoint_degc: float, **more: object) -> Look:
    look = Look(setpoint_degc, 0.0, setpoint_degc, 50.0, ProgramState.RUN)
    return dataclasses.replace(look, **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- a programme


@pytest.fixture
def watch() -> RunWatch:
    watch = RunWatch(FIRING, COLD)
    assert watch.fault(running(20.0), 0.0, 0.0) == ""
    return watch


def test_a_setpoint_on_its_way_is_as_it_should_be(watch: RunWatch) -> None:
    for minute in range(1, 90):
        assert watch.fault(running(20.0 + 10.0 * minute), 60.0 * minute, 60.0 * minute) == ""


def test_a_controller_that_is_a_minute_late_is_as_it_should_be(watch: RunWatch) -> None:
    assert all(watch.fault(running(10.0 + 10.0 * m), 60.0 * m, 60.0 * m) == "" for m in range(1, 90))


def test_a_setpoint_that_stays_behind_is_a_fault_at_the_second_look(watch: RunWatch) -> None:
    assert watch.fault(running(20.0), 300.0, 300.0) == ""
    assert watch.fault(running(20.0), 360.0, 360.0) == (
        "its working setpoint is 20 degC, where the programme has 69 to 91 degC by now: "
        "does it do something else than it was told?"
    )


def test_one_stray_look_is_none(watch: RunWatch) -> None:
    for minute, degc in ((5, 900.0), (6, 80.0), (7, 900.0), (8, 100.0)):
        assert watch.fault(running(degc), 60.0 * minute, 60.0 * minute) == ""


def test_a_programmer_that_begins_at_its_setpoint_is_followed_too() -> None:
    watch = RunWatch(FIRING, COLD)
    assert all(watch.fault(running(10.0 * m), 60.0 * m, 60.0 * m) == "" for m in range(90))


def test_nothing_is_said_about_a_programme_whose_start_nobody_saw() -> None:
    watch = RunWatch(FIRING, COLD)
    assert all(watch.fault(running(700.0), math.nan, 60.0 * m) == "" for m in range(9))
    assert watch.cut_short(math.nan) == ""


def test_a_programme_that_waited_has_its_own_time(watch: RunWatch) -> None:
    assert watch.fault(running(20.0, waits=True), 300.0, 300.0) == ""
    assert all(watch.fault(running(20.0 + m), 300.0 + 60.0 * m, 300.0 + 60.0 * m) == "" for m in range(9))


def test_power_that_was_off_is_told_once_it_was(watch: RunWatch) -> None:
    assert watch.fault(running(70.0, power_failed=True), 300.0, 300.0) == "its power was off during the programme"


def test_power_that_had_been_off_before_is_nothing_new() -> None:
    watch = RunWatch(FIRING, dataclasses.replace(COLD, power_failed=True))
    assert watch.fault(running(20.0, power_failed=True), 0.0, 0.0) == ""


def test_a_time_that_stands_still_is_told(watch: RunWatch) -> None:
    said = [watch.fault(running(920.0, progress=3000.0 - 60.0 * min(m, 4)), math.nan, 60.0 * m) for m in range(9)]
    assert said[:7] == [""] * 7
    assert said[7] == "the time of its programme has stood still for 180 s: is the instrument stuck?"


def test_a_time_in_long_steps_is_given_longer(watch: RunWatch) -> None:
    said = [watch.fault(running(920.0, progress=float(m // 6)), math.nan, 60.0 * m) for m in range(60)]
    assert set(said) == {""}


def test_a_time_that_never_moves_says_nothing(watch: RunWatch) -> None:
    assert {watch.fault(running(920.0, progress=0.0), math.nan, 60.0 * m) for m in range(60)} == {""}


def test_a_time_may_stand_still_during_a_hold(watch: RunWatch) -> None:
    assert {watch.fault(running(920.0, progress=float(m)), math.nan, 60.0 * m) for m in range(9)} == {""}
    watch.pause(36_000.0)
    assert watch.fault(running(920.0, progress=8.0), math.nan, 36_060.0) == ""


def test_a_programme_that_ends_too_early_was_cut_short(watch: RunWatch) -> None:
    assert watch.cut_short(14_400.0) == ""
    assert watch.cut_short(14_300.0) == ""
    assert watch.cut_short(7200.0) == (
        "its programme ended after 120 min and takes 240 min at least: was it cut short at the panel?"
    )


# ---------------------------------------------------------------- the panel


@pytest.fixture
def panel() -> PanelWatch:
    panel = PanelWatch()
    panel.told(ProgramState.RESET, 400.0)
    return panel


HELD = Look(400.0, 400.0, 400.0, 40.0, ProgramState.RESET)


def test_what_is_seen_first_counts_as_told() -> None:
    panel = PanelWatch()
    assert panel.trouble(HELD, 0.0) == ""
    assert "its setpoint is 500 degC, 400 degC was told here" in panel.trouble(
        dataclasses.replace(HELD, target_degc=500.0, setpoint_degc=500.0), 60.0
    )
    assert panel.local


def test_what_is_as_it_was_told_is_no_trouble(panel: PanelWatch) -> None:
    assert [panel.trouble(HELD, 60.0 * m) for m in range(9)] == [""] * 9
    assert not panel.local


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (running(20.0), "its programme is in state run and was not told so here"),
        (dataclasses.replace(HELD, disobeys="it is in manual"), "it is in manual"),
        (dataclasses.replace(HELD, changed="its watchdog is off"), "its watchdog is off"),
    ],
)
def test_what_somebody_did_at_the_panel_is_told(panel: PanelWatch, look: Look, said: str) -> None:
    assert panel.trouble(look, 0.0) == said
    assert panel.local
    assert panel.trouble(HELD, 60.0) == ""
    assert not panel.local


def test_a_programme_ends_by_itself(panel: PanelWatch) -> None:
    panel.told(ProgramState.RUN)
    assert panel.trouble(running(920.0), 0.0) == ""
    assert panel.trouble(dataclasses.replace(running(20.0), state=ProgramState.END), 60.0) == ""


def test_a_hold_is_not_continued_by_itself(panel: PanelWatch) -> None:
    panel.told(ProgramState.HOLD)
    assert "state run and was not told so" in panel.trouble(running(920.0), 0.0)


def test_rounding_is_no_change(panel: PanelWatch) -> None:
    panel.told(ProgramState.RESET, 400.4)
    assert panel.trouble(dataclasses.replace(HELD, resolution_degc=1e-3), 0.0) == ""


def test_a_setpoint_that_is_ignored_is_told_and_is_nobodys_doing(panel: PanelWatch) -> None:
    ignored = dataclasses.replace(HELD, setpoint_degc=20.0)
    assert panel.trouble(ignored, 0.0) == panel.trouble(ignored, 60.0) == ""
    assert panel.trouble(ignored, 120.0) == "its working setpoint stands at 20 degC, not 400 degC"
    assert not panel.local


def test_a_setpoint_on_a_ramp_is_no_trouble(panel: PanelWatch) -> None:
    ramp = [dataclasses.replace(HELD, setpoint_degc=20.0 + m) for m in range(60)]
    assert {panel.trouble(look, 60.0 * m) for m, look in enumerate(ramp)} == {""}


def test_a_fine_reading_that_never_changes_is_told(panel: PanelWatch) -> None:
    fine = dataclasses.replace(HELD, resolution_degc=1e-3)
    said = [panel.trouble(fine, 60.0 * m) for m in range(FROZEN_LOOKS + 2)]
    assert said[FROZEN_LOOKS - 1] == ""
    assert said[-1] == "its reading has been 400 degC to the last digit for 360 s"


def test_a_watchdog_that_expired_is_told(panel: PanelWatch) -> None:
    assert (
        panel.trouble(dataclasses.replace(HELD, expired="its watchdog has expired"), 0.0) == "its watchdog has expired"
    )
    assert not panel.local
