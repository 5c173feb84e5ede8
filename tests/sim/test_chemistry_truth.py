"""Energies against the world, and worlds drawn from a seed."""

import json
from pathlib import Path

import numpy as np
import pytest

from sim.chemistry import ChemistryError, Reaction, Spread, Truth, reaction_gibbs_kj
from sim.chemistry.thermo import gibbs_kj

NOMINAL = Truth.nominal()


def reaction(name: str) -> Reaction:
    return next(r for r in NOMINAL.library.reactions if r.id == name)


def onset_degc(name: str, **pressures_bar: float) -> float:
    """Temperature above which a reaction goes by itself."""
    kelvin = np.arange(400.0, 1900.0, 1.0)
    pressures = {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01} | pressures_bar
    downhill = reaction_gibbs_kj(NOMINAL, reaction(name), kelvin, pressures) < 0
    return float(kelvin[np.argmax(downhill)]) - 273.15


def test_barium_carbonate_decomposes_near_900_degc_at_400_ppm() -> None:
    assert onset_degc("BaCO3 decomposes") == pytest.approx(900, abs=40)


def test_barium_peroxide_loses_oxygen_near_700_degc_in_air() -> None:
    assert onset_degc("BaO2 decomposes") == pytest.approx(710, abs=60)


def test_orthotitanate_needs_over_1000_degc_in_one_atmosphere_of_co2() -> None:
    assert 1000 < onset_degc("BaCO3+BaTiO3", CO2=1.0) < 1120


def test_per_reactant_atom_the_titanate_wins_over_the_orthotitanate_at_1000_degc() -> None:
    kelvin, air = np.array([1273.15]), {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01}
    first = reaction_gibbs_kj(NOMINAL, reaction("BaCO3+rutile"), kelvin, air)[0]
    second = first + reaction_gibbs_kj(NOMINAL, reaction("BaCO3+BaTiO3"), kelvin, air)[0]
    mev = np.array([first / 8, second / 13]) / 96.485 * 1000
    assert mev == pytest.approx([-220, -198], abs=15)


def test_rutile_is_the_stable_form_at_all_temperatures() -> None:
    kelvin = np.arange(300.0, 1500.0, 50.0)
    assert (reaction_gibbs_kj(NOMINAL, reaction("anatase turns to rutile"), kelvin, {}) < -2).all()


def test_melting_bends_the_energy_and_does_not_break_it() -> None:
    energy = NOMINAL.library.phases["BaH2O2"].energy
    at, heat = energy.transitions[0]
    below, above = gibbs_kj(energy, np.array([at - 1e-6, at + 1e-6]))
    assert above == pytest.approx(below, abs=1e-4)
    slope = np.diff(gibbs_kj(energy, np.array([at + 1.0, at + 2.0])))[0]
    before = np.diff(gibbs_kj(energy, np.array([at - 2.0, at - 1.0])))[0]
    assert before - slope == pytest.approx(heat / at, rel=0.1)


def test_the_same_seed_draws_the_same_world() -> None:
    assert Truth.draw(5) == Truth.draw(5)
    assert Truth.draw(5).energy_error_kj_per_mol != Truth.draw(6).energy_error_kj_per_mol


def test_drawn_energies_stray_as_far_as_they_say() -> None:
    errors = [Truth.draw(seed).energy_error_kj_per_mol for seed in range(200)]
    mixed = np.array([e["BaTiO3"] for e in errors]) / 96.485 / 5 * 1000
    assert np.std(mixed) == pytest.approx(24, rel=0.2)
    assert np.std([e["BaCO3"] for e in errors]) == pytest.approx(1.5, rel=0.2)
    assert np.corrcoef(mixed, [e["Ba2TiO4"] for e in errors])[0, 1] > 0.4


def test_a_spread_of_nothing_draws_the_nominal_numbers() -> None:
    truth = Truth.draw(3, Spread(0.0, 0.0, 0.0, 0.0))
    assert set(truth.energy_error_kj_per_mol.values()) == {0.0}
    assert set(truth.rate_factor.values()) == set(truth.activation_factor.values()) == {1.0}


def test_a_truth_comes_back_from_its_folder_as_it_was(tmp_path: Path) -> None:
    truth = Truth.draw(11)
    truth.save(tmp_path / "world")
    assert Truth.load(tmp_path / "world") == truth


def test_a_truth_folder_carries_its_own_phases(tmp_path: Path) -> None:
    NOMINAL.save(tmp_path)
    library = json.loads((tmp_path / "library.json").read_text())
    library["phases"]["BaO"]["melting_degc"] = 1900
    (tmp_path / "library.json").write_text(json.dumps(library))
    assert Truth.load(tmp_path).library.phases["BaO"].melting_degc == 1900


def test_a_folder_that_holds_no_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChemistryError, match=r"nowhere.*must hold truth.json and library.json"):
        Truth.load(tmp_path / "nowhere")
