"""Points are settings that instruments have, and coordinates lie in the unit cube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner import Problem, enumerate_routes
from planner.errors import PoolEmptyError, ProblemError
from planner.space import Space


@pytest.fixture
def space(problem: Problem) -> Space:
    return Space(problem, enumerate_routes(problem))


def test_settings_are_multiples_of_what_can_be_set(space: Space) -> None:
    rng = np.random.default_rng(0)
    for point in (space.random(rng) for _ in range(50)):
        c = space.conditions(point)
        assert c.temperature_degc % 10 == 0
        assert c.dwell_s % 1800 == 0
        assert c.ramp_degc_per_min % 0.5 == 0
        assert c.regrinds in (0, 1)


def test_limits_between_two_steps_are_not_exceeded(problem: Problem) -> None:
    narrow = replace(problem, temperature_degc=(905.0, 925.0), dwell_s=(4000.0, 5000.0))
    temperature, dwell, *_ = Space(narrow, enumerate_routes(narrow)).axes
    assert temperature.values == (910.0, 920.0)
    assert dwell.values == (4000.0,)


def test_coordinates_have_names_and_lie_between_0_and_1(space: Space) -> None:
    rng = np.random.default_rng(1)
    assert space.names == (
        "route_gas_mol",
        "temperature_degc",
        "dwell_s",
        "ramp_degc_per_min",
        "regrinds",
        "programmed_hours",
    )
    rows = np.array([space.coordinates(space.random(rng)) for _ in range(200)])
    assert rows.shape == (200, 6)
    assert rows.min() >= 0.0
    assert rows.max() <= 1.0


def test_a_setting_without_choice_is_no_coordinate(problem: Problem) -> None:
    fixed = replace(problem, regrinds=(0,), precursors=("BaCO3", "TiO2"))
    assert Space(fixed, enumerate_routes(fixed)).names == (
        "temperature_degc",
        "dwell_s",
        "ramp_degc_per_min",
        "programmed_hours",
    )


def test_a_point_is_found_again_by_what_the_suggestion_says(space: Space) -> None:
    point = (1, 3, 4, 5, 1)
    assert space.find(space.route(point).lots, space.conditions(point).as_dict()) == point


def test_a_point_of_another_problem_is_refused(space: Space) -> None:
    conditions = {**space.conditions((0, 0, 0, 0, 0)).as_dict(), "temperature_degc": 1500.0}
    with pytest.raises(ProblemError, match="lies outside this problem"):
        space.find(("BaCO3-lot7", "TiO2-lot3"), conditions)


def test_the_start_tries_every_route_and_uses_each_setting_once(space: Space) -> None:
    taken: list[tuple[int, ...]] = []
    for _ in range(6):
        taken.append(space.fill(5, taken))
    assert sorted(p[0] for p in taken) == [0, 0, 0, 1, 1, 1]
    assert len({p[1:] for p in taken}) == 6
    assert all(space.allows(p) for p in taken)
    assert np.ptp([space.coordinates(p)[1] for p in taken]) > 0.5  # spread over the temperatures


def test_the_start_depends_on_the_seed_alone(space: Space) -> None:
    assert space.fill(5, []) == space.fill(5, [])
    assert len({space.fill(seed, []) for seed in range(5)}) > 1


def test_a_used_up_space_says_what_to_widen(problem: Problem) -> None:
    tiny = replace(problem, temperature_degc=(900.0, 900.0), dwell_s=(3600.0, 3600.0), ramp_degc_per_min=(5.0, 5.0))
    space = Space(tiny, enumerate_routes(tiny))
    taken: list[tuple[int, ...]] = []
    for _ in range(4):
        taken.append(space.fill(0, taken))
    assert len(set(taken)) == 4
    with pytest.raises(PoolEmptyError, match=r"\(4 of 4 settings\): widen a range"):
        space.fill(0, taken)
