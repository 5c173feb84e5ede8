"""A unit cell filled by symmetry, and the reflections it can give.

Symmetry is multiplied out from the generators that come with the structure.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.chemistry import ChemistryError

if TYPE_CHECKING:
    from sim.chemistry import Structure

Array = NDArray[np.float64]
_SAME_POSITION = 1e-3
_SAME_D = 1e-7
_FINEST = 24
"""All translations are multiples of one 24th."""
_TERM = re.compile(r"([+-]?)(?:([xyz])|(\d+)/(\d+))")
_ROW = re.compile(rf"(?:{_TERM.pattern})+")


@dataclass(frozen=True)
class Atoms:
    """All atoms of one cell: fractional coordinates (n, 3) and, for each, the site it comes from."""

    positions: Array
    site: NDArray[np.intp]


@dataclass(frozen=True)
class Reflections:
    """Every hkl down to some spacing, numbered by the line it belongs to."""

    hkl: Array
    d_angstrom: Array
    line: NDArray[np.intp]
    """Index of the line of each hkl: reflections of equal spacing fall together."""


def fill_cell(structure: "Structure") -> Atoms:
    """Apply the space group to the sites; an atom on a symmetry element is there once."""
    rotations, translations = operations(structure)
    positions: list[Array] = []
    sites: list[int] = []
    for index, site in enumerate(structure.sites):
        images = rotations @ np.array([site.x, site.y, site.z]) + translations
        distinct: list[Array] = []
        for image in np.mod(images, 1.0):
            if all(_apart(image, other) for other in distinct):
                distinct.append(image)
        positions += distinct
        sites += [index] * len(distinct)
    return Atoms(np.array(positions), np.array(sites, dtype=np.intp))


def operations(structure: "Structure") -> tuple[Array, Array]:
    """Multiply the generators out to the space group: rotations (n, 3, 3), translations (n, 3).

    Raises `ChemistryError` for a generator that cannot be read or a group of another size than stated.
    """
    generators = [_operation(text) for text in structure.generators]
    identity = np.eye(3, 4)
    group, fresh = {_key(identity): identity}, [identity]
    while fresh and len(group) <= structure.operations:
        products = {_key(p): p for a in fresh for b in generators for p in [_product(a, b)]}
        fresh = [p for key, p in products.items() if key not in group]
        group |= products
    if len(group) != structure.operations:
        raise ChemistryError(
            f"{structure.space_group}: its generators do not give the {structure.operations} operations stated"
        )
    stacked = np.array(list(group.values()))
    return stacked[:, :, :3], stacked[:, :, 3]


def _operation(text: str) -> Array:
    rows = text.split(",")
    if len(rows) != 3 or not all(_ROW.fullmatch(row) for row in rows):
        raise ChemistryError(f"symmetry operation {text!r}: must read like -x+1/2,y+1/2,-z")
    matrix = np.zeros((3, 4))
    for i, row in enumerate(rows):
        for sign, name, top, bottom in _TERM.findall(row):
            value = -1.0 if sign == "-" else 1.0
            if name:
                matrix[i, "xyz".index(name)] += value
            else:
                matrix[i, 3] += value * float(top) / float(bottom)
    return matrix


def _product(one: Array, other: Array) -> Array:
    result = one[:, :3] @ other
    result[:, 3] = np.round(np.mod(result[:, 3] + one[:, 3], 1.0) * _FINEST) / _FINEST % 1.0
    return result


def _key(operation: Array) -> bytes:
    return np.round(operation * _FINEST).astype(np.int64).tobytes()


def _apart(one: Array, other: Array) -> bool:
    gap = one - other
    return bool(np.abs(gap - np.round(gap)).max() > _SAME_POSITION)


def reciprocal_metric(structure: "Structure") -> Array:
    """Give the matrix G* with 1/d^2 = h G* h (1/angstrom^2)."""
    a, b, c, alpha, beta, gamma = structure.cell
    cosines = np.cos(np.radians([alpha, beta, gamma]))
    metric = np.array(
        [
            [a * a, a * b * cosines[2], a * c * cosines[1]],
            [a * b * cosines[2], b * b, b * c * cosines[0]],
            [a * c * cosines[1], b * c * cosines[0], c * c],
        ]
    )
    inverse: Array = np.linalg.inv(metric)
    return inverse


def volume_angstrom3(structure: "Structure") -> float:
    """Give the volume of the cell (cubic angstrom)."""
    return float(1.0 / np.sqrt(np.linalg.det(reciprocal_metric(structure))))


def reflections(structure: "Structure", d_min_angstrom: float) -> Reflections:
    """List all hkl with spacings of at least `d_min_angstrom`, largest spacing first."""
    limits = [int(length / d_min_angstrom) + 1 for length in structure.cell[:3]]
    axes = [np.arange(-n, n + 1) for n in limits]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float64)
    hkl = hkl[np.any(hkl != 0, axis=1)]
    inverse_square = np.einsum("ij,jk,ik->i", hkl, reciprocal_metric(structure), hkl)
    spacing = 1.0 / np.sqrt(inverse_square)
    kept = spacing >= d_min_angstrom
    hkl, spacing = hkl[kept], spacing[kept]
    order = np.lexsort((hkl[:, 2], hkl[:, 1], hkl[:, 0], -np.round(spacing, 9)))
    hkl, spacing = hkl[order], spacing[order]
    new = np.concatenate([[0], (np.abs(np.diff(spacing)) > _SAME_D * spacing[1:]).astype(np.intp)])
    return Reflections(hkl, spacing, np.cumsum(new))
