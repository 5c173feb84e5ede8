"""A firing as steps."""

from __future__ import annotations

from drivers.furnace_program import FurnaceProgram, Step


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
