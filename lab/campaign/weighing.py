"""Whether what a recipe or a campaign asks for can be weighed, is in store, and can become the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from drivers.codecs.quantos import encode_mass, encode_tolerance
from drivers.errors import LimitError
from lab.config.campaign_file import CampaignFile
from lab.config.lab_file import LabConfig
from protocols.recipe import Recipe

if TYPE_CHECKING:
    from planner.types import Problem

Note = Callable[[tuple[object, ...], str], None]

BALANCE = 1.25
"""How far the metals of a recipe may be from the target's ratio, as a factor, before it counts as a mistake."""


def check_doses(recipe: Recipe, lab: LabConfig, note: Note) -> None:
    """Note each dose of a recipe that the doser cannot do or the store does not hold."""
    for amount in recipe.precursors:
        asked = f"{amount.mass_mg:g} mg of {amount.lot}"
        if over := _over_limit(amount.mass_mg, lab):
            note(("precursors", amount.lot), f"{asked}, {over}")
        elif refused := _refused(amount.mass_mg, recipe.mass_tolerance_mg):
            note(("mass_tolerance",), f"{asked}, {refused}: change mass_tolerance or the mass")
    for lot, mass_mg in _by_lot(recipe, lab).items():
        if short := _out_of_stock(lot, mass_mg, lab):
            note(("precursors",), f"{mass_mg:g} mg of {lot}, {short}")


def check_batch(campaign: CampaignFile, problem: Problem, lab: LabConfig, note: Note) -> None:
    """Note each lot of which some route takes a dose that the doser cannot do or the store does not hold.

    Raises:
        PlannerError: Where no route makes the target.
    """
    from planner.routes import enumerate_routes, route_masses_mg

    planned: dict[str, list[float]] = {}
    for route in enumerate_routes(problem):
        for lot, mass_mg in route_masses_mg(route, problem).items():
            planned.setdefault(lot, []).append(mass_mg)
    for lot, masses in planned.items():
        for mass_mg in (max(masses), min(masses)):
            why = _over_limit(mass_mg, lab) or _out_of_stock(lot, mass_mg, lab)
            if why is None and (refused := _refused(mass_mg, problem.mass_tolerance_mg)):
                why = f"{refused}: choose another batch"
            if why:
                note(("batch",), f"a batch of {campaign.batch:g} mg takes {mass_mg:g} mg of {lot}, {why}")
                break


def check_balance(recipe: Recipe, lab: LabConfig, note: Note) -> None:
    """Note the first two metals whose ratio in the recipe is far from the target's, the stated excess allowed for.

    Raises:
        PlannerError: Where a formula cannot be read.
    """
    from planner.routes import OPEN_ELEMENTS, amounts

    wanted = {e: float(n) for e, n in amounts(recipe.target.formula).items() if e not in OPEN_ELEMENTS}
    given = _moles(recipe, lab)
    for a, b in combinations(wanted, 2):
        seen, needed = given[a] / given[b], wanted[a] / wanted[b]
        most = needed * BALANCE * (1.0 + max(0.0, recipe.excess.get(a, 0.0)))
        least = needed / BALANCE / (1.0 + max(0.0, recipe.excess.get(b, 0.0)))
        if not least <= seen <= most:
            masses = " and ".join(f"{p.mass_mg:g} mg of {p.lot}" for p in recipe.precursors)
            note(
                ("precursors",),
                f"{masses} give {a}:{b} = {seen:.2g}, {recipe.target.formula} needs {needed:.3g}: "
                "correct the masses or state the excess",
            )
            return


def _by_lot(recipe: Recipe, lab: LabConfig) -> Mapping[str, float]:
    """Milligrams per lot, of the lots that the inventory has."""
    masses: dict[str, float] = {}
    for amount in recipe.precursors:
        try:
            lot = lab.inventory.lot_named(amount.lot)
        except ValueError:
            continue  # told by who looks for lots
        masses[lot] = masses.get(lot, 0.0) + amount.mass_mg
    return masses


def _over_limit(mass_mg: float, lab: LabConfig) -> str | None:
    name = lab.file.stations.dose[0]
    limit_mg = lab.devices[name].limit("mass")
    if limit_mg is None or mass_mg <= limit_mg:
        return None
    return f"limit of {name} is {limit_mg:g} mg: make a smaller batch"


def _refused(mass_mg: float, tolerance_mg: float) -> str | None:
    """Why the doser would not take these numbers, in its codec's words; every doser is a Quantos."""
    try:
        encode_mass(mass_mg)
        encode_tolerance(tolerance_mg, mass_mg)
    except LimitError as error:
        return str(error)
    return None


def _out_of_stock(lot: str, mass_mg: float, lab: LabConfig) -> str | None:
    held_mg = lab.inventory.lots[lot].mass
    if mass_mg <= held_mg:
        return None
    return f"{held_mg:g} mg are in store: make a smaller batch or correct the inventory"


def _moles(recipe: Recipe, lab: LabConfig) -> dict[str, float]:
    """Millimoles per element: m · assay · (1 - loss on ignition) / (M + h · M_water) of each lot."""
    from pymatgen.core import Composition

    from planner.routes import WATER_G_PER_MOL, amounts

    moles: dict[str, float] = {}
    for name, mass_mg in _by_lot(recipe, lab).items():
        lot = lab.inventory.lots[name]
        molar = Composition(lot.formula).weight + lot.hydrate * WATER_G_PER_MOL
        units = mass_mg * lot.assay * (1.0 - lot.loss_on_ignition) / molar
        for element, count in amounts(lot.formula).items():
            moles[element] = moles.get(element, 0.0) + units * float(count)
    return moles
