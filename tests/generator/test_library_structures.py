"""The shipped structures are what their index says, and are chemically possible."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from generator import library

ALL = library.published_structures()
# Shortest distances, angstrom, that the bonds of these compounds allow.
SHORTEST = {
    ("Ti", "O"): (1.75, 2.3),
    ("Ba", "O"): (2.5, 2.95),
    ("C", "O"): (1.25, 1.33),
}


def read(path: Path) -> Any:
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CifParser(path).parse_structures(primitive=False)[0]


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    folder = Path(library.__file__).parent / "structures"
    assert sorted(s.path.name for s in ALL) == sorted(p.name for p in folder.iterdir())


def test_only_structures_of_the_named_elements_are_given() -> None:
    names = {path.name for path in library.structures({"Ba", "C", "O"})}
    assert names == {"BaCO3-Pmcn.cif", "BaO-Fm-3m.cif", "BaO2-I4mmm.cif"}


def test_no_elements_named_gives_all() -> None:
    assert library.structures(None) == [s.path for s in ALL]
    assert library.structures() == library.structures(None)


def test_a_foreign_system_has_no_structures() -> None:
    assert library.structures(["Na", "Cl"]) == []


def test_the_phases_of_a_barium_titanate_campaign_are_there() -> None:
    formulas = {s.formula for s in ALL}
    assert {"BaTiO3", "BaCO3", "TiO2", "Ba2TiO4", "BaO", "BaO2"} <= formulas


@pytest.mark.parametrize("entry", ALL, ids=lambda s: s.path.stem)
def test_each_file_names_its_source(entry: library.PublishedStructure) -> None:
    text = " ".join(entry.path.read_text(encoding="utf-8").split())
    assert entry.source in text
    assert any(
        year.isdigit() and 1900 < int(year) < 2030 for year in entry.source.replace("(", " ").replace(")", " ").split()
    )


@pytest.mark.parametrize("entry", ALL, ids=lambda s: s.path.stem)
def test_each_structure_has_the_formula_and_symmetry_of_the_index(entry: library.PublishedStructure) -> None:
    from pymatgen.core import Composition
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = read(entry.path)
    assert structure.composition.reduced_formula == Composition(entry.formula).reduced_formula
    number = next(
        int(line.split()[1])
        for line in entry.path.read_text(encoding="utf-8").splitlines()
        if line.startswith("_space_group_IT_number")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert SpacegroupAnalyzer(structure, symprec=0.01).get_space_group_number() == number


@pytest.mark.parametrize("entry", ALL, ids=lambda s: s.path.stem)
def test_neighbours_are_at_distances_that_such_bonds_have(entry: library.PublishedStructure) -> None:
    structure = read(entry.path)
    for site in structure:
        element = site.specie.symbol
        low, high = SHORTEST.get((element, "O"), (0.0, 9.0))
        near = [n.nn_distance for n in structure.get_neighbors(site, 3.2) if n.specie.symbol == "O"]
        assert element == "O" or low < min(near) < high


@pytest.mark.parametrize(
    ("name", "density_g_per_cm3"),
    [("BaTiO3-P4mm", 6.02), ("BaCO3-Pmcn", 4.31), ("TiO2-rutile", 4.25), ("TiO2-anatase", 3.89), ("BaO2-I4mmm", 5.64)],
)
def test_densities_are_those_of_the_handbooks(name: str, density_g_per_cm3: float) -> None:
    entry = next(s for s in ALL if s.path.stem == name)
    assert read(entry.path).density == pytest.approx(density_g_per_cm3, rel=0.01)


def test_the_library_is_listed_without_a_crystallography_package() -> None:
    code = "import sys, json, generator.library as l; l.structures(['Ba', 'O']); print(json.dumps(sorted(sys.modules)))"
    root = Path(library.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not {"pymatgen", "numpy", "torch"} & set(json.loads(done.stdout))
