"""What powders reflect: Kubelka-Munk mixing of phases with absorption edges. The truth of the simulator alone.

    alpha  ~  sqrt(E - Eg) / E     above a direct edge           ~  (E - Eg)^2 / E     above an indirect one
    alpha  ~  exp(E / Eu)          below it (Urbach), joined where value and slope are equal
    K/S    =  sum w K / sum w S    mixtures, w mass fractions
    R      =  1 + F - sqrt(F^2 + 2 F),  F = K/S

Edge energies are those commonly quoted for powders, rounded: nothing here is to be cited. A phase that is not in the
table is white, with an edge far in the ultraviolet (`DEFAULT_EDGE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.chemistry import Powder
from sim.chemistry.formula import formula_of

Array = NDArray[np.float64]

EV_NM = 1239.841984
"""Photon energy times wavelength, eV nm."""
GREY = 0.004
"""K/S of a white powder where nothing absorbs: traces, and pores that keep light."""
BARE = 0.06
"""Reflectance of the holder's floor."""
COVERING_MG = 40.0
"""Mass that covers all but 1/e of the holder's window."""


@dataclass(frozen=True)
class Edge:
    """Where a phase begins to absorb."""

    ev: float
    direct: bool = False
    strength: float = 12.0
    """K/S one electronvolt above the edge."""
    urbach_ev: float = 0.05


DEFAULT_EDGE = Edge(5.0, direct=True)
EDGES: Mapping[str, Edge] = {
    "TiO2-rutile": Edge(3.02),
    "TiO2-anatase": Edge(3.20),
    "TiO2": Edge(3.1),
    "BaTiO3": Edge(3.25),
    "SrTiO3": Edge(3.2),
    "CaTiO3": Edge(3.5),
    "Ba2TiO4": Edge(4.0),
    "BaO": Edge(4.0, direct=True),
    "BaO2": Edge(3.9),
    "BaCO3": Edge(5.0, direct=True),
    "ZnO": Edge(3.25, direct=True),
    "CeO2": Edge(3.1),
    "WO3": Edge(2.7),
    "Bi2O3": Edge(2.8, direct=True),
    "BiVO4": Edge(2.4, direct=True),
    "BiFeO3": Edge(2.2, direct=True, urbach_ev=0.08),
    "V2O5": Edge(2.25, urbach_ev=0.07),
    "In2O3": Edge(2.8),
    "SnO2": Edge(3.6, direct=True),
    "PbO": Edge(2.7),
    "NiO": Edge(3.5, direct=True, urbach_ev=0.15),
    "Fe2O3": Edge(2.05, urbach_ev=0.06),
    "Cu2O": Edge(2.1, direct=True, urbach_ev=0.06),
    "CuO": Edge(1.35, urbach_ev=0.1),
    "Co3O4": Edge(1.5, direct=True, urbach_ev=0.1),
    "MnO2": Edge(0.9, urbach_ev=0.2),
}
"""By phase, and by formula for every form of it that is not listed by itself."""


def edge_of(phase: str) -> Edge:
    """Give the edge of a phase.

    >>> edge_of("TiO2-brookite").ev, edge_of("ZrO2").ev
    (3.1, 5.0)
    """
    return EDGES.get(phase) or EDGES.get(formula_of(phase)) or DEFAULT_EDGE


def absorption(edge: Edge, energy_ev: Array) -> Array:
    """Give K/S of a pure phase at photon energies, without the grey that everything has."""
    power = 0.5 if edge.direct else 2.0
    above_ev = np.maximum(energy_ev - edge.ev, 1e-9)
    scale = edge.strength * (edge.ev + 1.0)
    bulk: Array = scale * above_ev**power / energy_ev
    # The tail takes over where its slope is that of the power law: d ln(x^p)/dx = p/x = 1/Eu.
    join_ev = edge.ev + power * edge.urbach_ev
    at_join = scale * (join_ev - edge.ev) ** power / join_ev
    tail: Array = at_join * np.exp(np.minimum(energy_ev - join_ev, 0.0) / edge.urbach_ev)
    return np.where(energy_ev > join_ev, bulk, tail)


def reflectance(powder: Powder, wavelengths_nm: Array) -> Array:
    """Give the diffuse reflectance of what lies in a holder; a thin layer lets its floor be seen."""
    energy_ev: Array = EV_NM / wavelengths_nm
    ratio = np.full_like(energy_ev, GREY)
    for phase, fraction in powder.mass_fractions().items():
        ratio = ratio + fraction * absorption(edge_of(phase), energy_ev)
    thick: Array = kubelka_munk(ratio)
    bare = float(np.exp(-powder.mass_mg / COVERING_MG))
    return (1.0 - bare) * thick + bare * BARE


def kubelka_munk(ratio: Array) -> Array:
    """Give the reflectance of a thick layer from its K/S."""
    return 1.0 + ratio - np.sqrt(ratio * (ratio + 2.0))
