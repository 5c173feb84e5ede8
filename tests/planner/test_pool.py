"""The search stays among legal, new recipes and finds the best-scored ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from planner import Problem, enumerate_routes
from planner.pool import candidate_pool, neighbours, offspring, search
from planner.space import Floats, Point, Space


@pytest.fixture
def space(problem: Problem) -> Space:
    return Space(problem, enumerate_routes(problem))


def closeness(space: Space, best: Point) -> object:
    goal = np.array(space.coordinates(best))

    def score(points: Sequence[Point]) -> Floats:
        rows = np.array([space.coordinates(p) for p in points])
        return np.asarray(-np.abs(rows - goal).sum(axis=1))

    return score


def test_pool_holds_only_legal_points_that_are_not_taken(space: Space) -> None:
    parents = [(0, 20, 5, 8, 0)]
    taken = set(candidate_pool(space, parents, (), np.random.default_rng(3))[:50])
    pool = candidate_pool(space, parents, taken, np.random.default_rng(3))
    assert len(pool) == len(set(pool)) > 100
    assert taken.isdisjoint(pool)
    assert all(space.allows(p) for p in pool)


def test_offspring_stay_near_their_parents(space: Space) -> None:
    rng = np.random.default_rng(0)
    parent = (0, 20, 10, 8, 1)
    children = [offspring(space, [parent], rng) for _ in range(200)]
    moved = np.abs([c[1] - parent[1] for c in children])
    assert 0 < moved.mean() < 5
    assert any(c[0] != parent[0] for c in children)


def test_neighbours_are_one_step_away_and_inside(space: Space) -> None:
    corner = (0, 0, 0, space.shape[3] - 1, 0)
    assert neighbours(space, corner, ()) == [
        (1, 0, 0, corner[3], 0),
        (0, 1, 0, corner[3], 0),
        (0, 0, 1, corner[3], 0),
        (0, 0, 0, corner[3] - 1, 0),
        (0, 0, 0, corner[3], 1),
    ]


def test_the_climb_ends_on_the_goal(space: Space) -> None:
    goal = (1, 30, 6, 12, 0)
    score = closeness(space, goal)
    near = (1, 29, 7, 12, 0)
    found, value = search(space, score, [near, near], {near}, np.random.default_rng(1))  # type: ignore[arg-type]
    assert found == goal
    assert value == pytest.approx(0.0)


def test_the_best_is_never_one_that_is_taken(space: Space) -> None:
    goal = (1, 30, 6, 12, 0)
    found, _ = search(space, closeness(space, goal), [goal], {goal}, np.random.default_rng(1))  # type: ignore[arg-type]
    assert found != goal
    assert np.abs(np.subtract(found, goal)).sum() <= 2


def test_same_generator_same_pool(space: Space) -> None:
    pools = [candidate_pool(space, [(0, 1, 2, 3, 1)], (), np.random.default_rng(8)) for _ in range(2)]
    assert pools[0] == pools[1]
