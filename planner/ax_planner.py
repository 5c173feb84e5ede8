"""The planner that learns: a space-filling start, then Ax's Gaussian process ranking a pool of recipes.

Importing this module is cheap; making an `AxPlanner` imports Ax and torch (several seconds), so one process
should keep it. What it suggests depends only on problem, seed and the sequence of calls; each random draw
is keyed by seed and trial, so a planner rebuilt from the log of suggestions and results goes on alike.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from planner.errors import ObservationError
from planner.pool import Score, search
from planner.problem import FURNACE_HOURS, TARGET_FRACTION, Problem
from planner.space import Point
from planner.trials import Trials
from planner.types import Observation, Suggestion

if TYPE_CHECKING:
    from planner.ledger import Choice, Ledger

PROGRAMMED_SD = 0.1
"""Relative standard deviation of furnace hours before any were measured."""
FEASIBILITY = "qLogProbabilityOfFeasibility"


class AxPlanner:
    """Multi-objective, asynchronous Bayesian optimisation over routes and conditions; a `Planner`."""

    def __init__(self, problem: Problem, seed: int, n_initial: int = 5) -> None:
        """Check the problem, enumerate routes and open the ledger.

        Args:
            problem: What to make, from what, within which limits.
            seed: Same seed and same calls give the same recipes.
            n_initial: Space-filling suggestions before the model decides; twice the furnace slots is good.
        """
        self.problem = problem
        self.seed = seed
        self.n_initial = n_initial
        self.trials = Trials(problem)
        self._ledger = _open_ledger(self.trials)

    def suggest(self, n: int) -> list[Suggestion]:
        """Give `n` recipes, none of which is in flight or was learnt already.

        Raises `PoolEmptyError` when no legal recipe is left, `AllTrialsFailedError` when nothing worked.
        """
        return [self._next() for _ in range(n)]

    def record(self, observations: list[Observation]) -> None:
        """Learn from results, in any order. Raises `ObservationError` and then learns from none of them."""
        for observation in self.trials.close(observations):
            self._ledger.close(observation)

    def resume(self, suggestions: Sequence[Suggestion]) -> None:
        """Take over trials from a log, in the order of their ids; their results follow through `record`."""
        for suggestion in suggestions:
            if suggestion.trial_id != len(self.trials.points):
                raise ObservationError(
                    f"trial {suggestion.trial_id} comes where trial {len(self.trials.points)} was due: "
                    "resume a new planner with the whole log, in order"
                )
            point = self.trials.space.find(suggestion.route, suggestion.conditions)
            self._open(point, suggestion.reason, suggestion.model_version, suggestion.expected)

    def _next(self) -> Suggestion:
        self.trials.check_hope(enough=2 * self.n_initial)
        if len(self.trials.points) < self.n_initial or not self.trials.differ():
            return self._fill()
        return self._learnt()

    def _fill(self) -> Suggestion:
        done, learnt = len(self.trials.points), self.trials.learnt()
        point = self.trials.space.fill(self.seed, self.trials.taken())
        why = f"space-filling start {done + 1} of {self.n_initial}"
        if done >= self.n_initial:
            why = f"space-filling, since {learnt} results tell nothing apart yet"
        hours = self.problem.hours(self.trials.space.conditions(point))
        expected = {FURNACE_HOURS: (hours, PROGRAMMED_SD * hours)}
        expected = {name: e for name, e in expected.items() if name in self.problem.objectives}
        return self._open(point, f"{why}; route {self.trials.space.route(point)}", "sobol", expected)

    def _learnt(self) -> Suggestion:
        trial = len(self.trials.points)
        taken, parents = self.trials.taken(), self.trials.best()

        def find(score: Score) -> tuple[Point, float]:
            rng = np.random.default_rng([self.seed, 3, trial])
            return search(self.trials.space, score, parents, taken, rng)

        choice = self._ledger.choose(find, seed=_torch_seed(self.seed, trial))
        expected = {name: _credible(name, *e) for name, e in choice.expected.items()}
        route = self.trials.space.route(choice.point)
        reason = f"{_gain(choice)}; predicted {_predicted(expected)}; route {route}"
        model = f"ax {version('ax-platform')} {choice.acquisition}, {self.trials.learnt()} results"
        return self._open(choice.point, reason, model, expected)

    def _open(
        self, point: Point, reason: str, model_version: str, expected: Mapping[str, tuple[float, float]]
    ) -> Suggestion:
        self._ledger.open(point)
        return self.trials.open(point, reason, model_version, expected)


def _open_ledger(trials: Trials) -> Ledger:
    """Import Ax without its greeting on stderr and torch's own deprecations; warnings of use come through."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from planner.ledger import Ledger
    finally:
        logging.disable(before)
    for handler in logging.getLogger("ax").handlers:
        handler.setLevel(logging.WARNING)
    return Ledger(trials.problem, trials.space)


def _torch_seed(seed: int, trial: int) -> int:
    return int(np.random.SeedSequence([seed, 4, trial]).generate_state(1)[0])


def _credible(name: str, mean: float, sd: float) -> tuple[float, float]:
    """The model does not know that a fraction ends at 0 and 1; a reader does."""
    return (min(max(mean, 0.0), 1.0) if name == TARGET_FRACTION else mean, sd)


def _gain(choice: Choice) -> str:
    if choice.acquisition == FEASIBILITY:
        return f"nothing legal yet, feasible with probability {choice.gain:.2f}"
    return f"expected {'hypervolume gain' if len(choice.expected) > 1 else 'improvement'} {choice.gain:.2g}"


def _predicted(expected: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(f"{name} {mean:.3g} ± {sd:.2g}" for name, (mean, sd) in expected.items())
