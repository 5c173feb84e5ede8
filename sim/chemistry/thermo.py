"""Gibbs energies against temperature, and driving forces with the gases open.

G(T) = H298 + integral Cp dT - T (S298 + integral Cp/T dT); the zero of enthalpy is the elements at
298.15 K, so that differences over a balanced reaction are reaction energies. A gas enters with
G + R T ln p (p in bar).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.chemistry.library import Energy, Reaction
    from sim.chemistry.truth import Truth

Array = NDArray[np.float64]
GAS_CONSTANT_J = 8.314462618
ZERO_DEGC_K = 273.15
_T0 = 298.15


def gibbs_kj(energy: "Energy", temperature_k: Array) -> Array:
    """Give the Gibbs energy (kJ/mol) at each temperature (K)."""
    a, b, c = energy.cp
    t = temperature_k
    heat = a * (t - _T0) + b / 2 * (t**2 - _T0**2) - c * (1 / t - 1 / _T0)
    order = a * np.log(t / _T0) + b * (t - _T0) - c / 2 * (1 / t**2 - 1 / _T0**2)
    total: Array = energy.h298_kj_per_mol + (heat - t * (energy.s298_j_per_mol_k + order)) / 1000
    for at_k, heat_kj in energy.transitions:
        total += np.where(t > at_k, heat_kj * (1 - t / at_k), 0.0)
    return total


def species_gibbs_kj(truth: "Truth", name: str, temperature_k: Array) -> Array:
    """Give the Gibbs energy of a phase or gas in this truth (kJ/mol), its own error included."""
    library = truth.library
    energy = library.gases[name] if name in library.gases else library.phases[name].energy
    return gibbs_kj(energy, temperature_k) + truth.energy_error_kj_per_mol.get(name, 0.0)


def reaction_gibbs_kj(
    truth: "Truth", reaction: "Reaction", temperature_k: Array, pressures_bar: "Mapping[str, float]"
) -> Array:
    """Give the reaction energy (kJ per mole of reaction) with each gas at its partial pressure."""
    total = np.zeros_like(temperature_k)
    for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
        for name, count in side.items():
            term = species_gibbs_kj(truth, name, temperature_k)
            if name in truth.library.gases:
                term = term + GAS_CONSTANT_J / 1000 * temperature_k * np.log(pressures_bar[name])
            total += sign * count * term
    return total
