"""The parts of the fit: background, noise, widths, lines on the grid and their derivatives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from generator import library
from lab.characterization import Pattern, Reference, load_references, radiation
from lab.characterization._judgement import closure_deviation, weight_fraction_sds, weight_fractions
from lab.characterization._measured import background, prepare
from lab.characterization._model import Model, Phase, Problem
from lab.characterization._profile import Shape, lay, line_angles_deg

GRID = np.arange(20.0, 70.0, 0.02)
COPPER = radiation("CuKa1")


@pytest.fixture(scope="module")
def carbonate(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return load_references(
        [p for p in library.structures() if p.stem == "BaCO3-Pmcn"], cache_dir=tmp_path_factory.mktemp("cache")
    )[0]


def pattern(counts: NDArray[np.float64], angles: NDArray[np.float64] = GRID) -> Pattern:
    return Pattern(angles, counts, COPPER.alpha1_angstrom, None, None, None, Path("made.xy"), COPPER)


def peak(at_deg: float, height: float, fwhm_deg: float) -> NDArray[np.float64]:
    return np.asarray(height * np.exp(-4 * np.log(2) * ((GRID - at_deg) / fwhm_deg) ** 2))


def test_the_background_runs_under_the_peaks_and_follows_the_slope() -> None:
    smooth = 500 - 5 * (GRID - 20)
    found = background(smooth + peak(40, 3000, 0.2) + peak(55, 200, 1.0), 150)
    assert np.abs(found - smooth).max() < 0.03 * smooth.max()


def test_noise_is_known_for_counts_and_for_scaled_counts() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(400 + peak(40, 500, 0.2)).astype(float)
    plain = prepare(pattern(counts))
    scaled = prepare(pattern(counts / 20))
    quiet = plain.counts < 500
    per_count = plain.variance[quiet].mean() / plain.counts[quiet].var()
    assert per_count == pytest.approx(1, rel=0.3)
    assert scaled.variance[quiet].mean() == pytest.approx(plain.variance[quiet].mean() / 400, rel=0.1)


@pytest.mark.parametrize("fwhm_deg", [0.1, 0.3, 1.0])
def test_the_width_of_the_peaks_is_found(fwhm_deg: float) -> None:
    rng = np.random.default_rng(2)
    counts = 100 + sum(peak(at, 4000, fwhm_deg) for at in (25, 33, 41, 52, 63))
    assert prepare(pattern(rng.poisson(counts).astype(float))).fwhm_deg == pytest.approx(fwhm_deg, rel=0.25)


def test_an_empty_pattern_can_be_prepared() -> None:
    measured = prepare(pattern(np.zeros_like(GRID)))
    assert np.isfinite(measured.variance).all()
    assert (measured.variance > 0).all()


def test_a_phase_keeps_its_area_whatever_its_width(carbonate: Reference) -> None:
    areas = [
        lay(carbonate, COPPER, GRID, Shape(np.zeros(3), np.log(width), 0.0, 0.0)).curve.sum()
        for width in (0.1, 0.2, 0.8)
    ]
    assert areas == pytest.approx([areas[0]] * 3, rel=0.02)


def test_a_larger_cell_has_its_lines_at_smaller_angles(carbonate: Reference) -> None:
    plain = line_angles_deg(carbonate, 1.5406, np.zeros(3))
    grown = line_angles_deg(carbonate, 1.5406, np.array([0.01, 0.0, 0.0]))
    first = np.radians(plain[:5] / 2)
    np.testing.assert_allclose((grown - plain)[:5], np.degrees(-2 * 0.01 * np.tan(first)), rtol=0.03)


def test_the_doublet_is_two_lines_of_two_to_one(carbonate: Reference) -> None:
    shape = Shape(np.zeros(3), np.log(0.02), 0.0, 0.0)
    both = lay(carbonate, radiation("CuKa"), GRID, shape).curve
    first = lay(carbonate, COPPER, GRID, shape).curve
    assert both.sum() == pytest.approx(first.sum(), rel=0.02)
    assert both.max() == pytest.approx(2 / 3 * first.max(), rel=0.2)


@pytest.mark.parametrize("number", range(6))
def test_derivatives_by_the_shape_are_those_of_small_steps(carbonate: Reference, number: int) -> None:
    values = np.array([0.001, -0.002, 0.001, np.log(0.2), 0.1, 0.5])

    def at(step: float) -> NDArray[np.float64]:
        v = values.copy()
        v[number] += step
        return lay(carbonate, COPPER, GRID, Shape(v[:3], v[3], v[4], v[5])).curve

    step = 1e-6 if number < 3 else 1e-4
    numeric = (at(step) - at(-step)) / (2 * step)
    exact = lay(carbonate, COPPER, GRID, Shape(values[:3], values[3], values[4], values[5])).by_shape[number]
    assert np.abs(numeric - exact).max() < 0.03 * np.abs(exact).max()


def test_derivatives_by_the_axis_are_those_of_small_steps(carbonate: Reference) -> None:
    shape = Shape(np.zeros(3), np.log(0.2))
    exact = lay(carbonate, COPPER, GRID, shape)
    numeric = (
        lay(carbonate, COPPER, GRID, shape, 1e-4).curve - lay(carbonate, COPPER, GRID, shape, -1e-4).curve
    ) / 2e-4
    assert np.abs(numeric - exact.by_zero).max() < 0.05 * np.abs(exact.by_zero).max()
    moved = lay(carbonate, COPPER, GRID, shape, 0.0, 1e-4).curve - lay(carbonate, COPPER, GRID, shape, 0.0, -1e-4).curve
    assert np.abs(moved / 2e-4 - exact.by_displacement).max() < 0.05 * np.abs(exact.by_displacement).max()


def test_a_refinement_finds_cell_width_and_shift_back(carbonate: Reference) -> None:
    true = Shape(np.array([0.002, 0.001, -0.001]), np.log(0.25), 0.0, 0.6)
    laid = lay(carbonate, COPPER, GRID, true, zero_deg=0.02)
    counts = np.random.default_rng(3).poisson(50 + 3e4 * laid.curve / laid.curve.max()).astype(float)
    problem = Problem(prepare(pattern(counts)), COPPER)
    start = Phase(carbonate, 1e4 / laid.curve.max(), Shape(np.zeros(3), np.log(0.2)), float(np.log(0.2)))
    found = problem.refine(replace(problem.empty_model(), phases=(start,)), 30)
    (phase,) = found.phases
    assert phase.scale == pytest.approx(3e4 / laid.curve.max(), rel=0.1)
    np.testing.assert_allclose(phase.shape.strain, true.strain, atol=5e-4)
    assert np.exp(phase.shape.log_size_deg) == pytest.approx(0.25, rel=0.1)


def test_a_strong_phase_well_fitted_costs_less_than_a_weak_one_overlooked(carbonate: Reference) -> None:
    strong = 1e5 * lay(carbonate, COPPER, GRID, Shape(np.zeros(3), np.log(0.2))).curve
    strong *= 1e4 / strong.max()
    measured = prepare(pattern(50 + 1.1 * strong + peak(22.0, 400, 0.2)))
    problem = Problem(measured, COPPER)
    scale = 1e4 / lay(carbonate, COPPER, GRID, Shape(np.zeros(3), np.log(0.2))).curve.max()
    phase = Phase(carbonate, scale, Shape(np.zeros(3), np.log(0.2)), float(np.log(0.2)))
    model = replace(problem.empty_model(), phases=(phase,))
    residual2 = (measured.counts - problem.curve(model)) ** 2 / problem.variance(model)
    strongest = measured.two_theta_deg[np.argmax(measured.counts)]
    cost = {at: residual2[np.abs(measured.two_theta_deg - at) < 0.3].sum() for at in (22.0, strongest)}
    assert cost[22.0] > 3 * cost[strongest]


def models(carbonate: Reference, *scales: float) -> Model:
    shape = Shape(np.zeros(3), 0.0)
    return Model(tuple(Phase(carbonate, s, shape, 0.0) for s in scales), np.zeros(1))


def test_weight_fractions_follow_scale_mass_and_volume(carbonate: Reference) -> None:
    light = replace(carbonate, cell_mass_g_per_mol=carbonate.cell_mass_g_per_mol / 2)
    shape = Shape(np.zeros(3), 0.0)
    phases = (Phase(carbonate, 1.0, shape, 0.0), Phase(light, 1.0, shape, 0.0))
    np.testing.assert_allclose(weight_fractions(phases), [2 / 3, 1 / 3])


def test_the_sd_of_a_fraction_is_never_that_of_the_fit_alone() -> None:
    sds = weight_fraction_sds(np.array([0.5, 0.5]), np.ones(2), np.full(2, 1e-6), 0.0)
    assert (sds > 0.03).all()
    more = weight_fraction_sds(np.array([0.5, 0.5]), np.ones(2), np.full(2, 1e-6), 0.3)
    assert (more > sds).all()


def test_cations_are_compared_as_shares(carbonate: Reference) -> None:
    phases = models(carbonate, 1.0).phases
    assert closure_deviation(phases, np.ones(1), {"Ba": 3.0}) == 0
    assert closure_deviation(phases, np.ones(1), {"Ba": 1.0, "Ti": 1.0}) == pytest.approx(0.5)
    assert closure_deviation(phases, np.ones(1), {"Ti": 1.0}) == 1.0
    assert closure_deviation((), np.empty(0), {"Ti": 1.0}) is None
