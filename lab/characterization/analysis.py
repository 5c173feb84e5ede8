"""From a pattern and references to a characterization."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization import _judgement
from lab.characterization._measured import prepare
from lab.characterization._model import FINAL_ERROR, Problem
from lab.characterization._profile import line_angles_deg
from lab.characterization._search import search
from lab.characterization.errors import ReferenceFolderError
from lab.characterization.patterns import read_pattern
from lab.characterization.result import Characterization, FitCurves, PhaseFraction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lab.characterization._model import Model
    from lab.characterization._search import Found
    from lab.characterization.patterns import Pattern
    from lab.characterization.references import Reference


_FINAL_CYCLES = 20


def analyze(
    pattern: Pattern, references: Sequence[Reference], dosed_cations: Mapping[str, float] | None = None
) -> Characterization:
    """Identify and quantify the phases of a pattern.

    Args:
        pattern: What was measured.
        references: Candidate structures, from `load_references`.
        dosed_cations: Amount of each non-volatile cation dosed, in any unit of amount (mol); the phases
            found are checked against their ratios.

    Raises:
        ReferenceFolderError: There are no references to compare with.
    """
    if not references:
        raise ReferenceFolderError(f"{pattern.path}: no reference structures were given, expected at least one")
    started = time.perf_counter()
    problem = Problem(prepare(pattern), pattern.radiation)
    found = _by_weight(_quantified(problem, search(problem, references)))
    model = found.model
    fractions = _judgement.weight_fractions(model.phases)
    unknown = _judgement.unknown_fraction(problem, model)
    closure = _judgement.closure_deviation(model.phases, fractions, dosed_cations) if dosed_cations else None
    verdict = _judgement.verdict(found, fractions, unknown, closure)
    return Characterization(
        phases=_claims(problem, model, fractions, unknown),
        unknown_fraction=unknown if model.phases else 1.0,
        r_wp=_judgement.weighted_residual(problem, model),
        confidence=verdict.confidence,
        needs_review=verdict.reason is not None,
        review_reason=verdict.reason,
        seconds=time.perf_counter() - started,
        curves=_curves(problem, model),
        closure_deviation=closure,
    )


def analyze_file(
    path: str | Path, references: Sequence[Reference], wavelength: str | float | None = None
) -> tuple[Pattern, Characterization]:
    """Read a pattern and identify its phases.

    Raises:
        PatternError: The file is not a readable pattern.
        ReferenceFolderError: There are no references to compare with.
    """
    pattern = read_pattern(path, wavelength)
    return pattern, analyze(pattern, references)


def _quantified(problem: Problem, found: Found) -> Found:
    """Refine the phases found once more, now with the weights that quantify best."""
    problem.model_error = FINAL_ERROR
    model = problem.refine(found.model, _FINAL_CYCLES)
    return replace(found, model=model) if all(phase.scale > 0 for phase in model.phases) else found


def _by_weight(found: Found) -> Found:
    """Order the phases by falling weight fraction."""
    order = np.argsort(-_judgement.weight_fractions(found.model.phases), kind="stable")
    return replace(
        found,
        model=replace(found.model, phases=tuple(found.model.phases[n] for n in order)),
        gains=tuple(found.gains[n] for n in order),
        margins=tuple(found.margins[n] for n in order),
    )


def _claims(
    problem: Problem, model: Model, fractions: NDArray[np.float64], unknown: float
) -> tuple[PhaseFraction, ...]:
    if not model.phases:
        return ()
    scales = np.array([phase.scale for phase in model.phases])
    sds = _judgement.weight_fraction_sds(fractions, scales, problem.scale_sds(model), unknown)
    return tuple(
        PhaseFraction(
            formula=phase.reference.formula,
            spacegroup=phase.reference.spacegroup,
            reference=phase.reference.file,
            weight_fraction=float(fraction),
            weight_fraction_sd=float(sd),
            scale=phase.scale,
            lattice=phase.reference.strained_lattice(phase.shape.strain),
        )
        for phase, fraction, sd in zip(model.phases, fractions, sds, strict=True)
    )


def _curves(problem: Problem, model: Model) -> FitCurves:
    measured = problem.measured
    ticks = []
    for phase in model.phases:
        angles = line_angles_deg(phase.reference, problem.radiation.alpha1_angstrom, phase.shape.strain)
        angles = angles[np.isfinite(angles)]
        angles = angles + model.zero_deg + model.displacement_deg * np.cos(np.radians(angles / 2))
        inside = (angles >= measured.two_theta_deg[0]) & (angles <= measured.two_theta_deg[-1])
        ticks.append(angles[inside])
    return FitCurves(
        two_theta_deg=measured.two_theta_deg,
        measured=measured.counts,
        fitted=problem.curve(model),
        background=problem.background(model),
        ticks=tuple(ticks),
    )
