"""Precursor routes: which lots can make the target, how much of each, and numbers that describe a route.

Elements that leave or enter as gas (O, C, H, N) are open: carbon leaves as CO2, hydrogen as H2O, nitrogen as
NO2, and oxygen closes the balance as O2, taken up only from an atmosphere that holds it. All other elements
are balanced exactly, in rational numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from planner.errors import RouteError
from planner.problem import PrecursorLot, Problem

OPEN_ELEMENTS = frozenset({"O", "C", "H", "N"})
OXIDISING = frozenset({"air", "oxygen", "o2"})
WATER_G_PER_MOL = 18.015
GAS_G_PER_MOL: Mapping[str, float] = {"CO2": 44.009, "H2O": WATER_G_PER_MOL, "NO2": 46.006, "O2": 31.998}
MASS_DIGITS = 3
"""Masses are given to the microgram, far below any balance, so that they still show exact ratios."""

Amounts = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Route:
    """One minimal set of precursors that balances the target: none of them can be left out."""

    lots: tuple[str, ...]
    formulas: tuple[str, ...]
    coefficients: tuple[float, ...]
    """Moles of each lot's compound per mole of target, without excess."""
    byproducts: Mapping[str, float]
    """Moles of gas per mole of target; negative is taken up. Hydrate water is not counted."""

    def __str__(self) -> str:
        return "+".join(self.formulas)

    @property
    def gas_released(self) -> float:
        """Moles of gas that leave per mole of target."""
        return sum(n for n in self.byproducts.values() if n > 0)

    @property
    def gas_mass_g(self) -> float:
        """Net grams of gas that leave per mole of target."""
        return sum(n * GAS_G_PER_MOL[gas] for gas, n in self.byproducts.items())

    @property
    def oxygen_taken_up(self) -> float:
        """Moles of O2 that the atmosphere must give per mole of target."""
        return max(0.0, -self.byproducts.get("O2", 0.0))


def enumerate_routes(problem: Problem, limit: int = 50) -> tuple[Route, ...]:
    """Every minimal balanced precursor set, smallest first, then by lot names; at most `limit`.

    Raises `RouteError` where no set balances the target, naming the elements that no lot brings.
    """
    target = amounts(problem.target)
    wanted = _fixed(target)
    if not wanted:
        raise RouteError(f"target {problem.target}: it holds only gas-forming elements; give a solid with another one")
    lots = {name: amounts(problem.lots[name].formula) for name in permitted_lots(problem)}
    usable = {name: a for name, a in lots.items() if _fixed(a) and _fixed(a).keys() <= wanted.keys()}
    routes: list[Route] = []
    for size in range(1, len(wanted) + 1):
        for names in combinations(sorted(usable), size):
            route = _balance(names, usable, target, problem)
            if route is not None:
                routes.append(route)
            if len(routes) == limit:
                return tuple(routes)
    if not routes:
        raise RouteError(_why_not(problem, wanted, usable))
    return tuple(routes)


def permitted_lots(problem: Problem) -> tuple[str, ...]:
    """Names of the lots that `problem.precursors` allows; a formula stands for every lot that has it."""
    if not problem.precursors:
        return tuple(problem.lots)
    names: list[str] = []
    for entry in problem.precursors:
        found = [entry] if entry in problem.lots else _lots_with(entry, problem.lots)
        if not found:
            raise RouteError(
                f"precursor {entry!r} is neither a lot nor a lot's formula; in stock are "
                f"{', '.join(problem.lots) or 'no lots'}: add it to the inventory or take it off the list"
            )
        names += [name for name in found if name not in names]
    return tuple(names)


def route_masses_mg(route: Route, problem: Problem) -> dict[str, float]:
    """Milligrams of powder to weigh per lot, for `problem.mass_mg` of product at full conversion.

    m = n · (M + h · M_water) / (assay · (1 - loss on ignition)), with n raised for elements in excess.
    """
    from pymatgen.core.composition import Composition  # takes a second to import

    product_mmol = problem.mass_mg / Composition(problem.target).weight
    masses = {}
    for name, coefficient in zip(route.lots, _with_excess(route, problem), strict=True):
        lot = problem.lots[name]
        molar = Composition(lot.formula).weight + lot.hydrate * WATER_G_PER_MOL
        purity = lot.assay * (1.0 - lot.loss_on_ignition)
        masses[name] = round(float(product_mmol * coefficient * molar / purity), MASS_DIGITS)
    return masses


def route_features(routes: Sequence[Route]) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    """Names and, per route, values from 0 to 1 by which a model tells the routes apart and generalises.

    Chemical numbers first; one that never varies or repeats an earlier one is left out. Where two routes
    still look alike, the presence of a lot that only one of them has is added.
    """
    columns = {
        "precursors": [float(len(r.lots)) for r in routes],
        "gas_mol": [r.gas_released for r in routes],
        "gas_mass": [r.gas_mass_g for r in routes],
        "oxygen_uptake": [r.oxygen_taken_up for r in routes],
    }
    kept: dict[str, tuple[float, ...]] = {}
    for name, values in columns.items():
        _keep(kept, name, values)
    for lot in sorted({lot for r in routes for lot in r.lots}):
        if len({tuple(c[i] for c in kept.values()) for i in range(len(routes))}) == len(routes):
            break
        _keep(kept, f"has_{lot}", [float(lot in r.lots) for r in routes])
    rows = tuple(tuple(column[i] for column in kept.values()) for i in range(len(routes)))
    return tuple(kept), rows


