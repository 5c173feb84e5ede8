"""From a CIF to powder lines: cell, symmetry, and |F|^2 of every reflection, on an absolute scale.

Form factors are pymatgen's: ``f(s) = Z - 41.78214 s^2 sum(a_i exp(-b_i s^2))`` with ``s = sin(theta) / lambda``
(De Graef & McHenry, Structure of Materials, 2007, eq. 12.21), no anomalous dispersion.
"""

from __future__ import annotations

import warnings
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.characterization.errors import CharacterizationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BORN_ANGSTROM2 = 41.78214
# Cells in CIFs are rounded to 1e-4 or so; tetragonal BaTiO3 is 0.04 angstrom from cubic.
_SYMPREC_ANGSTROM = 0.01
_BLOCK = 2_000
# Lines below this share of the strongest never stand out of any measured noise.
_WEAKEST = 1e-5


class StructureError(CharacterizationError):
    """A CIF does not give a structure that diffraction can be computed for."""


def lines_from_cif(text: str, d_min_angstrom: float) -> dict[str, Any]:
    """Compute everything a reference holds from the text of a CIF.

    Args:
        text: The CIF; its first structure counts.
        d_min_angstrom: Lines of smaller spacing are left out.

    Returns:
        Plain values and arrays by the field names of `Reference` (without its file).

    Raises:
        StructureError: No structure, or an element without form factor.
    """
    structure = _parse(text)
    spacegroup, rotations = _symmetry(structure)
    strains = _allowed_strains(structure, rotations)
    vectors, hkl = _reciprocal_vectors(structure.lattice.reciprocal_lattice_crystallographic.matrix, d_min_angstrom)
    intensity = _squared_structure_factors(structure, hkl, vectors)
    lattice = structure.lattice
    return {
        "formula": structure.composition.reduced_formula,
        "spacegroup": spacegroup,
        "composition": {str(e.symbol): float(n) for e, n in structure.composition.element_composition.items()},
        "cell": [lattice.a, lattice.b, lattice.c, lattice.alpha, lattice.beta, lattice.gamma],
        "cell_mass_g_per_mol": float(structure.composition.weight),
        "cell_volume_a3": float(structure.volume),
        "cell_vectors_a": np.asarray(lattice.matrix),
        "strains": strains,
        **_merged(hkl, vectors, intensity, strains),
    }


def _parse(text: str) -> Any:
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = CifParser(StringIO(text), occupancy_tolerance=1.1).parse_structures(primitive=False)
        except (ValueError, LookupError, TypeError, ArithmeticError, AssertionError, AttributeError) as error:
            raise StructureError(" ".join(str(error).split())[:120] or type(error).__name__) from error
    if not found or len(found[0]) == 0:
        raise StructureError("it holds no atoms")
    return found[0]


def _symmetry(structure: Any) -> tuple[str, NDArray[np.float64]]:
    """Give the space group symbol and the rotations in the basis of the cell, shape (g, 3, 3)."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            analyzer = SpacegroupAnalyzer(structure, symprec=_SYMPREC_ANGSTROM)
            rotations = np.array([o.rotation_matrix for o in analyzer.get_symmetry_operations(cartesian=True)])
            return analyzer.get_space_group_symbol(), rotations
        except (SymmetryUndeterminedError, TypeError, ValueError):
            # Overlapping part-occupied sites: diffraction can still be computed, as if triclinic.
            return "P1", np.eye(3)[None]


def _allowed_strains(structure: Any, rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the symmetric strains that keep the symmetry, shape (k, 3, 3), k from 1 (cubic) to 6.

    The first is the isotropic one (the unit matrix), the others are traceless and of norm 1.
    """
    basis = np.zeros((6, 3, 3))
    for n, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        basis[n, i, j] = basis[n, j, i] = 1.0 if i == j else np.sqrt(0.5)
    averaged = np.einsum("gij,njk,glk->nil", rotations, basis, rotations) / len(rotations)
    projector = np.einsum("nij,mij->nm", averaged, basis)
    isotropic = np.einsum("ij,nij->n", np.eye(3), basis) / np.sqrt(3)
    projector = projector - np.outer(isotropic, isotropic)
    values, vectors = np.linalg.eigh((projector + projector.T) / 2)
    others = np.einsum("nk,nij->kij", vectors[:, values > 0.5], basis)
    return np.concatenate([np.eye(3)[None], others])


