"""A firing as steps."""

from __future__ import annotations

import math

import pytest

from drivers.errors import LimitError
from drivers.furnaces.program import FurnaceProgram, Step, check_near, differences


def test_the_peak_is_the_hottest_step() -> None:
    assert FurnaceProgram((Step(5, 400), Step(5, 950), Step(5, 60))).peak_degc == 950


def test_a_programme_that_ends_cool_stays_as_it_is() -> None:
    program = FurnaceProgram((Step(5, 950), Step(5, 60)))
    assert program.with_safe_end() is program


def test_a_programme_that_ends_warm_is_continued_down() -> None:
    program = FurnaceProgram((Step(5, 950, 60),))
    assert program.with_safe_end().steps == (Step(5, 950, 60), Step(0, 20))


def test_transitions_are_the_ends_of_ramps_and_dwells_from_where_the_furnace_is() -> None:
    program = FurnaceProgram((Step(10, 525, 3600), Step(5, 25), Step(0, 20)))
    assert list(program.transitions_s(25)) == [3000, 6600, 12600]


def test_the_longest_time_counts_a_step_without_a_rate_as_slow_cooling() -> None:
    assert FurnaceProgram((Step(10, 525, 3600), Step(5, 25))).longest_s(25) == 3000 + 3600 + 6000
    assert FurnaceProgram((Step(10, 920), Step(0, 20))).longest_s(20) == 5400 + 900 * 60


FIRING = FurnaceProgram((Step(10.0, 120.0, 60.0), Step(0.0, 20.0)))


@pytest.mark.parametrize(
    ("from_s", "to_s", "degc"),
    [
        (-100.0, 0.0, (20.0, 20.0)),
        (60.0, 120.0, (30.0, 40.0)),
        (540.0, 630.0, (110.0, 120.0)),
        (650.0, 700.0, (20.0, 120.0)),
        (661.0, 9000.0, (20.0, 20.0)),
    ],
)
def test_the_setpoint_is_known_at_every_time(from_s: float, to_s: float, degc: tuple[float, float]) -> None:
    assert FIRING.setpoints_degc(from_s, to_s, 20.0) == degc


def test_steps_that_only_fill_up_are_none() -> None:
    full = FurnaceProgram((*FIRING.steps, *(Step(0.0, 20.0),) * 6))
    assert full.trimmed() == FIRING
    assert FIRING.trimmed() == FIRING
    assert differences(FIRING, full) == ()


def test_what_an_instrument_rounds_is_said_number_by_number() -> None:
    asked = FurnaceProgram((Step(4.37, 900.4, 6010.0),))
    held = FurnaceProgram((Step(4.4, 900.0, 6000.0),))
    assert differences(asked, held) == (
        "step 1: 4.37 degC/min is held as 4.4 degC/min",
        "step 1: 900.4 degC is held as 900 degC",
        "step 1: 6010 s is held as 6000 s",
    )
    check_near(asked, held)


@pytest.mark.parametrize(
    ("asked", "held", "said"),
    [
        (
            Step(0.02, 900.0),
            Step(0.1, 900.0),
            "step 1: 0.02 degC/min was requested, the instrument can hold 0.1 degC/min",
        ),
        (Step(5.0, 900.0, 90.0), Step(5.0, 900.0, 120.0), "90 s was requested, the instrument can hold 120 s"),
        (Step(5.0, 900.0), Step(5.0, 901.0), "900 degC was requested"),
        (Step(5.0, 900.0), Step(5.0, math.nan), "900 degC was requested"),
    ],
)
def test_what_would_be_another_firing_is_refused(asked: Step, held: Step, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        check_near(FurnaceProgram((asked,)), FurnaceProgram((held,)))


def test_another_number_of_steps_is_another_firing() -> None:
    with pytest.raises(LimitError, match="2 steps were requested, the instrument would make 1 of them"):
        check_near(FIRING, FurnaceProgram(FIRING.steps[:1]))
