"""Conditions become firings, and their hours are counted once, in one way."""

from __future__ import annotations

import pytest

from planner import Problem, enumerate_routes, furnace_hours
from planner.programme import Conditions, build_recipe
from planner.routes import route_masses_mg
from protocols.recipe import Cool, Dwell, Ramp, Recipe


@pytest.fixture
def recipe(problem: Problem) -> Recipe:
    route = enumerate_routes(problem)[0]
    return build_recipe(problem, route, route_masses_mg(route, problem), Conditions(925.0, 6 * 3600.0, 5.0, 1))


def test_each_firing_has_the_full_dwell_and_ends_where_a_robot_may_touch(recipe: Recipe) -> None:
    assert recipe.regrinds == 1
    for firing in recipe.firings:
        ramp, dwell, cool = firing.segments
        assert ramp == Ramp(rate_degc_per_min=5.0, to_degc=925.0)
        assert dwell == Dwell(time_s=6 * 3600.0)
        assert cool == Cool(rate_degc_per_min=5.0, to_degc=60.0)
        assert firing.atmosphere == "air"


def test_hours_count_every_firing_from_a_cold_furnace(recipe: Recipe) -> None:
    one = 900 / 5 / 60 + 6 + 865 / 5 / 60
    assert furnace_hours(recipe) == pytest.approx(2 * one)
    assert furnace_hours(recipe, ambient_degc=125.0) == pytest.approx(2 * (one - 100 / 5 / 60))


def test_the_quick_estimate_agrees_with_the_recipe(problem: Problem, recipe: Recipe) -> None:
    assert problem.hours(Conditions(925.0, 6 * 3600.0, 5.0, 1)) == pytest.approx(furnace_hours(recipe))


def test_the_recipe_carries_lots_templates_and_tolerance(problem: Problem, recipe: Recipe) -> None:
    assert [p.lot for p in recipe.precursors] == ["BaCO3-lot7", "TiO2-lot3"]
    assert recipe.mixing == problem.mixing
    assert recipe.measure == problem.measure
    assert recipe.mass_tolerance_mg == 1.0
    assert recipe.target.formula == "BaTiO3"


def test_conditions_read_like_a_sentence() -> None:
    assert str(Conditions(950.0, 21600.0, 5.0, 1)) == "950 degC for 6 h at 5 degC/min, 1 regrinds"
