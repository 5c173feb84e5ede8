"""How strongly atoms and cells scatter and absorb the tube's radiation.

Form factors f0 of Waasmaier and Kirfel (Acta Cryst. A51 (1995) 416) and anomalous terms of Chantler
(J. Phys. Chem. Ref. Data 24 (1995) 71), both from the tables of xraydb.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.diffraction.crystal import (
    Array,
    Atoms,
    Reflections,
    fill_cell,
    reciprocal_metric,
    reflections,
    volume_angstrom3,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.chemistry import Structure

Amplitudes = NDArray[np.complex128]
WAVELENGTH_1_ANGSTROM = 1.5405980
WAVELENGTH_2_ANGSTROM = 1.5444260
"""Cu K-alpha1 and K-alpha2, Hoelzer et al., Phys. Rev. A 56 (1997) 4554, on the scale of diffractometers."""
ENERGY_EV = 12398.4198 / WAVELENGTH_1_ANGSTROM
_ELECTRON_RADIUS_CM = 2.8179403e-13
_AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Lines:
    """The lines of one phase; arrays of equal length, largest spacing first."""

    d_angstrom: Array
    strength: Array
    """Sum of |F|^2 over the reflections of the line, over the square of the cell volume (1/angstrom^6)."""
    texture: Array
    """Mean of P2(cos of the angle to c*) over them: how the line follows a texture along c*."""
    density_g_per_cm3: float
    """Of the crystal, from its cell."""


@lru_cache(maxsize=256)
def line_list(structure: "Structure", weights: tuple[tuple[str, float], ...], d_min_angstrom: float) -> Lines:
    """Work out a phase's lines down to a spacing; `weights` are atomic weights by element."""
    atoms = fill_cell(structure)
    found = reflections(structure, d_min_angstrom)
    square = np.abs(_structure_factors(structure, atoms, found)) ** 2
    count = int(found.line[-1]) + 1
    total = np.bincount(found.line, weights=square, minlength=count)
    texture = np.bincount(found.line, weights=square * _texture(structure, found), minlength=count)
    first = np.searchsorted(found.line, np.arange(count))
    seen = total > 1e-6 * total.max()
    volume = volume_angstrom3(structure)
    mass = sum(dict(weights)[structure.sites[i].element] * structure.sites[i].occupancy for i in atoms.site)
    return Lines(
        d_angstrom=found.d_angstrom[first][seen],
        strength=total[seen] / volume**2,
        texture=(texture[seen] / total[seen]),
        density_g_per_cm3=float(mass / _AVOGADRO / (volume * 1e-24)),
    )


def _structure_factors(structure: "Structure", atoms: Atoms, found: Reflections) -> Amplitudes:
    """F = sum over atoms of occupancy (f0 + f' + i f'') exp(-B s^2) exp(2 pi i hx), s = 1 / 2d."""
    s = 0.5 / found.d_angstrom
    total = np.zeros(len(s), dtype=np.complex128)
    for index, site in enumerate(structure.sites):
        phase = 2j * np.pi * (found.hkl @ atoms.positions[atoms.site == index].T)
        amplitude = site.occupancy * _atom(site.ion, site.element, s) * np.exp(-site.b_iso * s**2)
        total += amplitude * np.exp(phase).sum(axis=1)
    return total


def _atom(ion: str, element: str, s: Array) -> Amplitudes:
    import xraydb  # takes a second, and is wanted only when a pattern is drawn

    real, imaginary = _anomalous(element)
    amplitude: Amplitudes = xraydb.f0(ion, s) + real + 1j * imaginary
    return amplitude


@lru_cache(maxsize=128)
def _anomalous(element: str) -> tuple[float, float]:
    import xraydb

    return float(xraydb.f1_chantler(element, ENERGY_EV)), float(xraydb.f2_chantler(element, ENERGY_EV))


def _texture(structure: "Structure", found: Reflections) -> Array:
    """P2 of the angle between hkl and 001, both in reciprocal space."""
    metric = reciprocal_metric(structure)
    along = found.hkl @ metric[:, 2] * found.d_angstrom / np.sqrt(metric[2, 2])
    polynomial: Array = 1.5 * along**2 - 0.5
    return polynomial


def absorption_cm2_per_g(elements: "Mapping[str, float]", weights: "Mapping[str, float]") -> float:
    """Mass absorption of a composition in moles: 2 r_e lambda f'' for each atom."""
    area = sum(n * _anomalous(e)[1] for e, n in elements.items())
    mass = sum(n * weights[e] for e, n in elements.items())
    return 2 * _ELECTRON_RADIUS_CM * WAVELENGTH_1_ANGSTROM * 1e-8 * area * _AVOGADRO / mass
