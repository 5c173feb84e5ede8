"""Where to begin: every candidate laid over the pattern at many cell strains and peak widths at once.

This is coarse, quick, and forgiving; what it ranks high is refined and compared in earnest by the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization._profile import Shape, lay

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from lab.characterization._model import Model, Problem
    from lab.characterization.references import Reference

# Widths tried, as multiples of the pattern's sharp peaks.
_WIDTHS = (1.0, 2.5, 6.0)
_WIDEST_DEG = 1.7
_SCALES = (0.7, 1.5, 3.0)
_LARGEST_STRAIN = 0.012
# What an average phase has to explain to be worth its free values, in units of ln(observations).
_PRICE = 8.0


@dataclass(frozen=True, eq=False)
class Templates:
    """Candidates of unit peak laid on the grid: shape (candidates, strains, n) for each width."""

    widths: tuple[float, ...]
    strains: list[NDArray[np.float64]]
    curves: list[NDArray[np.float32]]
    heights: NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """Where the refinement of a candidate begins: strain, width in degrees, and scale of the unit template."""

    candidate: int
    strain: float
    width: float
    scale: float
    worth: float


def make_templates(problem: Problem, references: Sequence[Reference]) -> Templates:
    """Lay each candidate once per width and read it off at strained angles."""
    grid = problem.measured.two_theta_deg
    widths = _widths_deg(problem.measured.fwhm_deg)
    strains, curves = [], []
    heights = np.zeros((len(widths), len(references)))
    for number, fwhm in enumerate(widths):
        laid = np.zeros((len(references), len(grid)))
        for n, reference in enumerate(references):
            laid[n] = lay(reference, problem.radiation, grid, initial_shape(reference, 0.0, fwhm)).curve
        heights[number] = np.maximum(laid.max(axis=1), 1e-300)
        laid /= heights[number][:, None]
        strains.append(_strain_steps(fwhm))
        curves.append(_strained(grid, laid.astype(np.float32), strains[-1], problem.stride))
    return Templates(widths, strains, curves, heights)


def _widths_deg(sharp_deg: float) -> tuple[float, ...]:
    """Give the widths to try, degrees."""
    wanted = [factor * sharp_deg for factor in _WIDTHS]
    return tuple(width for n, width in enumerate(wanted) if n == 0 or width < _WIDEST_DEG)


def _strain_steps(fwhm_deg: float) -> NDArray[np.float64]:
    """Give strains so close that a line at 60 degrees moves by half a width from one to the next."""
    step = np.radians(fwhm_deg) / 2 / (2 * np.tan(np.radians(30)))
    count = int(np.clip(np.ceil(_LARGEST_STRAIN / step), 1, 15))
    return np.linspace(-_LARGEST_STRAIN, _LARGEST_STRAIN, 2 * count + 1)


def _strained(
    grid: NDArray[np.float64], curves: NDArray[np.float32], strains: NDArray[np.float64], stride: int
) -> NDArray[np.float32]:
    """Read curves as if all cells were larger by each strain, shape (candidates, strains, n)."""
    step = grid[1] - grid[0]
    seen = grid[::stride]
    out = np.zeros((len(curves), len(strains), len(seen)), dtype=np.float32)
    for n, strain in enumerate(strains):
        sine = np.minimum(np.sin(np.radians(seen / 2)) * (1 + strain), 1.0)
        place = (2 * np.degrees(np.arcsin(sine)) - grid[0]) / step
        low = np.clip(np.floor(place).astype(int), 0, len(grid) - 2)
        share = np.clip(place - low, 0, 1).astype(np.float32)
        out[:, n] = curves[:, low] * (1 - share) + curves[:, low + 1] * share
    return out


def initial_shape(reference: Reference, strain: float, fwhm_deg: float) -> Shape:
    """Give the shape of a candidate at an isotropic strain and a width in degrees."""
    amounts = np.zeros(reference.shifts.shape[1])
    amounts[0] = strain
    return Shape(amounts, float(np.log(max(fwhm_deg * 0.95, 0.03))))


def rank(
    problem: Problem,
    model: Model,
    references: Sequence[Reference],
    templates: Templates,
    excluded: Collection[int] = (),
) -> list[Start]:
    """Rank candidates by how much misfit each takes away at its best strain, width and scale."""
    view = _View.of(problem, model)
    used = {id(phase.reference) for phase in model.phases}
    each = _PRICE * np.log(problem.resolution_elements)
    best: dict[int, Start] = {}
    for width, strains, curves in zip(templates.widths, templates.strains, templates.curves, strict=True):
        gain, scale = view.gains(curves)
        worth = gain - each * max(1.0, width / problem.measured.fwhm_deg)
        for n, reference in enumerate(references):
            at = int(np.argmax(worth[n]))
            start = Start(n, float(strains[at]), width, float(scale[n, at]), float(worth[n, at]))
            if n in excluded or id(reference) in used or (n in best and best[n].worth >= start.worth):
                continue
            best[n] = start
    return sorted(best.values(), key=lambda start: -start.worth)


@dataclass(frozen=True, eq=False)
class _View:
    """What a model leaves to explain, on every so-manieth point, shape (n,) each, and points per peak."""

    residual: NDArray[np.float32]
    modelled: NDArray[np.float32]
    variance: NDArray[np.float32]
    weight: float

    @staticmethod
    def of(problem: Problem, model: Model) -> _View:
        laid = problem.all_laid(model)
        curve = problem.curve(model, laid)
        every = slice(None, None, problem.stride)
        return _View(
            (problem.measured.counts - curve)[every].astype(np.float32),
            (curve - problem.background(model))[every].astype(np.float32),
            problem.variance(model, laid)[every].astype(np.float32),
            float(problem.model_variance),
        )

    def gains(self, curves: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the misfit each template takes away at its best scale, and that scale, shape (candidates, strains)."""
        top = np.maximum(curves @ (self.residual / self.variance), 0)
        norm = np.einsum("csn,csn,n->cs", curves, curves, 1 / self.variance)
        first = top / np.maximum(norm, 1e-20)
        before = float(np.sum(self.residual**2 / self.variance))
        gain, scale = np.zeros(first.shape), np.zeros(first.shape)
        for factor in _SCALES:
            added = curves * (factor * first).astype(np.float32)[:, :, None]
            # A line computed higher than measured widens the error there, as it does in the model.
            variance = np.maximum(self.variance, self.weight * (self.modelled + added) ** 2)
            after = ((self.residual - added) ** 2 / variance).sum(axis=2)
            better = before - after > gain
            gain = np.where(better, before - after, gain)
            scale = np.where(better, factor * first, scale)
        return gain, scale
