"""What an analysis prints and draws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab.characterization import Characterization, FitCurves, Lattice, Pattern, PhaseFraction
from lab.characterization.pictures import plot_fit

LATTICE = Lattice(3.99091, 3.99091, 4.0352, 90.0, 90.0, 90.0)


def phase(formula: str, fraction: float) -> PhaseFraction:
    return PhaseFraction(formula, "P4mm", f"{formula}.cif", fraction, 0.02, 1.23456789e-5, LATTICE)


def result(*phases: PhaseFraction) -> Characterization:
    angles = np.arange(10.0, 80.0, 0.05)
    measured = 100 + 900 * np.exp(-((angles - 31.5) ** 2) / 0.02)
    curves = FitCurves(
        angles, measured, measured + 5, np.full_like(angles, 100.0), tuple(np.array([31.5]) for _ in phases)
    )
    return Characterization(phases, 0.034567, 0.0712345, 0.87654, False, None, 0.41239, curves)


def pattern(found: Characterization) -> Pattern:
    return Pattern(found.curves.two_theta_deg, found.curves.measured, 1.5406, None, None, None, Path("a.xy"))


def test_the_object_of_a_pattern_is_the_one_of_the_design() -> None:
    said = result(phase("BaTiO3", 0.7), phase("BaCO3", 0.3)).to_json("a.xy")
    assert list(said) == [
        "file",
        "phases",
        "unknown_fraction",
        "r_wp",
        "confidence",
        "needs_review",
        "review_reason",
        "seconds",
    ]
    assert said["phases"][0] == {
        "formula": "BaTiO3",
        "spacegroup": "P4mm",
        "reference": "BaTiO3.cif",
        "weight_fraction": 0.7,
        "weight_fraction_sd": 0.02,
        "scale": 1.23457e-5,
        "lattice": {"a": 3.99091, "b": 3.99091, "c": 4.0352, "alpha": 90.0, "beta": 90.0, "gamma": 90.0},
    }
    assert json.loads(json.dumps(said, allow_nan=False)) == said


def test_polymorphs_count_together_by_formula() -> None:
    found = result(phase("TiO2", 0.5), phase("BaCO3", 0.3), phase("TiO2", 0.2))
    assert found.weight_fraction("TiO2") == pytest.approx(0.7)
    assert found.weight_fraction("BaTiO3") == 0


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("n_phases", [0, 1, 8])
def test_a_picture_is_drawn_whatever_was_found(tmp_path: Path, simulated: bool, n_phases: int) -> None:
    from matplotlib.image import imread

    found = result(*(phase("BaTiO3", 1 / n_phases) for _ in range(n_phases)))
    plot_fit(pattern(found), found, tmp_path / "fit.png", "sample S-17", simulated)
    assert imread(tmp_path / "fit.png").shape[:2] == (975, 1500)


def test_a_simulated_picture_is_marked(tmp_path: Path) -> None:
    from matplotlib.image import imread

    found = replace(result(phase("BaTiO3", 1.0)), needs_review=True, review_reason="A person should look at this.")
    for name, simulated in (("real", False), ("simulated", True)):
        plot_fit(pattern(found), found, tmp_path / f"{name}.png", "S-17", simulated)
    real, marked = (imread(tmp_path / f"{name}.png") for name in ("real", "simulated"))
    assert (np.abs(real - marked).max(axis=2) > 0.05).mean() > 0.01
