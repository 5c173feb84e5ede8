"""What an analysis says of a sample: phases, how sure, and what it could not explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Lattice:
    """A unit cell: edges in angstrom, angles in degrees."""

    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float

    def to_json(self) -> dict[str, float]:
        """Give the six numbers, edges to 0.01 pm and angles to 0.001 degrees."""
        edges = {name: round(getattr(self, name), 5) for name in ("a", "b", "c")}
        angles = {name: round(getattr(self, name), 3) for name in ("alpha", "beta", "gamma")}
        return edges | angles


@dataclass(frozen=True)
class PhaseFraction:
    """One claimed phase.

    `weight_fraction` counts only claimed phases, so the fractions of a result sum to 1. Its sd holds
    the fit's own error and an estimate of what the model leaves out (texture, microabsorption).
    `scale` is S in ``counts = S * multiplicity * |F|^2 * Lorentz-polarisation``, so that the weight of a
    phase is proportional to ``scale * cell mass * cell volume``. `lattice` is the cell as refined.
    """

    formula: str
    spacegroup: str
    reference: str
    weight_fraction: float
    weight_fraction_sd: float
    scale: float
    lattice: Lattice

    def to_json(self) -> dict[str, Any]:
        """Give the phase's object of the `analyze` output."""
        return {
            "formula": self.formula,
            "spacegroup": self.spacegroup,
            "reference": self.reference,
            "weight_fraction": round(self.weight_fraction, 5),
            "weight_fraction_sd": round(self.weight_fraction_sd, 5),
            "scale": float(f"{self.scale:.6g}"),
            "lattice": self.lattice.to_json(),
        }


@dataclass(frozen=True, eq=False)
class FitCurves:
    """The arrays of the picture, one value per point of `two_theta_deg`.

    Attributes:
        two_theta_deg: Angles, degrees, shape (n,).
        measured: Counts, shape (n,).
        fitted: Background and all phases, counts, shape (n,).
        background: Counts, shape (n,).
        ticks: Line positions per claimed phase in degrees, in the order of the phases.
    """

    two_theta_deg: NDArray[np.float64]
    measured: NDArray[np.float64]
    fitted: NDArray[np.float64]
    background: NDArray[np.float64]
    ticks: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, eq=False)
class Characterization:
    """What one pattern says: phases by falling weight fraction, and how far to trust them.

    Attributes:
        phases: Claimed phases only; empty if nothing could be identified.
        unknown_fraction: Scattered intensity no claimed phase accounts for, over all intensity above
            the instrument's background, 0..1.
        r_wp: Weighted profile residual, 0..1 (background included, as Rietveld programs state it).
        confidence: 0..1, how far the claim as a whole may be trusted.
        needs_review: A person should look before anything is learned from this.
        review_reason: Why, as a sentence; None if no review is needed.
        seconds: Wall time of the analysis, s.
        curves: What was measured and fitted.
        closure_deviation: Largest difference between the cation fractions dosed and found, 0..1; None
            where the dosed ones were not given.
    """

    phases: tuple[PhaseFraction, ...]
    unknown_fraction: float
    r_wp: float
    confidence: float
    needs_review: bool
    review_reason: str | None
    seconds: float
    curves: FitCurves = field(repr=False)
    closure_deviation: float | None = None

    def weight_fraction(self, formula: str) -> float:
        """Give the summed weight fraction of all claimed phases of this formula, 0 if none is."""
        return sum(phase.weight_fraction for phase in self.phases if phase.formula == formula)

    def to_json(self, file: str) -> dict[str, Any]:
        """Give the object that `athanor analyze --json` prints for this pattern.

        Args:
            file: The pattern's path, as the user wrote it.
        """
        return {
            "file": file,
            "phases": [phase.to_json() for phase in self.phases],
            "unknown_fraction": round(self.unknown_fraction, 4),
            "r_wp": round(self.r_wp, 4),
            "confidence": round(self.confidence, 3),
            "needs_review": self.needs_review,
            "review_reason": self.review_reason,
            "seconds": round(self.seconds, 3),
        }