def amounts(formula: str) -> dict[str, Fraction]:
    """Element amounts of a formula as exact fractions. Raises `RouteError` for one that cannot be read."""
    from pymatgen.core.composition import Composition  # takes a second to import

    try:
        composition = Composition(formula, strict=True)
    except (ValueError, KeyError) as error:
        raise RouteError(
            f"formula {formula!r} cannot be read as a composition: "
            "write it like BaTiO3 or Ba(NO3)2, hydrate water apart"
        ) from error
    return {str(e): Fraction(n).limit_denominator(1_000_000) for e, n in composition.items()}


def _lots_with(formula: str, lots: Mapping[str, PrecursorLot]) -> list[str]:
    if not any(formula == lot.formula for lot in lots.values()):
        return []
    wanted = amounts(formula)
    return [name for name, lot in lots.items() if amounts(lot.formula) == wanted]


def _fixed(composition: Amounts) -> dict[str, Fraction]:
    return {e: n for e, n in composition.items() if e not in OPEN_ELEMENTS}


def _balance(names: tuple[str, ...], lots: Mapping[str, Amounts], target: Amounts, problem: Problem) -> Route | None:
    coefficients = _solve([lots[n] for n in names], _fixed(target))
    if coefficients is None or min(coefficients) <= 0:
        return None
    gases = _gases([lots[n] for n in names], coefficients, target)
    if min(gases["CO2"], gases["H2O"], gases["NO2"]) < 0:
        return None  # these gases are not fed to a furnace
    if gases["O2"] < 0 and problem.atmosphere.lower() not in OXIDISING:
        return None
    return Route(
        lots=names,
        formulas=tuple(problem.lots[n].formula for n in names),
        coefficients=tuple(float(c) for c in coefficients),
        byproducts={gas: float(n) for gas, n in gases.items() if n},
    )


def _gases(compounds: Sequence[Amounts], coefficients: Sequence[Fraction], target: Amounts) -> dict[str, Fraction]:
    def surplus(element: str) -> Fraction:
        brought = sum(
            (c * a.get(element, Fraction(0)) for c, a in zip(coefficients, compounds, strict=True)),
            Fraction(0),
        )
        return brought - target.get(element, Fraction(0))

    gases = {"CO2": surplus("C"), "H2O": surplus("H") / 2, "NO2": surplus("N")}
    gases["O2"] = (surplus("O") - 2 * gases["CO2"] - gases["H2O"] - 2 * gases["NO2"]) / 2
    return gases


def _solve(compounds: Sequence[Amounts], wanted: Amounts) -> list[Fraction] | None:
    """The only amounts of `compounds` that add up to `wanted`; None for none or more than one."""
    width = len(compounds)
    rows = [[a.get(e, Fraction(0)) for a in compounds] + [n] for e, n in wanted.items()]
    for column in range(width):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [x / rows[column][column] for x in rows[column]]
        for r, row in enumerate(rows):
            if r != column and row[column]:
                rows[r] = [x - row[column] * y for x, y in zip(row, rows[column], strict=True)]
    if any(row[width] for row in rows[width:]):
        return None
    return [rows[i][width] for i in range(width)]


def _with_excess(route: Route, problem: Problem) -> Iterable[float]:
    if not problem.excess:
        return route.coefficients
    wanted = _fixed(amounts(problem.target))
    unknown = sorted(problem.excess.keys() - wanted.keys())
    if unknown:
        raise RouteError(
            f"excess is asked for {', '.join(unknown)}, which {problem.target} does not hold as a solid: take it off"
        )
    raised = {e: n * (1 + Fraction(problem.excess.get(e, 0.0)).limit_denominator(1_000_000)) for e, n in wanted.items()}
    solved = _solve([amounts(f) for f in route.formulas], raised)
    if solved is None or min(solved) <= 0:
        raise RouteError(
            f"route {route}: an excess of {', '.join(problem.excess)} alone cannot be weighed from these "
            "lots; allow a lot that brings it without the other metals"
        )
    return [float(c) for c in solved]


def _why_not(problem: Problem, wanted: Amounts, usable: Mapping[str, Amounts]) -> str:
    missing = sorted(wanted.keys() - {e for a in usable.values() for e in a})
    if missing:
        return (
            f"target {problem.target}: no permitted lot brings {', '.join(missing)} without foreign metals; "
            f"permitted are {', '.join(permitted_lots(problem)) or 'none'}: add one to inventory and list"
        )
    return (
        f"target {problem.target}: no set of {', '.join(usable)} balances it in {problem.atmosphere}; "
        "allow other lots, or an atmosphere with oxygen where the metals must be oxidised"
    )


def _keep(kept: dict[str, tuple[float, ...]], name: str, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    if high - low < 1e-9:
        return
    scaled = tuple(round((v - low) / (high - low), 9) for v in values)
    mirrored = tuple(round(1.0 - v, 9) for v in scaled)
    if scaled not in kept.values() and mirrored not in kept.values():
        kept[name] = scaled
