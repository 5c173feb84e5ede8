"""The recipes that may be suggested: routes times settings that an instrument can really be set to.

A `Point` is one of them, as indices into a `Space`. Models see a point as coordinates from 0 to 1; every
candidate that is scored is a point of the grid, so nothing has to be rounded afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from planner.errors import PoolEmptyError, ProblemError
from planner.problem import FURNACE_HOURS, Problem
from planner.programme import Conditions
from planner.routes import Route, route_features

TEMPERATURE_STEP_DEGC = 10.0
DWELL_STEP_S = 1800.0
RAMP_STEP_DEGC_PER_MIN = 0.5
FILL_BASE2 = 9
"""The space-filling start draws from 2**9 settings."""

Point = tuple[int, ...]
"""Five indices: of route, temperature, dwell, ramp and regrinds."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One setting and the values it can take, ascending."""

    name: str
    values: tuple[float, ...]
    log: bool = False

    @property
    def units(self) -> tuple[float, ...]:
        """Coordinates from 0 to 1 of the values, along the logarithm where the axis is logarithmic."""
        low, high = self._scale(self.values[0]), self._scale(self.values[-1])
        if len(self.values) == 1:
            return (0.5,)
        return tuple((self._scale(v) - low) / (high - low) for v in self.values)

    def _scale(self, value: float) -> float:
        return math.log(value) if self.log else value


class Space:
    """All legal points of a problem and their coordinates."""

    def __init__(self, problem: Problem, routes: tuple[Route, ...]) -> None:
        self.problem = problem
        self.routes = routes
        self.axes = (
            Axis("temperature_degc", _steps(problem.temperature_degc, TEMPERATURE_STEP_DEGC)),
            Axis("dwell_s", _steps(problem.dwell_s, DWELL_STEP_S), log=True),
            Axis("ramp_degc_per_min", _steps(problem.ramp_degc_per_min, RAMP_STEP_DEGC_PER_MIN), log=True),
            Axis("regrinds", tuple(float(r) for r in sorted(set(problem.regrinds)))),
        )
        self.shape = (len(routes), *(len(axis.values) for axis in self.axes))
        names, rows = route_features(routes)
        self._tables = (
            rows,
            *(tuple((u,) for u in a.units) if len(a.values) > 1 else ((),) for a in self.axes),
        )
        varying = tuple(axis.name for axis in self.axes if len(axis.values) > 1)
        self._hours = problem.hours(problem.shortest()), problem.hours(problem.longest())
        modelled = {*problem.objectives, *(c.name for c in problem.constraints)}
        self.with_hours = FURNACE_HOURS in modelled and bool(varying)
        hours = ("programmed_hours",) if self.with_hours else ()
        self.names = (*(f"route_{name}" for name in names), *varying, *hours)
        """One name per coordinate; a setting that cannot vary has none. The programmed hours follow from the
        settings; where they are modelled they come last, which `planner.surrogate` relies on."""

    def coordinates(self, point: Point) -> tuple[float, ...]:
        """Where the point lies in the unit cube, in the order of `names`."""
        settings = tuple(u for table, i in zip(self._tables, point, strict=True) for u in table[i])
        if not self.with_hours:
            return settings
        low, high = self._hours
        return (*settings, (self.problem.hours(self.conditions(point)) - low) / (high - low))

    def conditions(self, point: Point) -> Conditions:
        """The settings of a point, in their units."""
        temperature, dwell, ramp, regrinds = (axis.values[i] for axis, i in zip(self.axes, point[1:], strict=True))
        return Conditions(temperature, dwell, ramp, round(regrinds))

    def route(self, point: Point) -> Route:
        """The route of a point."""
        return self.routes[point[0]]

    def find(self, lots: Sequence[str], conditions: Mapping[str, float | int | str]) -> Point:
        """The point with these lots and settings. Raises `ProblemError` where the space has none."""
        try:
            route = [r.lots for r in self.routes].index(tuple(lots))
            settings = [axis.values.index(float(conditions[axis.name])) for axis in self.axes]
        except (ValueError, KeyError) as error:
            raise ProblemError(
                f"a recipe from {', '.join(lots)} with {dict(conditions)} lies outside this problem: "
                "plan with the ranges and precursors that it was suggested under"
            ) from error
        return (route, *settings)

    def allows(self, point: Point) -> bool:
        """Whether the programme keeps the limits on furnace time that are known without an experiment."""
        return self.problem.allows(self.conditions(point))

    def at(self, unit: Floats) -> Point:
        """The point whose cell holds a place in the five-dimensional unit cube (route, then settings)."""
        return tuple(min(int(u * n), n - 1) for u, n in zip(unit, self.shape, strict=True))

    def random(self, rng: np.random.Generator) -> Point:
        """A point drawn uniformly, legal or not."""
        return self.at(rng.random(5))

    def fill(self, seed: int, taken: Collection[Point]) -> Point:
        """The next legal point of a space-filling start that is not taken. Raises `PoolEmptyError`.

        Settings come from a scrambled Sobol sequence, each used once; the route is the one tried least, so
        that every route is tried before one is tried twice. Depends on nothing but the arguments.
        """
        from scipy.stats import qmc

        used = {point[1:] for point in taken}
        tries = [sum(point[0] == r for point in taken) for r in range(len(self.routes))]
        first = int(np.random.default_rng([seed, 1]).integers(len(self.routes)))
        turn = sorted(range(len(self.routes)), key=lambda r: (tries[r], (r - first) % len(self.routes)))
        sobol = qmc.Sobol(5, rng=np.random.default_rng([seed, 2]))
        for unit in sobol.random_base2(FILL_BASE2):
            point: Point = (turn[0], *self.at(unit)[1:])
            if point[1:] not in used and self.allows(point):
                return point
        return self.first_free(taken)

    def first_free(self, taken: Collection[Point]) -> Point:
        """The first legal point, in order of its indices, that is not taken. Raises `PoolEmptyError`."""
        for point in product(*map(range, self.shape)):
            if point not in taken and self.allows(point):
                return point
        raise PoolEmptyError(
            f"all legal recipes for {self.problem.target} have been suggested ({len(taken)} of "
            f"{math.prod(self.shape)} settings): widen a range, add a precursor or end the campaign"
        )


def _steps(limits: tuple[float, float], step: float) -> tuple[float, ...]:
    """Multiples of `step` within the limits; the lower limit alone where there is none."""
    first, last = math.ceil(limits[0] / step - 1e-9), math.floor(limits[1] / step + 1e-9)
    return tuple(i * step for i in range(first, last + 1)) or (limits[0],)
