"""References: right intensities, kept on disk, damaged files skipped with a sentence."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from generator import library
from lab.characterization import ReferenceFolderError, load_reference_set, load_references

RUTILE = next(p for p in library.structures() if p.stem == "TiO2-rutile")
BARIUM_TITANATE = next(p for p in library.structures() if p.stem == "BaTiO3-P4mm")
CARBONATE = next(p for p in library.structures() if p.stem == "BaCO3-Pmcn")


def structure(path: Path) -> Any:
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CifParser(path).parse_structures(primitive=False)[0]


def smeared(angles_deg: NDArray[np.float64], intensities: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = np.arange(11.0, 89.0, 0.02)
    return np.asarray(np.exp(-(((grid[:, None] - angles_deg) / 0.05) ** 2)) @ intensities)


@pytest.mark.parametrize("path", [RUTILE, BARIUM_TITANATE, CARBONATE], ids=lambda p: p.stem)
def test_lines_have_the_places_and_intensities_of_an_independent_program(path: Path, tmp_path: Path) -> None:
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    expected = XRDCalculator("CuKa1").get_pattern(structure(path), scaled=False, two_theta_range=(10, 90))
    (reference,) = load_references(path, cache_dir=tmp_path)
    sine = 1.54056 / 2 / reference.d_angstrom
    theta = np.arcsin(sine[sine < 0.75])
    computed = reference.intensity[sine < 0.75] * (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    expected_curve = smeared(expected.x, expected.y)
    assert np.abs(smeared(2 * np.degrees(theta), computed) - expected_curve).max() < 2e-3 * expected_curve.max()


def test_a_reference_knows_its_cell_and_density(tmp_path: Path) -> None:
    (reference,) = load_references(BARIUM_TITANATE, cache_dir=tmp_path)
    assert (reference.file, reference.formula, reference.spacegroup) == ("BaTiO3-P4mm.cif", "BaTiO3", "P4mm")
    assert reference.lattice.c == pytest.approx(4.0352)
    assert reference.density_g_per_cm3 == pytest.approx(structure(BARIUM_TITANATE).density, rel=1e-3)
    assert reference.elements == {"Ba", "Ti", "O"}


@pytest.mark.parametrize(
    ("name", "strains"),
    [("BaO-Fm-3m", 1), ("BaTiO3-P4mm", 2), ("BaTiO3-P63mmc", 2), ("BaCO3-Pmcn", 3), ("Ba2TiO4-P21n", 4)],
)
def test_a_cell_may_strain_as_its_symmetry_allows(name: str, strains: int, tmp_path: Path) -> None:
    path = next(p for p in library.structures() if p.stem == name)
    (reference,) = load_references(path, cache_dir=tmp_path)
    assert reference.strains.shape == (strains, 3, 3)
    np.testing.assert_allclose(reference.strains[0], np.eye(3))
    np.testing.assert_allclose(reference.shifts[:, 0], 1 / reference.d_angstrom**2)


def test_a_strained_cell_grows_by_the_strain_and_keeps_its_angles(tmp_path: Path) -> None:
    (reference,) = load_references(CARBONATE, cache_dir=tmp_path)
    lattice = reference.strained_lattice(np.array([0.01, 0.0, 0.0]))
    assert lattice.a == pytest.approx(1.01 * reference.lattice.a)
    assert (lattice.alpha, lattice.beta, lattice.gamma) == pytest.approx((90, 90, 90))


def test_only_references_of_the_named_elements_are_kept(tmp_path: Path) -> None:
    found = load_references(library.structures(), elements=["Ti", "O"], cache_dir=tmp_path)
    assert {r.formula for r in found} == {"TiO2"}


def test_what_is_kept_on_disk_is_what_was_computed(tmp_path: Path) -> None:
    (first,) = load_references(RUTILE, cache_dir=tmp_path)
    (kept,) = list(tmp_path.iterdir())
    (second,) = load_references(RUTILE, cache_dir=tmp_path)
    np.testing.assert_array_equal(first.intensity, second.intensity)
    np.testing.assert_array_equal(first.shifts, second.shifts)
    assert first.lattice == second.lattice
    assert kept.suffix == ".npz"


def test_the_kept_lines_are_used_and_no_structure_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_references(RUTILE, cache_dir=tmp_path)

    def read_again(*_: object) -> None:
        raise AssertionError("the structure was read again")

    monkeypatch.setattr("lab.characterization.references.lines_from_cif", read_again)
    assert load_references(RUTILE, cache_dir=tmp_path)[0].formula == "TiO2"


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_cache_is_built_anew(tmp_path: Path, damage: bytes | None) -> None:
    load_references(RUTILE, cache_dir=tmp_path)
    (kept,) = list(tmp_path.iterdir())
    kept.write_bytes(kept.read_bytes()[:300] if damage is None else damage)
    assert load_references(RUTILE, cache_dir=tmp_path)[0].formula == "TiO2"
    (rebuilt,) = list(tmp_path.iterdir())
    assert rebuilt.stat().st_size > 1000


def test_a_cache_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    assert load_references(RUTILE, cache_dir=blocked / "cache")[0].formula == "TiO2"


def test_without_a_folder_the_cache_goes_where_the_user_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_references(RUTILE)
    assert len(list((tmp_path / "athanor" / "references").iterdir())) == 1


def test_a_folder_is_searched_through_and_equal_files_count_once(tmp_path: Path) -> None:
    folder = tmp_path / "cifs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.cif").write_bytes(RUTILE.read_bytes())
    (folder / "deep" / "b.CIF").write_bytes(RUTILE.read_bytes())
    (folder / "readme.txt").write_text("no structure", encoding="utf-8")
    assert [r.file for r in load_references(folder, cache_dir=tmp_path / "c")] == ["a.cif"]


@pytest.mark.parametrize(
    "content", ["", "data_x\n_cell_length_a ?\n", "\x00\x01\x02", "data_a\nloop_\n_atom_site_label\n"]
)
def test_a_cif_without_a_structure_is_skipped_with_a_sentence(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "cifs"
    folder.mkdir()
    (folder / "bad.cif").write_text(content, encoding="utf-8")
    (folder / "good.cif").write_bytes(RUTILE.read_bytes())
    found = load_reference_set(folder, cache_dir=tmp_path / "c")
    assert [r.file for r in found.references] == ["good.cif"]
    (sentence,) = found.skipped
    assert sentence.startswith(f"{folder / 'bad.cif'}: skipped, no structure could be read from it")


def test_a_folder_with_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFolderError, match="no CIF file in it, expected at least one"):
        load_references(tmp_path, cache_dir=tmp_path / "c")
    (tmp_path / "bad.cif").write_text("nothing", encoding="utf-8")
    with pytest.raises(ReferenceFolderError, match=r"none of 1 CIF files is usable; .*bad\.cif"):
        load_references(tmp_path, cache_dir=tmp_path / "c")
    with pytest.raises(ReferenceFolderError, match="none of 1 references holds only Na; name more elements"):
        load_references(RUTILE, elements=["Na"], cache_dir=tmp_path / "c")
