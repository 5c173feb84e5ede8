"""Problems that contradict themselves are refused with a cure; good ones declare their reference point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner import Goal, PrecursorLot, Problem
from planner.errors import ProblemError
from planner.problem import Constraint
from planner.programme import Conditions


def test_plain_text_and_tuples_become_types(problem: Problem) -> None:
    assert problem.objectives == {"target_fraction": Goal.MAXIMIZE, "furnace_hours": Goal.MINIMIZE}
    assert problem.constraints == (Constraint("furnace_hours", "<=", 24.0),)


def test_reference_point_is_the_constraint_where_there_is_one(problem: Problem) -> None:
    assert problem.reference_point() == {"target_fraction": 0.0, "furnace_hours": 24.0}


def test_reference_point_is_the_longest_programme_without_a_constraint(problem: Problem) -> None:
    hours = replace(problem, constraints=()).reference_point()["furnace_hours"]
    up, dwell, down = 1075 / 2 / 60, 12.0, 1040 / 5 / 60
    assert hours == pytest.approx(2 * (up + dwell + down))


def test_a_programme_that_breaks_the_limit_is_not_allowed(problem: Problem) -> None:
    assert not problem.allows(Conditions(1100, 12 * 3600, 2, 1))
    assert problem.allows(Conditions(700, 3600, 10, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature_degc": (1100.0, 700.0)}, "temperature_degc runs from 1100 to 700: .*swap or widen"),
        ({"dwell_s": (0.0, 3600.0)}, "dwell_s runs from 0"),
        ({"ramp_degc_per_min": (5.0, 2.0)}, "ramp_degc_per_min runs from 5 to 2"),
        ({"temperature_degc": (50.0, 700.0)}, "not above the 60 degC"),
        ({"regrinds": ()}, "at least one choice"),
        ({"regrinds": (-1,)}, "none below 0"),
        ({"mass_mg": 0.0}, "mass_mg is 0"),
        ({"objectives": {}}, "no objective is given"),
        ({"objectives": {"target_fractoin": "maximize"}}, "did you mean target_fraction"),
        ({"constraints": (("cost", "<=", 1.0),)}, "objective 'cost' is not known"),
        ({"constraints": (("furnace_hours", "<", 24.0),)}, "must be <= or >="),
        ({"constraints": (("furnace_hours", "<=", 2.0),)}, "excludes every recipe: the shortest .* 4.3 h"),
        ({"constraints": (("furnace_hours", ">=", 60.0),)}, "excludes every recipe: the longest"),
        ({"constraints": (("target_fraction", ">=", 1.2),)}, "between 0 and 1"),
    ],
)
def test_contradictions_are_named(problem: Problem, change: dict[str, object], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        replace(problem, **change)  # type: ignore[arg-type]


def test_an_unknown_goal_is_refused(problem: Problem) -> None:
    with pytest.raises(ValueError, match="best"):
        replace(problem, objectives={"target_fraction": "best"})  # type: ignore[dict-item]


@pytest.mark.parametrize("bad", [{"assay": 0.0}, {"assay": 1.1}, {"hydrate": -1.0}, {"loss_on_ignition": 1.0}])
def test_a_lot_that_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ProblemError, match=r"lot of TiO2: .*correct the inventory"):
        PrecursorLot("TiO2", **bad)  # type: ignore[arg-type]
