"""Where the lines are and how strong, against Bragg's law by hand and the textbooks."""

from dataclasses import replace

import numpy as np
import pytest

from sim.chemistry import ChemistryError, Structure, Truth
from sim.chemistry.formula import composition, formula_of
from sim.diffraction.crystal import Array, fill_cell, operations, reflections, volume_angstrom3
from sim.diffraction.scattering import ENERGY_EV, WAVELENGTH_1_ANGSTROM, Lines, absorption_cm2_per_g, line_list

LIBRARY = Truth.nominal().library
CRYSTALS = [name for name, phase in LIBRARY.phases.items() if phase.structure]


def structure(name: str) -> Structure:
    found = LIBRARY.phases[name].structure
    assert found is not None
    return found


def lines(name: str, d_min: float = 1.0) -> Lines:
    return line_list(structure(name), tuple(LIBRARY.atomic_weights.items()), d_min)


def stick(name: str) -> tuple[Array, Array]:
    """Angles (degrees of 2theta) and intensities (strongest 100) of a phase."""
    found = lines(name)
    theta = np.arcsin(WAVELENGTH_1_ANGSTROM / 2 / found.d_angstrom)
    intensity = found.strength * (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    return np.degrees(2 * theta), 100 * intensity / intensity.max()


@pytest.mark.parametrize("name", CRYSTALS)
def test_a_filled_cell_holds_whole_formula_units_of_the_stated_density(name: str) -> None:
    atoms = fill_cell(structure(name))
    elements = [structure(name).sites[i].element for i in atoms.site]
    formula = composition(formula_of(name))
    units = {elements.count(element) / n for element, n in formula.items()}
    assert len(units) == 1
    assert units.pop() in {1, 2, 4}
    assert lines(name).density_g_per_cm3 == pytest.approx(LIBRARY.phases[name].density_g_per_cm3, rel=0.02)


@pytest.mark.parametrize(
    ("name", "hkl", "inverse_square"),
    [
        ("BaTiO3", (1, 0, 1), 1 / 3.9910**2 + 1 / 4.0352**2),
        ("BaTiO3", (2, 0, 0), 4 / 3.9910**2),
        ("BaTiO3", (0, 0, 2), 4 / 4.0352**2),
        ("TiO2-rutile", (1, 1, 0), 2 / 4.5937**2),
        ("TiO2-rutile", (2, 1, 1), 5 / 4.5937**2 + 1 / 2.9587**2),
        ("TiO2-anatase", (1, 0, 1), 1 / 3.7842**2 + 1 / 9.5146**2),
        ("BaCO3", (1, 1, 1), 1 / 5.3126**2 + 1 / 8.8958**2 + 1 / 6.4284**2),
        ("BaCO3", (0, 2, 1), 4 / 8.8958**2 + 1 / 6.4284**2),
        ("BaO", (2, 0, 0), 4 / 5.5391**2),
    ],
)
def test_spacings_follow_braggs_law_worked_out_by_hand(
    name: str, hkl: tuple[int, int, int], inverse_square: float
) -> None:
    by_hand = inverse_square**-0.5
    found = reflections(structure(name), 1.0)
    here = found.d_angstrom[(found.hkl == hkl).all(axis=1)]
    assert here == pytest.approx([by_hand], rel=1e-9)
    assert np.abs(lines(name).d_angstrom / by_hand - 1).min() < 5e-4


@pytest.mark.parametrize(
    ("name", "degrees"),
    [
        # ICDD cards 05-0626, 05-0378, 21-1276, 21-1272, 22-1056 and 07-0233: strongest line with Cu K-alpha1.
        ("BaTiO3", 31.50),
        ("BaCO3", 23.90),
        ("TiO2-rutile", 27.45),
        ("TiO2-anatase", 25.28),
        ("BaO", 27.90),
        ("BaO2", 26.75),
    ],
)
def test_the_strongest_line_is_where_the_textbooks_have_it(name: str, degrees: float) -> None:
    angles, intensity = stick(name)
    assert angles[np.argmax(intensity)] == pytest.approx(degrees, abs=0.06)


def test_the_strongest_lines_of_the_orthotitanate_crowd_around_29_degrees() -> None:
    angles, intensity = stick("Ba2TiO4")
    assert ((angles[intensity > 50] > 25) & (angles[intensity > 50] < 31)).all()


@pytest.mark.parametrize(
    ("name", "card"),
    [
        # Angle and intensity of other lines: rutile 21-1276, anatase 21-1272.
        ("TiO2-rutile", {36.09: 50, 41.23: 25, 54.32: 60, 56.64: 20}),
        ("TiO2-anatase", {37.80: 20, 48.05: 35, 53.89: 20, 55.06: 20}),
        ("BaTiO3", {22.26: 20, 38.89: 40, 45.39: 37, 56.3: 36}),
    ],
)
def test_other_lines_are_as_strong_as_the_cards_say(name: str, card: dict[float, float]) -> None:
    angles, intensity = stick(name)
    for degrees, expected in card.items():
        assert intensity[np.abs(angles - degrees) < 0.06].sum() == pytest.approx(expected, abs=13)


SETTINGS = {
    "BaCO3": 296,
    "BaO2": 424,
    "BaO": 523,
    "TiO2-rutile": 419,
    "TiO2-anatase": 426,
    "BaTiO3": 376,
    "Ba2TiO4": 82,
}


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("name", CRYSTALS)
def test_the_generators_give_the_group_that_the_tables_hold(name: str) -> None:
    spglib = pytest.importorskip("spglib")
    table = spglib.get_symmetry_from_database(SETTINGS[name])

    def listed(rotations: Array, translations: Array) -> set[object]:
        return {
            (tuple(np.ravel(r).astype(int)), tuple(np.round(np.mod(t, 1.0) * 24).astype(int) % 24))
            for r, t in zip(rotations, translations, strict=True)
        }

    assert listed(*operations(structure(name))) == listed(table["rotations"], table["translations"])


def test_a_group_of_another_size_than_stated_is_refused() -> None:
    with pytest.raises(ChemistryError, match="do not give the 4 operations"):
        operations(replace(structure("BaTiO3"), operations=4))


@pytest.mark.parametrize("text", ["x,y", "x,y,w", "x,y,z+1", ""])
def test_an_operation_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ChemistryError, match="symmetry operation"):
        operations(replace(structure("BaTiO3"), generators=(text,)))


