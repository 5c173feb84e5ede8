"""What every planner remembers: points in flight, what came of them, and what may not come again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.errors import AllTrialsFailedError, ObservationError
from planner.pareto import pareto
from planner.problem import KNOWN_OBJECTIVES, Problem
from planner.programme import build_recipe
from planner.routes import enumerate_routes, route_masses_mg
from planner.space import Point, Space
from planner.types import Observation, Outcome, Suggestion

MAY_CHANGE = frozenset({Outcome.MISSING})
"""A withheld result may be released by a review; every other outcome is final."""


class Trials:
    """Trials of one problem, numbered from 0 in the order of their suggestion."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.space = Space(problem, enumerate_routes(problem))
        self.points: list[Point] = []
        self.observations: dict[int, Observation] = {}
        self._masses_mg = [route_masses_mg(route, problem) for route in self.space.routes]

    def open(
        self, point: Point, reason: str, model_version: str, expected: Mapping[str, tuple[float, float]]
    ) -> Suggestion:
        """Number a trial and write its recipe."""
        self.points.append(point)
        conditions, route = self.space.conditions(point), self.space.route(point)
        return Suggestion(
            trial_id=len(self.points) - 1,
            recipe=build_recipe(self.problem, route, self._masses_mg[point[0]], conditions),
            candidate_id=self.problem.target,
            reason=reason,
            model_version=model_version,
            route=route.lots,
            conditions={**conditions.as_dict(), "atmosphere": self.problem.atmosphere},
            expected=dict(expected),
        )

    def close(self, observations: Iterable[Observation]) -> list[Observation]:
        """Keep results; all of them or, with an `ObservationError`, none."""
        checked = list(observations)
        seen: set[int] = set()
        for observation in checked:
            self._check(observation, seen)
            seen.add(observation.trial_id)
        self.observations.update((o.trial_id, o) for o in checked)
        return checked

    def taken(self) -> set[Point]:
        """Points that are not suggested (again): all but those that failed for the equipment's sake."""
        free = {i for i, o in self.observations.items() if o.outcome is Outcome.FAILED_EQUIPMENT}
        return {point for i, point in enumerate(self.points) if i not in free}

    def learnt(self) -> int:
        """How many results hold every objective."""
        return len(self._completed())

    def differ(self) -> bool:
        """Whether the results differ in every objective, so that there is something to model."""
        values = [{n: o.objectives[n].value for n in self.problem.objectives} for o in self._completed()]
        return all(len({v[name] for v in values}) > 1 for name in self.problem.objectives)

    def best(self) -> list[Point]:
        """Points of the non-dominated results; of all results while none keeps the constraints."""
        completed = self._completed()
        return [self.points[o.trial_id] for o in pareto(completed, self.problem) or completed]

    def check_hope(self, enough: int) -> None:
        """Raise `AllTrialsFailedError` once `enough` trials have ended and every one of them failed."""
        outcomes = [o.outcome for o in self.observations.values()]
        recipes = outcomes.count(Outcome.FAILED_RECIPE)
        equipment = outcomes.count(Outcome.FAILED_EQUIPMENT)
        if enough <= len(outcomes) == recipes + equipment:
            raise AllTrialsFailedError(
                f"all {len(outcomes)} trials for {self.problem.target} failed ({recipes} by the recipe, "
                f"{equipment} by the equipment) and nothing can be learnt: repair the equipment, "
                "change temperature_degc or allow other precursors"
            )

    def _completed(self) -> list[Observation]:
        return [o for o in self.observations.values() if o.outcome is Outcome.COMPLETED]

    def _check(self, observation: Observation, seen: set[int]) -> None:
        trial = observation.trial_id
        if not 0 <= trial < len(self.points):
            raise ObservationError(
                f"trial {trial} was never suggested, {len(self.points)} were, counted from 0: "
                "record under the suggestion's own trial_id"
            )
        before = self.observations.get(trial)
        if trial in seen or (before is not None and before.outcome not in MAY_CHANGE):
            raise ObservationError(
                f"trial {trial} has a result already: only a {Outcome.MISSING.value} one can be replaced; "
                "record each trial once"
            )
        unknown = sorted(observation.objectives.keys() - KNOWN_OBJECTIVES.keys())
        if unknown:
            raise ObservationError(
                f"trial {trial} reports {', '.join(unknown)}, which is no objective: "
                f"known are {', '.join(KNOWN_OBJECTIVES)}"
            )
        lacking = [name for name in self.problem.objectives if name not in observation.objectives]
        if observation.outcome is Outcome.COMPLETED and lacking:
            raise ObservationError(
                f"trial {trial} is completed without {', '.join(lacking)}: give the outcome "
                f"{Outcome.MISSING.value!r} where a value is withheld"
            )
