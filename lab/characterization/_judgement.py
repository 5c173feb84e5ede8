"""How far a fit is to be trusted: what it leaves unexplained, fractions with their errors, and who should look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lab.characterization._model import Model, Phase, Problem
    from lab.characterization._search import Found

# Texture, grain statistics and microabsorption between phases of one sample, as a share of each scale.
_SCALE_MODEL_ERROR = 0.10
# What may hide below the noise of an ordinary scan, weight fraction.
_DETECTION_SD = 0.01
# Residual within this share of a claimed phase's own peak is misfit of that phase, not another phase.
_OWN_MISFIT = 0.4
_NOISE_SIGMAS = 2.5
_BACKGROUND_SHARE = 0.02
# Backgrounds of instruments fall and flatten; a bulge of more than this share is an amorphous hump.
_HUMP_SHARE = 0.08

REVIEW_UNKNOWN = 0.10
REVIEW_CONFIDENCE = 0.5
REVIEW_CLOSURE = 0.10
_MARGIN_SCALE = 15.0


@dataclass(frozen=True)
class Verdict:
    """Confidence 0..1 and, if a person should look, why."""

    confidence: float
    reason: str | None


def weight_fractions(phases: Sequence[Phase]) -> NDArray[np.float64]:
    """Give scale times cell mass times cell volume, normalised (Hill & Howard, J. Appl. Cryst. 20 (1987) 467)."""
    weights = np.array([p.scale * p.reference.cell_mass_g_per_mol * p.reference.cell_volume_a3 for p in phases])
    return weights / weights.sum() if len(weights) else weights


def weight_fraction_sds(
    fractions: NDArray[np.float64], scales: NDArray[np.float64], scale_sds: NDArray[np.float64], unknown: float
) -> NDArray[np.float64]:
    """Carry scale errors, of the fit and of the model, to fractions that sum to 1.

    Args:
        fractions: Weight fractions, shape (m,).
        scales: Their scales, shape (m,).
        scale_sds: Standard deviations of the scales by the fit alone, shape (m,).
        unknown: Unexplained fraction, which may belong to any of them.
    """
    relative2 = (scale_sds / np.maximum(scales, 1e-300)) ** 2 + _SCALE_MODEL_ERROR**2
    # d(w_i) = w_i (e_i - sum_j w_j e_j), with independent relative errors e of the scales.
    mixing = np.diag(fractions) - np.outer(fractions, fractions)
    spread2 = (mixing**2) @ relative2
    return np.asarray(np.sqrt(spread2 + _DETECTION_SD**2 + (0.5 * unknown * fractions) ** 2))


def unknown_fraction(problem: Problem, model: Model) -> float:
    """Give the intensity that neither the claimed phases nor an instrument's background explains, 0..1.

    Peaks left over count beyond noise and beyond what a claimed phase may itself be off; so does a hump.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    measured, background = problem.measured, problem.background(model)
    curve = problem.curve(model)
    points = max(1, round(measured.fwhm_deg / measured.step_deg))
    left = uniform_filter1d(measured.counts - curve, points)
    noise = np.sqrt(uniform_filter1d(measured.variance, points) / points)
    own = maximum_filter1d(curve - background, 3 * points)
    allowed = _NOISE_SIGMAS * noise + _OWN_MISFIT * own + _BACKGROUND_SHARE * background
    excess = float(np.sum(np.where(left > allowed, left, 0.0)))
    hump = float(np.sum(_hump(measured.two_theta_deg, background)))
    explained = float(np.sum(np.maximum(curve - background, 0)))
    total = explained + excess + hump
    # With neither peaks nor hump there is nothing that could be known.
    return (excess + hump) / total if total > 0 else 1.0


def _hump(angles: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give what of a background bulges over its lower convex hull, counts, shape (n,)."""
    corners = [0]
    for n in range(1, len(angles)):
        while len(corners) > 1 and _turns_down(angles, background, corners[-2], corners[-1], n):
            corners.pop()
        corners.append(n)
    hull = np.interp(angles, angles[corners], background[corners])
    bulge = background - hull
    return np.where(bulge > _HUMP_SHARE * np.maximum(hull, 0), bulge, 0.0)


def _turns_down(x: NDArray[np.float64], y: NDArray[np.float64], a: int, b: int, c: int) -> bool:
    return bool((y[b] - y[a]) * (x[c] - x[a]) >= (y[c] - y[a]) * (x[b] - x[a]))


def weighted_residual(problem: Problem, model: Model) -> float:
    """Give R_wp with weights 1/counts, background included (Toby, Powder Diffr. 21 (2006) 67)."""
    counts = problem.measured.counts
    weight = 1 / np.maximum(counts, 0.01 * max(float(counts.mean()), 1e-9))
    total = float(np.sum(weight * counts**2))
    return float(np.sqrt(np.sum(weight * (counts - problem.curve(model)) ** 2) / total)) if total > 0 else 1.0


def closure_deviation(
    phases: Sequence[Phase], fractions: NDArray[np.float64], dosed: Mapping[str, float]
) -> float | None:
    """Give the largest difference between cation shares dosed and found, 0..1; None without phases or dose."""
    found = dict.fromkeys(dosed, 0.0)
    for phase, fraction in zip(phases, fractions, strict=True):
        for element in dosed:
            atoms = phase.reference.composition.get(element, 0.0)
            found[element] += float(fraction) * atoms / phase.reference.cell_mass_g_per_mol
    sum_found, sum_dosed = sum(found.values()), sum(dosed.values())
    if sum_dosed <= 0 or not phases:
        return None
    if sum_found <= 0:
        return 1.0
    return max(abs(found[e] / sum_found - dosed[e] / sum_dosed) for e in dosed)


def verdict(found: Found, fractions: NDArray[np.float64], unknown: float, closure: float | None) -> Verdict:
    """Weigh evidence for each phase, what is unexplained, how well it fits and whether matter is conserved."""
    phases = found.model.phases
    if not phases:
        return Verdict(0.0, "No reference explains any peak of this pattern: no phase is claimed.")
    evidence = 1 - np.exp(-np.maximum(found.margins, 0) / _MARGIN_SCALE)
    confidence = float(fractions @ evidence) * max(0.0, 1 - 1.5 * unknown) / (1 + max(0.0, found.misfit - 2) / 20)
    if closure is not None and closure > REVIEW_CLOSURE:
        confidence *= 0.5
    return Verdict(min(max(confidence, 0.0), 1.0), _reason(found, evidence, unknown, closure, confidence))


def _reason(
    found: Found, evidence: NDArray[np.float64], unknown: float, closure: float | None, confidence: float
) -> str | None:
    """Give the first thing a person should look at, None if there is none."""
    if unknown > REVIEW_UNKNOWN:
        return (
            f"{100 * unknown:.0f} % of the scattering is explained by no claimed phase "
            f"(limit {100 * REVIEW_UNKNOWN:.0f} %): an unknown or amorphous phase is likely."
        )
    if closure is not None and closure > REVIEW_CLOSURE:
        return (
            f"The phases hold cations in shares that differ by {closure:.2f} from what was dosed "
            f"(limit {REVIEW_CLOSURE:.2f}): a phase is missing or misnamed."
        )
    if confidence < REVIEW_CONFIDENCE:
        weakest = found.model.phases[int(np.argmin(evidence))].reference
        return (
            f"Confidence is {confidence:.2f} (limit {REVIEW_CONFIDENCE:.2f}): the evidence is weakest for "
            f"{weakest.formula} ({weakest.spacegroup})."
        )
    return None
