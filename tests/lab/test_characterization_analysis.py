"""Whole analyses of patterns drawn by another program: right phases, right fractions, honest doubts."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from generator import library
from lab.characterization import (
    Characterization,
    Pattern,
    Reference,
    ReferenceFolderError,
    analyze,
    analyze_file,
    load_references,
    radiation,
)

B, C, R, A, O = "BaTiO3-P4mm", "BaCO3-Pmcn", "TiO2-rutile", "TiO2-anatase", "Ba2TiO4-P21n"  # noqa: E741
GRID = np.arange(10.0, 80.0, 0.02)
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "xrd"


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> list[Reference]:
    return load_references(library.structures(), cache_dir=tmp_path_factory.mktemp("cache"))


@functools.cache
def sticks(name: str, wavelength_angstrom: float, strain: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Give angles, intensities per cell and mass times volume, by pymatgen's own calculator."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.io.cif import CifParser

    path = next(p for p in library.structures() if p.stem == name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure = CifParser(path).parse_structures(primitive=False)[0]
    strained = structure.copy()
    strained.apply_strain(strain)
    found = XRDCalculator(wavelength_angstrom).get_pattern(strained, scaled=False, two_theta_range=(5, 90))
    return found.x, found.y, float(structure.composition.weight) * strained.volume


def drawn(
    mixture: Mapping[str, float],
    counts: float = 1e6,
    fwhm_deg: float = 0.12,
    level: float = 60.0,
    hump: float = 0.0,
    strains: Mapping[str, float] | None = None,
    zero_deg: float = 0.0,
    seed: int = 0,
) -> Pattern:
    """Draw a mixture (weight fractions by structure) with Poisson noise on a falling background."""
    peaks = np.zeros_like(GRID)
    for name, fraction in mixture.items():
        for wavelength, share in radiation("CuKa").lines():
            angles, intensities, mass_volume = sticks(name, wavelength, (strains or {}).get(name, 0.0))
            for angle, intensity in zip(angles + zero_deg, intensities, strict=True):
                width = fwhm_deg * (1 + 0.3 * np.tan(np.radians(angle / 2)))
                x2 = ((GRID - angle) / width) ** 2
                shape = 0.6 * (2 / np.pi) / (1 + 4 * x2) + 0.4 * 0.9394 * np.exp(-4 * np.log(2) * x2)
                peaks += fraction / mass_volume * share * intensity / width * shape
    if peaks.any():
        peaks *= counts / peaks.sum()
    smooth = level * (1 + 1.5 * np.exp(-(GRID - 10) / 15)) + hump * np.exp(-0.5 * ((GRID - 27) / 4.5) ** 2)
    noisy = np.random.default_rng(seed).poisson(peaks + smooth).astype(float)
    return Pattern(GRID, noisy, 1.540593, None, None, None, Path("drawn.xy"), radiation("CuKa"))


def formulas(found: Characterization) -> set[str]:
    return {phase.formula for phase in found.phases}


MIXTURES: list[dict[str, float]] = [
    {B: 0.5, C: 0.3, R: 0.2},
    {B: 0.8, C: 0.15, R: 0.05},
    {C: 0.7, R: 0.3},
    {C: 0.6, A: 0.4},
    {B: 0.4, C: 0.3, R: 0.2, O: 0.1},
    {B: 0.95, C: 0.05},
]


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda m: "+".join(m))
def test_a_mixture_is_given_back(mixture: dict[str, float], references: list[Reference]) -> None:
    found = analyze(drawn(mixture), references)
    assert {p.reference.removesuffix(".cif") for p in found.phases} == set(mixture)
    for phase in found.phases:
        true = mixture[phase.reference.removesuffix(".cif")]
        assert phase.weight_fraction == pytest.approx(true, abs=0.05)
        assert abs(phase.weight_fraction - true) < 3 * phase.weight_fraction_sd
    fractions = [phase.weight_fraction for phase in found.phases]
    assert fractions == sorted(fractions, reverse=True)
    assert sum(fractions) == pytest.approx(1)
    assert not found.needs_review
    assert found.confidence > 0.8


@pytest.mark.parametrize("name", [B, C, R, A, O])
def test_a_pure_sample_is_called_pure(name: str, references: list[Reference]) -> None:
    found = analyze(drawn({name: 1.0}), references)
    assert [p.reference for p in found.phases] == [f"{name}.cif"]
    assert found.phases[0].weight_fraction == 1
    assert found.unknown_fraction < 0.05
    assert not found.needs_review
    assert found.review_reason is None


def test_cells_off_by_nearly_a_percent_and_a_shifted_axis_are_taken_up(references: list[Reference]) -> None:
    pattern = drawn({B: 0.5, C: 0.3, R: 0.2}, strains={B: 0.006, C: -0.008, R: 0.005}, zero_deg=0.04)
    found = analyze(pattern, references)
    assert formulas(found) == {"BaTiO3", "BaCO3", "TiO2"}
    assert found.weight_fraction("BaTiO3") == pytest.approx(0.5, abs=0.05)
    lattice = next(p.lattice for p in found.phases if p.formula == "BaCO3")
    assert lattice.a == pytest.approx(5.3164 * (1 - 0.008), rel=1.5e-3)


def test_wide_peaks_and_few_counts_are_no_obstacle(references: list[Reference]) -> None:
    for pattern in (
        drawn({B: 0.5, C: 0.3, R: 0.2}, fwhm_deg=0.35),
        drawn({B: 0.5, C: 0.3, R: 0.2}, counts=3e4, level=20),
    ):
        found = analyze(pattern, references)
        assert formulas(found) == {"BaTiO3", "BaCO3", "TiO2"}
        assert found.weight_fraction("BaCO3") == pytest.approx(0.3, abs=0.05)


def test_a_phase_nobody_offered_is_seen_as_unexplained(references: list[Reference]) -> None:
    without = [r for r in references if r.formula != "BaCO3"]
    found = analyze(drawn({B: 0.7, C: 0.3}), without)
    assert formulas(found) == {"BaTiO3"}
    assert 0.15 < found.unknown_fraction < 0.45
    assert found.needs_review
    assert "is explained by no claimed phase" in str(found.review_reason)
    little = analyze(drawn({B: 0.9, C: 0.1}), without)
    assert 0.05 < little.unknown_fraction < found.unknown_fraction
    assert little.confidence > found.confidence


@pytest.mark.parametrize(
    "pattern",
    [drawn({}), drawn({}, hump=400.0), drawn({}, level=0.0)],
    ids=["background only", "amorphous", "no counts at all"],
)
def test_where_there_is_no_crystal_none_is_claimed(pattern: Pattern, references: list[Reference]) -> None:
    found = analyze(pattern, references)
    assert found.phases == ()
    assert found.unknown_fraction == 1
    assert found.confidence == 0
    assert found.needs_review
    assert str(found.review_reason).startswith("No reference explains any peak")


def test_peaks_of_foreign_matter_are_not_forced_on_the_references(references: list[Reference]) -> None:
    found = analyze(drawn({C: 1.0}), [r for r in references if r.formula in {"TiO2", "BaO"}])
    assert found.needs_review
    assert found.phases == () or found.unknown_fraction > 0.3


def test_a_hump_beside_a_crystal_is_counted_as_unexplained(references: list[Reference]) -> None:
    clean = analyze(drawn({B: 1.0}, counts=5e5), references)
    found = analyze(drawn({B: 1.0}, counts=5e5, hump=150.0), references)
    assert formulas(found) == {"BaTiO3"}
    assert found.unknown_fraction > 0.08 > clean.unknown_fraction


def test_phases_that_do_not_give_back_what_was_dosed_go_to_review(references: list[Reference]) -> None:
    pattern = drawn({B: 1.0})
    right = analyze(pattern, references, dosed_cations={"Ba": 2.0, "Ti": 2.0})
    wrong = analyze(pattern, references, dosed_cations={"Ba": 2.0, "Ti": 1.0})
    assert right.closure_deviation == pytest.approx(0, abs=1e-6)
    assert not right.needs_review
    assert wrong.closure_deviation == pytest.approx(1 / 6, abs=1e-6)
    assert wrong.needs_review
    assert wrong.confidence < right.confidence / 1.5
    assert "differ by 0.17 from what was dosed" in str(wrong.review_reason)


def test_the_same_pattern_gives_the_same_answer_to_the_last_bit(references: list[Reference]) -> None:
    pattern = drawn({C: 0.7, R: 0.3})
    first, second = analyze(pattern, references), analyze(pattern, references)
    assert first.phases == second.phases
    assert (first.unknown_fraction, first.r_wp, first.confidence) == (
        second.unknown_fraction,
        second.r_wp,
        second.confidence,
    )


def test_a_file_is_read_and_analyzed_in_one_go(tmp_path: Path, references: list[Reference]) -> None:
    pattern = drawn({R: 1.0})
    path = tmp_path / "rutile.xy"
    path.write_text("\n".join(f"{a:.2f} {c:.0f}" for a, c in zip(GRID, pattern.counts, strict=True)), encoding="utf-8")
    read, found = analyze_file(path, references)
    assert read.path == path
    assert formulas(found) == {"TiO2"}


def test_without_references_nothing_is_analyzed() -> None:
    with pytest.raises(ReferenceFolderError, match=r"drawn\.xy: no reference structures were given"):
        analyze(drawn({}), [])


def test_the_curves_have_what_a_picture_needs(references: list[Reference]) -> None:
    found = analyze(drawn({C: 0.7, R: 0.3}), references)
    curves = found.curves
    assert len(curves.two_theta_deg) == len(curves.measured) == len(curves.fitted) == len(curves.background)
    assert len(curves.ticks) == len(found.phases)
    strongest = curves.two_theta_deg[np.argmax(curves.measured)]
    assert min(np.abs(ticks - strongest).min() for ticks in curves.ticks) < 0.1


def test_importing_the_folder_loads_no_heavy_package() -> None:
    code = "import sys, json, lab.characterization; print(json.dumps(sorted(sys.modules)))"
    root = Path(library.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not {"pymatgen", "scipy", "matplotlib", "pint", "sim", "xraydb"} & set(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real patterns are not at {REAL}")
def test_every_real_pattern_goes_through(tmp_path: Path) -> None:
    from pymatgen.core import Composition

    every = load_references(REAL, cache_dir=tmp_path)
    labels = [e for e in json.loads((REAL / "labels.json").read_text(encoding="utf-8")) if e["scored"]]
    right = 0
    for n, label in enumerate(labels):
        true = {Composition(f).reduced_formula for f in label["phases"]}
        elements = {e.symbol for f in true for e in Composition(f).elements}
        candidates = every if n % 6 == 0 else [r for r in every if r.elements <= elements]
        _, found = analyze_file(REAL / label["file"], candidates)
        assert 0 <= found.confidence <= 1
        assert 0 <= found.unknown_fraction <= 1
        assert not found.phases or sum(p.weight_fraction for p in found.phases) == pytest.approx(1)
        right += formulas(found) == true
    assert right > 0.75 * len(labels)