def _reciprocal_vectors(
    reciprocal: NDArray[np.float64], d_min_angstrom: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """List one of each Friedel pair down to a spacing: vectors in 1/angstrom and indices, shape (n, 3)."""
    g_max = 1.0 / d_min_angstrom
    direct = np.linalg.inv(reciprocal).T
    limits = np.floor(g_max * np.linalg.norm(direct, axis=1)).astype(int)
    axes = [np.arange(-limit, limit + 1) for limit in limits]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # The list is symmetric about its middle, which is 000.
    hkl = hkl[len(hkl) // 2 + 1 :]
    vectors = hkl @ reciprocal
    inside = np.einsum("ni,ni->n", vectors, vectors) <= g_max**2
    return vectors[inside], hkl[inside]


def _squared_structure_factors(
    structure: Any, hkl: NDArray[np.int64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give |F|^2 per cell of each reflection in squared electrons, both Friedel mates added."""
    symbols, occupancy, positions = _scatterers(structure)
    intensity = np.empty(len(hkl))
    for start in range(0, len(hkl), _BLOCK):
        part = slice(start, start + _BLOCK)
        s2 = np.einsum("ni,ni->n", vectors[part], vectors[part]) / 4
        factors = {symbol: _form_factor(symbol, s2) for symbol in set(symbols)}
        phases = np.exp(2j * np.pi * (hkl[part] @ positions.T))
        amplitudes = np.stack([factors[symbol] for symbol in symbols], axis=1) * occupancy
        intensity[part] = 2 * np.abs((amplitudes * phases).sum(axis=1)) ** 2
    return intensity


def _scatterers(structure: Any) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    rows = [
        (str(species.symbol), float(share), site.frac_coords)
        for site in structure
        for species, share in site.species.items()
    ]
    symbols, occupancy, positions = zip(*rows, strict=True)
    return list(symbols), np.array(occupancy), np.array(positions)


def _form_factor(symbol: str, s2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give f in electrons at ``s^2 = (sin(theta) / lambda)^2`` in 1/angstrom^2."""
    from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
    from pymatgen.core import Element

    # Deuterium scatters X-rays as hydrogen does.
    symbol = "H" if symbol in {"D", "T"} else symbol
    if symbol not in ATOMIC_SCATTERING_PARAMS:
        raise StructureError(f"no form factor is known for {symbol}")
    table = np.asarray(ATOMIC_SCATTERING_PARAMS[symbol])
    gaussians = (table[:, 0] * np.exp(-np.outer(s2, table[:, 1]))).sum(axis=1)
    return np.asarray(Element(symbol).Z - _BORN_ANGSTROM2 * s2 * gaussians)


def _merged(
    hkl: NDArray[np.int64],
    vectors: NDArray[np.float64],
    intensity: NDArray[np.float64],
    strains: NDArray[np.float64],
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Merge reflections that no allowed strain can part, strongest line's indices kept, by falling spacing."""
    shifts = np.einsum("ni,kij,nj->nk", vectors, strains, vectors)
    _, first, member = np.unique(np.round(shifts, 6), axis=0, return_index=True, return_inverse=True)
    summed = np.bincount(member.ravel(), weights=intensity)
    keep = summed > _WEAKEST * summed.max()
    order = np.argsort(shifts[first, 0])
    chosen = order[keep[order]]
    return {
        "hkl": hkl[first][chosen],
        "d_angstrom": 1.0 / np.sqrt(shifts[first, 0][chosen]),
        "intensity": summed[chosen],
        "shifts": shifts[first][chosen],
    }
