"""From conditions to furnace programmes and complete recipes, and how long they take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from protocols.recipe import Cool, Dwell, Firing, PrecursorAmount, Ramp, Recipe, Target

if TYPE_CHECKING:
    from planner.problem import Problem
    from planner.routes import Route


@dataclass(frozen=True, slots=True, order=True)
class Conditions:
    """The process settings that a planner chooses. Every firing of a recipe has the same programme."""

    temperature_degc: float
    dwell_s: float
    """Of each firing, not their sum: a regrind adds a whole firing, and its hours count."""
    ramp_degc_per_min: float
    regrinds: int

    def __str__(self) -> str:
        return (
            f"{self.temperature_degc:g} degC for {self.dwell_s / 3600:g} h "
            f"at {self.ramp_degc_per_min:g} degC/min, {self.regrinds} regrinds"
        )

    def as_dict(self) -> dict[str, float | int]:
        """By name, for a ledger or a page."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Programme:
    """Conditions together with what a problem fixes about its firings."""

    conditions: Conditions
    cool_degc_per_min: float
    safe_degc: float
    atmosphere: str = "air"

    def firings(self) -> tuple[Firing, ...]:
        """One firing, and one more after each regrind: ramp, dwell, cool to where a robot may touch."""
        c = self.conditions
        firing = Firing(
            atmosphere=self.atmosphere,
            segments=(
                Ramp(rate_degc_per_min=c.ramp_degc_per_min, to_degc=c.temperature_degc),
                Dwell(time_s=c.dwell_s),
                Cool(rate_degc_per_min=self.cool_degc_per_min, to_degc=self.safe_degc),
            ),
        )
        return (firing,) * (1 + c.regrinds)

    def hours(self, start_degc: float) -> float:
        """What `furnace_hours` gives for these firings, without building them: asked thousands of times."""
        c = self.conditions
        up_s = abs(c.temperature_degc - start_degc) / c.ramp_degc_per_min * 60.0
        down_s = abs(c.temperature_degc - self.safe_degc) / self.cool_degc_per_min * 60.0
        return (1 + c.regrinds) * (up_s + c.dwell_s + down_s) / 3600.0


def furnace_hours(recipe: Recipe, ambient_degc: float = 25.0) -> float:
    """Programmed hours in the furnace, each firing counted from a furnace at `ambient_degc`.

    A real furnace takes longer where it cannot cool as fast as asked; the lab reports the measured hours.
    """
    return sum(firing.duration_s(ambient_degc) for firing in recipe.firings) / 3600.0


def build_recipe(problem: Problem, route: Route, masses_mg: dict[str, float], conditions: Conditions) -> Recipe:
    """The complete recipe for one route under one set of conditions."""
    return Recipe(
        target=Target(formula=problem.target),
        precursors=tuple(PrecursorAmount(lot=lot, mass_mg=masses_mg[lot]) for lot in route.lots),
        mass_tolerance_mg=problem.mass_tolerance_mg,
        excess=dict(problem.excess),
        mixing=problem.mixing,
        firings=problem.programme(conditions).firings(),
        regrind=problem.regrind,
        measure=problem.measure,
    )
