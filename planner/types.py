"""What crosses between the lab and a planner: problem in, suggestions out, observations in.

Light enough for any process: neither Ax, torch nor pymatgen is imported here, and everything pickles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from planner.errors import ObservationError
from planner.problem import Constraint, Goal, PrecursorLot, Problem
from protocols.recipe import Recipe

__all__ = [
    "Constraint",
    "Goal",
    "Measured",
    "Observation",
    "Outcome",
    "Planner",
    "PrecursorLot",
    "Problem",
    "Suggestion",
]


class Outcome(StrEnum):
    """How a trial ended, as far as learning is concerned."""

    COMPLETED = "completed"
    FAILED_RECIPE = "failed_recipe"
    """The recipe is to blame (it melted, it ate the crucible): never suggested again."""
    FAILED_EQUIPMENT = "failed_equipment"
    """An instrument is to blame: says nothing about the recipe, which may be suggested again."""
    MISSING = "missing"
    """Carried out, but a value is withheld (low confidence): the trial stays known and is not learnt from.

    A review may complete it later.
    """


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured value and its standard deviation, both in the objective's own unit."""

    value: float
    sd: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or not math.isfinite(self.sd) or self.sd < 0:
            raise ObservationError(
                f"a measurement reads {self.value:g} ± {self.sd:g}: both must be finite and the sd not "
                f"negative; leave an untrusted value out and give the outcome {Outcome.MISSING.value!r}"
            )


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of one trial."""

    trial_id: int
    outcome: Outcome
    objectives: Mapping[str, Measured] = field(default_factory=dict)
    """By name, in the unit of the name: `target_fraction` is a weight fraction, `furnace_hours` are hours."""

    def __post_init__(self) -> None:
        # A plain text "missing" would pass type checks at run time and then count as nothing known.
        object.__setattr__(self, "outcome", Outcome(self.outcome))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One recipe to carry out, and why."""

    trial_id: int
    recipe: Recipe
    candidate_id: str
    """Which candidate material the recipe is for; the target's formula when the target was given."""
    reason: str
    """One line for a person."""
    model_version: str
    """What proposed it: the method and how many results it had learnt from."""
    route: tuple[str, ...]
    """Lot names."""
    conditions: Mapping[str, float | int | str]
    """`temperature_degc`, `dwell_s` (of each firing), `ramp_degc_per_min`, `regrinds`, `atmosphere`."""
    expected: Mapping[str, tuple[float, float]]
    """Mean and standard deviation per objective, where there is a model."""


@runtime_checkable
class Planner(Protocol):
    """Decides which experiment comes next."""

    def suggest(self, n: int) -> list[Suggestion]:
        """Give `n` recipes; trials in flight are known and not repeated. Raises `PlannerError`."""
        ...

    def record(self, observations: list[Observation]) -> None:
        """Learn from results, in any order. Raises `ObservationError` and then learns from none of them."""
        ...
