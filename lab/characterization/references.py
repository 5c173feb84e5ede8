"""The structures a pattern is compared with, as powder lines, computed once per file and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.characterization._structure import StructureError, lines_from_cif
from lab.characterization.errors import ReferenceFolderError
from lab.characterization.result import Lattice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

# Down to here lines are kept: 2theta 180 degrees of Cu K-alpha, 55 degrees of Mo.
D_MIN_ANGSTROM = 0.77
# Part of every cache key: change it when `_structure` gives other numbers.
_CACHE_VERSION = "lines-2"
_ARRAYS = ("cell_vectors_a", "strains", "hkl", "d_angstrom", "intensity", "shifts")


@dataclass(frozen=True, eq=False)
class Reference:
    """One structure as a powder diffractometer sees it.

    Attributes:
        file: The CIF's file name.
        formula: Reduced formula.
        spacegroup: International symbol, as found from the atoms.
        composition: Atoms per cell by element.
        lattice: The cell as in the CIF.
        cell_mass_g_per_mol: Mass of a cell (Z M).
        cell_volume_a3: Volume of a cell, cubic angstrom.
        cell_vectors_a: The cell's edges as rows, angstrom, shape (3, 3).
        strains: Strains the symmetry allows, shape (k, 3, 3); the first is isotropic.
        hkl: Indices of one reflection of each line, shape (n, 3).
        d_angstrom: Spacing of each line, falling, shape (n,).
        intensity: Sum of |F|^2 over the line's reflections, squared electrons per cell, shape (n,).
        shifts: ``g . strain . g`` of each line and strain, 1/angstrom^2, shape (n, k).
    """

    file: str
    formula: str
    spacegroup: str
    composition: Mapping[str, float]
    lattice: Lattice
    cell_mass_g_per_mol: float
    cell_volume_a3: float
    cell_vectors_a: NDArray[np.float64]
    strains: NDArray[np.float64]
    hkl: NDArray[np.int64]
    d_angstrom: NDArray[np.float64]
    intensity: NDArray[np.float64]
    shifts: NDArray[np.float64]

    @property
    def elements(self) -> frozenset[str]:
        """The symbols of the elements in it."""
        return frozenset(self.composition)

    def strained_lattice(self, strain: NDArray[np.float64]) -> Lattice:
        """Give the cell after an amount of each allowed strain, shape (k,)."""
        edges = self.cell_vectors_a @ (np.eye(3) + np.einsum("k,kij->ij", strain, self.strains))
        a, b, c = np.linalg.norm(edges, axis=1)
        cosines = [edges[1] @ edges[2] / (b * c), edges[0] @ edges[2] / (a * c), edges[0] @ edges[1] / (a * b)]
        return Lattice(float(a), float(b), float(c), *(float(x) for x in np.degrees(np.arccos(cosines))))

    @property
    def density_g_per_cm3(self) -> float:
        """Density of the ideal crystal."""
        return self.cell_mass_g_per_mol / (self.cell_volume_a3 * 0.602214076)


@dataclass(frozen=True)
class ReferenceSet:
    """References that could be loaded, and a sentence for each file that could not."""

    references: tuple[Reference, ...]
    skipped: tuple[str, ...]


def load_references(
    source: str | Path | Iterable[str | Path],
    elements: Collection[str] | None = None,
    cache_dir: str | Path | None = None,
) -> list[Reference]:
    """Load the references of `load_reference_set` without its sentences on what was skipped."""
    return list(load_reference_set(source, elements, cache_dir).references)


def load_reference_set(
    source: str | Path | Iterable[str | Path],
    elements: Collection[str] | None = None,
    cache_dir: str | Path | None = None,
) -> ReferenceSet:
    """Load structures from CIFs; files of equal content count once.

    Args:
        source: A folder (searched with its subfolders for ``*.cif``), a CIF, or several of either.
        elements: Keep references whose elements are a subset; None keeps all.
        cache_dir: Where computed lines are kept; None is ``athanor`` in the user's cache folder.

    Raises:
        ReferenceFolderError: No CIF is there, none is usable, or none has only those elements.
    """
    paths = _cif_paths(source)
    folder = Path(cache_dir) if cache_dir is not None else _default_cache_dir()
    loaded: dict[str, Reference] = {}
    skipped: list[str] = []
    for path in paths:
        try:
            data = path.read_bytes()
            key = hashlib.sha256(data).hexdigest()
            if key not in loaded:
                loaded[key] = _load(path.name, data, key, folder)
        except (OSError, StructureError) as error:
            skipped.append(f"{path}: skipped, no structure could be read from it ({error}).")
    if not loaded:
        raise ReferenceFolderError(f"{_named(source)}: none of {len(paths)} CIF files is usable; {skipped[0]}")
    kept = tuple(r for r in loaded.values() if elements is None or r.elements <= set(elements))
    if not kept:
        raise ReferenceFolderError(
            f"{_named(source)}: none of {len(loaded)} references holds only {', '.join(sorted(elements or ()))}; "
            "name more elements or another folder"
        )
    return ReferenceSet(kept, tuple(skipped))


def _cif_paths(source: str | Path | Iterable[str | Path]) -> list[Path]:
    given = [source] if isinstance(source, str | Path) else list(source)
    paths: list[Path] = []
    for entry in map(Path, given):
        if entry.is_dir():
            paths += sorted(p for p in entry.rglob("*") if p.suffix.lower() == ".cif" and p.is_file())
        else:
            paths.append(entry)
    if not paths:
        raise ReferenceFolderError(f"{_named(source)}: no CIF file in it, expected at least one")
    return paths


def _named(source: str | Path | Iterable[str | Path]) -> str:
    return str(source) if isinstance(source, str | Path) else "the references given"


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "athanor" / "references"


def _load(name: str, data: bytes, key: str, folder: Path) -> Reference:
    kept = folder / f"{_CACHE_VERSION}-{key}.npz"
    values = _from_cache(kept)
    if values is None:
        values = lines_from_cif(data.decode("utf-8", errors="replace"), D_MIN_ANGSTROM)
        _to_cache(kept, values)
    cell = values.pop("cell")
    return Reference(file=name, lattice=Lattice(*cell), **values)


def _from_cache(path: Path) -> dict[str, Any] | None:
    """Give what was kept, or None if it is absent or damaged (it is then computed anew)."""
    import zipfile

    try:
        # numpy leaves a damaged file open, so it is opened here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            values: dict[str, Any] = json.loads(str(stored["plain"]))
            return values | {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _to_cache(path: Path, values: dict[str, Any]) -> None:
    """Write beside and rename, so that no reader sees half a file; a cache that cannot be written is done without."""
    plain = json.dumps({name: value for name, value in values.items() if name not in _ARRAYS})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(file, plain=np.array(plain), **{name: values[name] for name in _ARRAYS})
        Path(file.name).replace(path)
    except OSError:
        return
