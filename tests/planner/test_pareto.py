"""Fronts and hypervolumes against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner import Measured, Observation, Outcome, Problem, hypervolume, pareto


def seen(trial: int, fraction: float, hours: float, outcome: Outcome = Outcome.COMPLETED) -> Observation:
    return Observation(
        trial, outcome, {"target_fraction": Measured(fraction, 0.02), "furnace_hours": Measured(hours, 0.1)}
    )


def test_only_what_nothing_beats_is_on_the_front(problem: Problem) -> None:
    results = [seen(0, 0.9, 20), seen(1, 0.5, 10), seen(2, 0.4, 12), seen(3, 0.9, 22)]
    assert [o.trial_id for o in pareto(results, problem)] == [0, 1]


def test_two_rectangles_by_hand(problem: Problem) -> None:
    # fraction 0.5 saves 14 of 24 hours; 0.9 saves 4: 0.5 x 14 + 0.4 x 4
    assert hypervolume([seen(0, 0.5, 10), seen(1, 0.9, 20)], problem) == pytest.approx(8.6)


def test_results_beyond_a_constraint_or_not_trusted_count_nothing(problem: Problem) -> None:
    results = [seen(0, 1.0, 25), seen(1, 1.0, 5, Outcome.MISSING), seen(2, 1.0, 5, Outcome.FAILED_RECIPE)]
    assert pareto(results, problem) == []
    assert hypervolume(results, problem) == 0.0


def test_another_reference_point_changes_the_volume(problem: Problem) -> None:
    corner = {"target_fraction": 0.4, "furnace_hours": 12.0}
    assert hypervolume([seen(0, 0.5, 10)], problem, corner) == pytest.approx(0.1 * 2)


def test_one_objective_counts_its_gain(problem: Problem) -> None:
    single = replace(problem, objectives={"target_fraction": "maximize"})  # type: ignore[dict-item]
    assert hypervolume([seen(0, 0.3, 10), seen(1, 0.7, 20)], single) == pytest.approx(0.7)


def test_equal_results_share_the_front(problem: Problem) -> None:
    assert len(pareto([seen(0, 0.5, 10), seen(1, 0.5, 10)], problem)) == 2
