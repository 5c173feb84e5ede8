"""The planning problem: a target, the lots at hand, the legal conditions, and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

from planner.errors import ProblemError
from planner.programme import Conditions, Programme
from protocols.recipe import SAFE_TO_HANDLE_DEGC, Mixing, XrdScan

TARGET_FRACTION = "target_fraction"
FURNACE_HOURS = "furnace_hours"
KNOWN_OBJECTIVES: Mapping[str, str] = {
    TARGET_FRACTION: "weight fraction of the target among the crystalline phases, 0 to 1",
    FURNACE_HOURS: "hours in the furnace, all firings of the recipe together",
}


class Goal(StrEnum):
    """Which way is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Constraint(NamedTuple):
    """A bound on an objective: `furnace_hours <= 24` (hours)."""

    name: str
    op: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} {self.op} {self.value:g}"

    def allows(self, value: float) -> bool:
        """Whether `value`, in the unit of the name, satisfies the bound."""
        return value <= self.value if self.op == "<=" else value >= self.value


@dataclass(frozen=True, slots=True)
class PrecursorLot:
    """One powder as it stands on the shelf."""

    formula: str
    """Without hydrate water."""
    assay: float = 1.0
    """Mass fraction of the (hydrated) compound in the dry powder, above 0 and at most 1."""
    hydrate: float = 0.0
    """Water molecules per formula unit."""
    loss_on_ignition: float = 0.0
    """Mass fraction of the powder that is adsorbed moisture and the like, not the formula's own gas."""
    hazard: str | None = None
    cost_per_g: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.assay <= 1 or not 0 <= self.loss_on_ignition < 1 or self.hydrate < 0:
            raise ProblemError(
                f"lot of {self.formula}: assay {self.assay:g}, loss on ignition {self.loss_on_ignition:g}, "
                f"hydrate {self.hydrate:g}; allowed are assay above 0 up to 1, loss from 0 to below 1, "
                "hydrate from 0: correct the inventory"
            )


