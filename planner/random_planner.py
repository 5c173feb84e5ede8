"""The baseline: balanced routes and legal conditions, drawn blindly."""

from __future__ import annotations

import numpy as np

from planner.pool import candidate_pool
from planner.problem import Problem
from planner.trials import Trials
from planner.types import Observation, Suggestion


class RandomPlanner:
    """Draws legal recipes uniformly and never learns; a `Planner`."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.trials = Trials(problem)
        self._seed = seed

    def suggest(self, n: int) -> list[Suggestion]:
        """Give `n` recipes, none of which is in flight or was carried out. Raises `PoolEmptyError`."""
        return [self._next() for _ in range(n)]

    def record(self, observations: list[Observation]) -> None:
        """Keep results, so that only equipment failures come again. Raises `ObservationError`."""
        self.trials.close(observations)

    def _next(self) -> Suggestion:
        rng = np.random.default_rng([self._seed, len(self.trials.points)])
        point = candidate_pool(self.trials.space, (), self.trials.taken(), rng)[0]
        return self.trials.open(point, f"random; route {self.trials.space.route(point)}", "random", {})
