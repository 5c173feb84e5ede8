"""The search for the best-scored recipe: random ones, offspring of the best results, then small steps.

Evolution-guided Bayesian optimisation (Low et al., npj Comput. Mater. 2024) in its cheap form: the
acquisition function ranks a pool, recombining the non-dominated results aims the pool, and a climb over
neighbouring settings takes the place of a gradient. Everything scored is a legal recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from planner.space import Floats, Point, Space

Score = Callable[[Sequence[Point]], Floats]
"""Gives one value per point, higher is better."""

N_RANDOM = 768
N_OFFSPRING = 256
MUTATION_FRACTION = 0.12
"""Standard deviation of a mutation, as a fraction of an axis."""
CLIMB_ROUNDS = 4


def search(
    space: Space, score: Score, parents: Sequence[Point], taken: Collection[Point], rng: np.random.Generator
) -> tuple[Point, float]:
    """The best point of a pool after a short climb, and its score. Raises `PoolEmptyError`."""
    points = candidate_pool(space, parents, taken, rng)
    best, value = _best(points, score)
    for _ in range(CLIMB_ROUNDS):
        near = neighbours(space, best, taken)
        if not near:
            break
        moved, better = _best(near, score)
        if better <= value:
            break
        best, value = moved, better
    return best, value


def candidate_pool(
    space: Space, parents: Sequence[Point], taken: Collection[Point], rng: np.random.Generator
) -> list[Point]:
    """Distinct legal points that are not taken, in a reproducible order. Raises `PoolEmptyError`."""
    drawn = [space.random(rng) for _ in range(N_RANDOM)]
    if parents:
        drawn += [offspring(space, parents, rng) for _ in range(N_OFFSPRING)]
    fresh = [p for p in dict.fromkeys(drawn) if p not in taken and space.allows(p)]
    return fresh or [space.first_free(taken)]


def offspring(space: Space, parents: Sequence[Point], rng: np.random.Generator) -> Point:
    """A child of two parents: each index from one of them, then steps up or down on about half of the axes.

    The route is inherited or, rarely, drawn anew; routes have no order to step along.
    """
    a, b = (parents[int(i)] for i in rng.integers(len(parents), size=2))
    child = [x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True)]
    if rng.random() < 0.1:
        child[0] = int(rng.integers(space.shape[0]))
    for axis in range(1, len(child)):
        if rng.random() < 0.5:
            spread = max(1.0, MUTATION_FRACTION * space.shape[axis])
            moved = child[axis] + round(float(rng.normal(0.0, spread)))
            child[axis] = min(max(moved, 0), space.shape[axis] - 1)
    return tuple(child)


def neighbours(space: Space, point: Point, taken: Collection[Point]) -> list[Point]:
    """Legal points one step away along one axis, and the same settings by every other route."""
    moves = [
        (*point[:axis], index, *point[axis + 1 :])
        for axis, size in enumerate(space.shape)
        for index in (range(size) if axis == 0 else (point[axis] - 1, point[axis] + 1))
        if 0 <= index < size and index != point[axis]
    ]
    return [p for p in moves if p not in taken and space.allows(p)]


def _best(points: Sequence[Point], score: Score) -> tuple[Point, float]:
    values = score(points)
    index = int(np.argmax(values))
    return points[index], float(values[index])
