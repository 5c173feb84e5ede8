"""What hands, doser and mill do to a powder: none of it is chemistry."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim.chemistry.errors import ChemistryError, UnknownChemistry
from sim.chemistry.powder import LAYERED_MIXING, Array, Lot, Powder, dealt, frame

if TYPE_CHECKING:
    from sim.chemistry.truth import Truth

_DRY_LIMIT_UM = 0.25
_WET_LIMIT_UM = 0.15
_MILL_TIME_S = 600.0
_MILL_SPEED_RPM = 300.0
_MIXING_PER_DOSE = 2.2
_WET_GAIN = 1.5
_MORTAR_DOSE = 0.35
"""Ten minutes in a mortar against ten minutes of milling at 300 rpm."""


def dispense(powder: Powder, lot: Lot, mass_mg: float, truth: "Truth") -> Powder:
    """Pour a mass of a lot onto the powder.

    Raises `UnknownChemistry` for a formula, element or grain class that the truth does not know, and
    `ChemistryError` for a mass or an assay out of range.
    """
    if not (mass_mg >= 0 and 0 < lot.assay <= 1 and lot.hydrate >= 0):
        raise ChemistryError(
            f"lot {lot.formula}: mass {mass_mg} mg, assay {lot.assay}, hydrate {lot.hydrate}; "
            "allowed are mass and hydrate from 0 and an assay above 0 up to 1"
        )
    library = truth.library
    phase = library.phase_of(lot.formula)
    radius_um = library.radius_um(lot.grain)
    if lot.hydrate and library.hydration not in library.phases:
        raise UnknownChemistry(f"lot {lot.formula}: this truth knows no water of crystallisation")
    here = powder if powder.phases else replace(frame(library), inert_mg=powder.inert_mg)
    added = np.zeros(len(here.phases))
    water_g = library.molar_mass_g(library.hydration)
    units = mass_mg * lot.assay / (library.molar_mass_g(phase.name) + lot.hydrate * water_g)
    added[here.phases.index(phase.name)] += units
    added[here.phases.index(library.hydration)] += units * lot.hydrate
    fresh = replace(here, radius_um=(radius_um,) * len(here.phases), inert_mg=mass_mg * (1 - lot.assay))
    return merge(here, replace(dealt(fresh, added, 1.0), gas_mmol=()))


def merge(powder: Powder, other: Powder) -> Powder:
    """Pour one powder onto another: unmixed unless one of them is empty."""
    if not powder.phases or powder.mass_mg == 0:
        return other if other.phases else powder
    if not other.phases or other.mass_mg == 0:
        return powder
    if powder.phases != other.phases:
        raise ChemistryError("two powders of different truths cannot be poured together")
    mine, theirs = np.array(powder.totals_mmol), np.array(other.totals_mmol)
    gas = dict(powder.gas_mmol)
    for name, amount in other.gas_mmol:
        gas[name] = gas.get(name, 0.0) + amount
    poured = dealt(powder, mine + theirs, _poured_mixing(powder, other))
    return replace(
        poured,
        radius_um=_mean_radius(powder, other, mine, theirs),
        inert_mg=powder.inert_mg + other.inert_mg,
        gas_mmol=tuple(gas.items()),
    )


def _poured_mixing(powder: Powder, other: Powder) -> float:
    same = set(powder.moles()) == set(other.moles())
    return min(powder.mixing, other.mixing) if same else LAYERED_MIXING


def _mean_radius(powder: Powder, other: Powder, mine: Array, theirs: Array) -> tuple[float, ...]:
    total = mine + theirs
    weighted = mine * np.array(powder.radius_um) + theirs * np.array(other.radius_um)
    return tuple(np.divide(weighted, total, out=np.zeros_like(total), where=total > 0).tolist())


def transfer(powder: Powder, fraction: float) -> tuple[Powder, Powder]:
    """Split a powder into (moved, left); `fraction` from 0 to 1 is the share that is moved."""
    if not 0 <= fraction <= 1:
        raise ChemistryError(f"transfer: fraction {fraction}; allowed is 0 to 1")
    return _scaled(powder, fraction), _scaled(powder, 1.0 - fraction)


def _scaled(powder: Powder, factor: float) -> Powder:
    return replace(
        powder,
        amounts_mmol=tuple(tuple(n * factor for n in cell) for cell in powder.amounts_mmol),
        baseline_mmol=tuple(tuple(n * factor for n in cell) for cell in powder.baseline_mmol),
        inert_mg=powder.inert_mg * factor,
        gas_mmol=tuple((name, n * factor) for name, n in powder.gas_mmol),
    )


def mill(powder: Powder, time_s: float, speed_rpm: float, solvent: str | None = None) -> Powder:
    """Mill: mixes, and breaks grains down towards 0.25 micrometre dry, 0.15 in a solvent."""
    if not (time_s >= 0 and speed_rpm >= 0):
        raise ChemistryError(f"mill: {time_s} s at {speed_rpm} rpm; both must be 0 or more")
    dose = time_s / _MILL_TIME_S * (speed_rpm / _MILL_SPEED_RPM) ** 2
    if solvent is None:
        return _broken(powder, dose, _DRY_LIMIT_UM)
    return _broken(powder, dose * _WET_GAIN, _WET_LIMIT_UM)


def grind(powder: Powder, time_s: float) -> Powder:
    """Grind in a mortar: the same as milling, more slowly."""
    if not time_s >= 0:
        raise ChemistryError(f"grind: {time_s} s; must be 0 or more")
    return _broken(powder, _MORTAR_DOSE * time_s / _MILL_TIME_S, _DRY_LIMIT_UM)


def _broken(powder: Powder, dose: float, limit_um: float) -> Powder:
    if not powder.phases or dose == 0:
        return powder
    mixing = 1.0 - (1.0 - powder.mixing) * math.exp(-_MIXING_PER_DOSE * dose)
    totals = np.array(powder.totals_mmol)
    return replace(dealt(powder, totals, mixing), radius_um=_broken_radii(powder, totals, dose, limit_um))


def _broken_radii(powder: Powder, totals: Array, dose: float, limit_um: float) -> tuple[float, ...]:
    """Radii after breaking; a core eaten up from outside starts at what is left of it."""
    before = np.array(powder.baseline_mmol).sum(axis=0)
    left = np.divide(totals, before, out=np.ones_like(totals), where=before > 0)
    radius = np.array(powder.radius_um) * np.minimum(1.0, left) ** (1 / 3)
    largest = max(powder.radius_um)
    radius = np.where((radius == 0) & (totals > 0), largest, radius)
    broken = np.where(radius > limit_um, limit_um + (radius - limit_um) * math.exp(-dose), radius)
    return tuple(broken.tolist())
