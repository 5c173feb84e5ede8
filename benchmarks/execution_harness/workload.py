"""The work that execution is measured on: 350 recipes over 58 targets, all there at the start, no planner.

For each target about six recipes, as a planner's first proposals are: some routes compared at one programme, the
others at programmes around it, in steps of 5 or 10 degC. The list is drawn once with a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product

from pymatgen.core import Composition

from benchmarks.execution_harness.targets import SOURCES, TARGETS, Target
from protocols.recipe import (
    Cool,
    Dwell,
    Firing,
    Mixing,
    PrecursorAmount,
    Ramp,
    Recipe,
    Segment,
    XrdScan,
)
from protocols.recipe import Target as RecipeTarget

RECIPES = 350
SEED = 20261123
POWDER_MG = 1000.0
AS_THE_FIRST = 2 / 3
"""The part of the recipes that compares a route at the target's first programme."""
FIRST_SD_DEGC = 25.0
"""How far the planner's first programme lies from common practice."""
SHIFT_SD_DEGC = 40.0
"""How far the others lie from the first."""
ANOTHER_DWELL = 0.4
"""The part of those others that also asks for another dwell."""
LOWEST_DEGC, HIGHEST_DEGC = 600.0, 1250.0
DWELLS_H = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0)
RATE_DEGC_PER_MIN = 5.0
CALCINED_H = 6.0
XRD_S = 3600.0
"""From 10 to 100 deg; slow enough on a bench-top diffractometer for weight fractions of minor phases."""


def workload(count: int = RECIPES, seed: int = SEED) -> list[tuple[Recipe, Target]]:
    """The recipes in the order in which they are handed in, each with its target."""
    draws = random.Random(seed)
    proposed = [
        (recipe, target) for i, target in enumerate(TARGETS) for recipe in _proposals(target, _share(i, count), draws)
    ]
    draws.shuffle(proposed)
    return proposed


def _share(i: int, count: int) -> int:
    each, more = divmod(count, len(TARGETS))
    return each + (i < more)


def _proposals(target: Target, count: int, draws: random.Random) -> list[Recipe]:
    routes = [dict(zip(cations(target), route, strict=True)) for route in _routes(target)]
    draws.shuffle(routes)
    first_degc = _near(target.peak_degc, FIRST_SD_DEGC, draws)
    calcined_degc = None if target.calcined_degc is None else _near(target.calcined_degc, FIRST_SD_DEGC, draws)
    found = []
    for i in range(count):
        peak_degc, dwell_h = first_degc, target.dwell_h
        if draws.random() > AS_THE_FIRST:
            peak_degc = _near(first_degc, SHIFT_SD_DEGC, draws)
            if draws.random() < ANOTHER_DWELL:
                at = DWELLS_H.index(dwell_h)
                dwell_h = draws.choice(DWELLS_H[max(at - 1, 0) : at + 2])
        found.append(_recipe(target, routes[i % len(routes)], peak_degc, dwell_h, calcined_degc))
    return found


def _near(degc: float, sd_degc: float, draws: random.Random) -> float:
    """A temperature as a planner asks for it: in steps of 5 or of 10."""
    step = draws.choice((5.0, 10.0))
    return min(max(step * round(draws.gauss(degc, sd_degc) / step), LOWEST_DEGC), HIGHEST_DEGC)


def cations(target: Target) -> tuple[str, ...]:
    """The elements that a precursor has to bring."""
    return tuple(sorted(str(e) for e in Composition(target.formula).elements if str(e) != "O"))


def _routes(target: Target) -> list[tuple[str, ...]]:
    return list(product(*(SOURCES[element] for element in cations(target))))


def _recipe(
    target: Target, route: Mapping[str, str], peak_degc: float, dwell_h: float, calcined_degc: float | None
) -> Recipe:
    firings = [_firing(target, peak_degc, dwell_h)]
    if calcined_degc is not None:
        firings.insert(0, _firing(target, calcined_degc, CALCINED_H))
    return Recipe(
        target=RecipeTarget(formula=target.formula),
        precursors=tuple(
            PrecursorAmount(lot=lot, mass_mg=mass_mg) for lot, mass_mg in _masses_mg(target, route).items()
        ),
        mixing=Mixing(time_s=1200.0, speed_rpm=300.0),
        firings=tuple(firings),
        regrind=Mixing(time_s=600.0, speed_rpm=300.0),
        measure=(XrdScan(from_deg=10.0, to_deg=100.0, time_s=XRD_S),),
    )


def _masses_mg(target: Target, route: Mapping[str, str]) -> dict[str, float]:
    """What to weigh for one gram of target, without excess."""
    product_ = Composition(target.formula)
    mol = POWDER_MG / product_.weight
    return {
        lot: round(mol * product_[element] / Composition(lot)[element] * Composition(lot).weight, 1)
        for element, lot in route.items()
    }


def _firing(target: Target, peak_degc: float, dwell_h: float) -> Firing:
    segments: list[Segment] = [
        Ramp(rate_degc_per_min=RATE_DEGC_PER_MIN, to_degc=peak_degc),
        Dwell(time_s=dwell_h * 3600.0),
    ]
    if target.atmosphere == "oxygen":
        # Oxygen is taken up on the way down.
        segments.append(Cool(rate_degc_per_min=2.0, to_degc=400.0))
    return Firing(atmosphere=target.atmosphere, segments=tuple(segments))
