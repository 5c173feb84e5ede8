"""A planner that has nothing to decide: it gives the recipes that it was given, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from planner.types import Observation, Suggestion
from protocols.recipe import Dwell, Ramp, Recipe


class GivenRecipes:
    """Suggests a fixed list of recipes; keeps what it is told."""

    def __init__(self, recipes: Sequence[Recipe], reason: str) -> None:
        self._left = list(enumerate(recipes))
        self._reason = reason
        self.observations: list[Observation] = []

    def suggest(self, n: int) -> list[Suggestion]:
        """Give the next `n` recipes, or as many as are left."""
        taken, self._left = self._left[:n], self._left[n:]
        return [self._suggestion(trial_id, recipe) for trial_id, recipe in taken]

    def record(self, observations: list[Observation]) -> None:
        """Keep results."""
        self.observations += observations

    def _suggestion(self, trial_id: int, recipe: Recipe) -> Suggestion:
        segments = recipe.firings[0].segments
        dwell_s = sum(segment.time_s for segment in segments if isinstance(segment, Dwell))
        ramp = next((segment.rate_degc_per_min for segment in segments if isinstance(segment, Ramp)), 0.0)
        return Suggestion(
            trial_id=trial_id,
            recipe=recipe,
            candidate_id=recipe.target.formula,
            reason=self._reason,
            model_version="given",
            route=tuple(amount.lot for amount in recipe.precursors),
            conditions={
                "temperature_degc": recipe.firings[0].peak_degc,
                "dwell_s": dwell_s,
                "ramp_degc_per_min": ramp,
                "regrinds": recipe.regrinds,
                "atmosphere": recipe.firings[0].atmosphere,
            },
            expected={},
        )