@dataclass(frozen=True)
class Problem:
    """Everything a planner may know before the first experiment. Checked when it is made."""

    target: str
    """Formula."""
    lots: Mapping[str, PrecursorLot]
    temperature_degc: tuple[float, float]
    dwell_s: tuple[float, float]
    """Of each firing: a recipe with one regrind holds its temperature twice as long in all."""
    ramp_degc_per_min: tuple[float, float]
    mixing: Mixing
    measure: tuple[XrdScan, ...]
    precursors: tuple[str, ...] = ()
    """Lot names or formulas that may be used; empty: every lot."""
    regrinds: tuple[int, ...] = (0,)
    objectives: Mapping[str, Goal] = field(default_factory=lambda: {TARGET_FRACTION: Goal.MAXIMIZE})
    constraints: tuple[Constraint, ...] = ()
    mass_mg: float = 700.0
    """Of product, at full conversion."""
    mass_tolerance_mg: float = 1.0
    cool_degc_per_min: float = 5.0
    safe_degc: float = SAFE_TO_HANDLE_DEGC
    """Each firing ends here."""
    atmosphere: str = "air"
    excess: Mapping[str, float] = field(default_factory=dict)
    """Element to fraction, for elements that evaporate."""
    regrind: Mixing | None = None
    start_degc: float = 25.0
    """Temperature of a cold furnace, for estimates of time."""

    def __post_init__(self) -> None:
        # Text and plain tuples are accepted from callers, and kept as the types that the rest relies on.
        object.__setattr__(self, "objectives", {name: Goal(goal) for name, goal in self.objectives.items()})
        object.__setattr__(self, "constraints", tuple(Constraint(*c) for c in self.constraints))
        self._check_ranges()
        self._check_names()
        self._check_constraints()

    def reference_point(self) -> dict[str, float]:
        """The outcome that is worth nothing, per objective: hypervolume counts what is better in all of them.

        `target_fraction` 0, `furnace_hours` the constraint's limit or else the longest legal programme;
        a constraint on an objective takes the place of its default.
        """
        worst = {TARGET_FRACTION: 0.0, FURNACE_HOURS: self.hours(self.longest())}
        point = {name: worst[name] for name in self.objectives}
        for name, op, value in self.constraints:
            if name in point and op == ("<=" if self.objectives[name] is Goal.MINIMIZE else ">="):
                point[name] = value
        return point

    def programme(self, conditions: Conditions) -> Programme:
        """The furnace programme that these conditions mean in this problem."""
        return Programme(conditions, self.cool_degc_per_min, self.safe_degc, self.atmosphere)

    def hours(self, conditions: Conditions) -> float:
        """Programmed furnace hours of all firings, each from a cold furnace."""
        return self.programme(conditions).hours(self.start_degc)

    def allows(self, conditions: Conditions) -> bool:
        """Whether the programmed hours alone already keep every constraint on `furnace_hours`."""
        limits = [c for c in self.constraints if c.name == FURNACE_HOURS]
        return not limits or all(c.allows(self.hours(conditions)) for c in limits)

    def shortest(self) -> Conditions:
        """The conditions with the shortest programme."""
        return Conditions(self.temperature_degc[0], self.dwell_s[0], self.ramp_degc_per_min[1], min(self.regrinds))

    def longest(self) -> Conditions:
        """The conditions with the longest programme."""
        return Conditions(self.temperature_degc[1], self.dwell_s[1], self.ramp_degc_per_min[0], max(self.regrinds))

    def _check_ranges(self) -> None:
        for name in ("temperature_degc", "dwell_s", "ramp_degc_per_min"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ProblemError(
                    f"{name} runs from {low:g} to {high:g}: the first must be above 0 and not above the "
                    "second; swap or widen them"
                )
        if not self.regrinds or min(self.regrinds) < 0:
            raise ProblemError(f"regrinds {list(self.regrinds)}: give at least one choice, none below 0")
        if self.temperature_degc[0] <= self.safe_degc:
            raise ProblemError(
                f"temperature_degc starts at {self.temperature_degc[0]:g}, not above the "
                f"{self.safe_degc:g} degC to which a firing cools: raise it"
            )
        for name in ("mass_mg", "mass_tolerance_mg", "cool_degc_per_min"):
            if getattr(self, name) <= 0:
                raise ProblemError(f"{name} is {getattr(self, name):g}: it must be above 0")

    def _check_names(self) -> None:
        if not self.objectives:
            raise ProblemError(f"no objective is given: name at least one of {', '.join(KNOWN_OBJECTIVES)}")
        for name in (*self.objectives, *(c.name for c in self.constraints)):
            if name not in KNOWN_OBJECTIVES:
                near = get_close_matches(name, KNOWN_OBJECTIVES, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ProblemError(f"objective {name!r} is not known, known are {', '.join(KNOWN_OBJECTIVES)}{hint}")

    def _check_constraints(self) -> None:
        for constraint in self.constraints:
            if constraint.op not in {"<=", ">="}:
                raise ProblemError(f"constraint {constraint}: the comparison must be <= or >=")
            if constraint.name == TARGET_FRACTION and not constraint.allows(1.0 if constraint.op == ">=" else 0.0):
                raise ProblemError(
                    f"constraint {constraint} excludes everything: a weight fraction lies between 0 and 1"
                )
            if constraint.name == FURNACE_HOURS:
                self._check_hours(constraint)

    def _check_hours(self, constraint: Constraint) -> None:
        extreme = self.shortest() if constraint.op == "<=" else self.longest()
        if not constraint.allows(self.hours(extreme)):
            word = "shortest" if constraint.op == "<=" else "longest"
            raise ProblemError(
                f"constraint {constraint} excludes every recipe: the {word} programme ({extreme}) takes "
                f"{self.hours(extreme):.1f} h; move the limit or widen the process ranges"
            )