def test_absent_reflections_have_no_line() -> None:
    angles, _ = stick("TiO2-rutile")
    forbidden = np.degrees(2 * np.arcsin(WAVELENGTH_1_ANGSTROM / 2 / 4.5937))
    assert np.abs(angles - forbidden).min() > 1


def test_equal_spacings_are_one_line() -> None:
    angles, _ = stick("BaO")
    assert (np.diff(angles) > 0.5).all()


def test_reflections_come_with_their_opposites() -> None:
    found = reflections(structure("Ba2TiO4"), 2.0)
    opposites = {tuple(-h) for h in found.hkl}
    assert opposites == {tuple(h) for h in found.hkl}


def test_the_cell_volume_of_a_monoclinic_cell_is_that_of_the_formula() -> None:
    a, b, c, _, beta, _ = structure("Ba2TiO4").cell
    assert volume_angstrom3(structure("Ba2TiO4")) == pytest.approx(a * b * c * np.sin(np.radians(beta)))


def test_the_strength_of_a_line_is_its_structure_factor_by_hand() -> None:
    # Rock salt, hkl all even: F = 4 (f_Ba + f_O), eight reflections 111 with F = 4 (f_Ba - f_O).
    import xraydb

    s = 3**0.5 / 5.5391 / 2
    barium = xraydb.f0("Ba2+", s)[0] + xraydb.f1_chantler("Ba", ENERGY_EV) + 1j * xraydb.f2_chantler("Ba", ENERGY_EV)
    oxygen = xraydb.f0("O2-", s)[0] + xraydb.f1_chantler("O", ENERGY_EV) + 1j * xraydb.f2_chantler("O", ENERGY_EV)
    factor = 4 * (barium * np.exp(-0.4 * s**2) - oxygen * np.exp(-0.6 * s**2))
    assert lines("BaO").strength[0] == pytest.approx(8 * abs(factor) ** 2 / 5.5391**6, rel=1e-6)


def test_absorption_is_near_the_tabulated_one() -> None:
    # International Tables C, Cu K-alpha: Ti 208, O 11.0 cm2/g.
    rutile = absorption_cm2_per_g(composition("TiO2"), LIBRARY.atomic_weights)
    weight = 47.867 / 79.865
    assert rutile == pytest.approx(208 * weight + 11.0 * (1 - weight), rel=0.06)
