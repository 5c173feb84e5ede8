"""The whole-pattern model: background and phases, and how well a set of phases explains what was measured.

Errors have two parts: counting noise, independent from point to point, and what every powder model gets wrong
(texture, grain statistics, peak shape), a share of the local intensity that is the same over a whole peak.
A strong peak therefore cannot count for more than a few percent of misfit can tell, and a weak phase
is judged by its own peaks rather than by how the strong one beside it fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization._profile import Laid, Shape, lay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lab.characterization._measured import Measured
    from lab.characterization.references import Reference
    from lab.characterization.wavelengths import Radiation

# Share by which a measured line's intensity may differ from the computed one: wide while phases are sought, so that
# texture does not call for further phases; narrow once they are known, so that fractions follow the strong lines.
SEARCH_ERROR = 0.15
FINAL_ERROR = 0.04
# Misplaced or misshapen peaks leak this share of their height to their neighbourhood.
_LEAK = 0.4
# Share by which a smooth curve usually misses the true background.
_BACKGROUND_ERROR = 0.01
# Standard deviations expected of what may be refined; strains beyond the limit are another cell.
_STRAIN_SD = 0.004
_STRAIN_LIMIT = 0.016
_SHAPE_SD = (0.8, 0.15, 0.25)
_ETA = 0.6
_ZERO_SD_DEG = 0.04
_DISPLACEMENT_SD_DEG = 0.06
_KNOT_DEG = 5.0
_BACKGROUND_SD = 0.1
_LOG_STEP = 0.5
# Wider peaks than 2 degrees are no longer told from an amorphous hump.
_MAX_LOG_SIZE = float(np.log(2.0))
_STRAIN_STEP = 0.003


@dataclass(frozen=True, eq=False)
class Phase:
    """A reference in the model: its scale, its shape, and the log size it started from."""

    reference: Reference
    scale: float
    shape: Shape
    prior_log_size: float


@dataclass(frozen=True, eq=False)
class Model:
    """A set of phases on a background, with the axis errors of the instrument.

    `coefficients` are smooth bumps of a few degrees, as shares of the first background estimate.
    """

    phases: tuple[Phase, ...]
    coefficients: NDArray[np.float64]
    zero_deg: float = 0.0
    displacement_deg: float = 0.0


class Problem:
    """One measured pattern, against which models are evaluated and refined."""

    def __init__(self, measured: Measured, radiation: Radiation) -> None:
        self.measured = measured
        self.radiation = radiation
        grid = measured.two_theta_deg
        level = measured.background + 0.1 * measured.background.mean() + 1e-9
        self._terms = _bumps(grid, _KNOT_DEG) * level
        self.dispersion = 1.0
        self.model_error = SEARCH_ERROR
        self._points_per_peak = max(measured.fwhm_deg / measured.step_deg, 1.0)

    @property
    def stride(self) -> int:
        """Every so-manieth point is enough to tell candidates apart: two to a sharp peak."""
        return max(1, int(self._points_per_peak / 2))

    @property
    def model_variance(self) -> float:
        """Variance of a point by model error for each squared count of the model there."""
        return self._points_per_peak * self.model_error**2

    def empty_model(self) -> Model:
        """Give the model of a pattern with no peaks."""
        return Model((), np.zeros(len(self._terms)))

    @property
    def resolution_elements(self) -> float:
        """How many peaks would fit side by side: the number of independent observations."""
        return float(len(self.measured.two_theta_deg) / self._points_per_peak)

    def background(self, model: Model) -> NDArray[np.float64]:
        """Give the fitted background in counts, shape (n,)."""
        return np.asarray(self.measured.background + model.coefficients @ self._terms)

    def laid(self, model: Model, phase: Phase) -> Laid:
        """Lay one phase of a model on the grid, at scale 1."""
        return lay(
            phase.reference,
            self.radiation,
            self.measured.two_theta_deg,
            phase.shape,
            model.zero_deg,
            model.displacement_deg,
        )

    def all_laid(self, model: Model) -> list[Laid]:
        """Lay every phase of a model on the grid, at scale 1."""
        return [self.laid(model, phase) for phase in model.phases]

    def curve(self, model: Model, laid: Sequence[Laid] | None = None) -> NDArray[np.float64]:
        """Give background and phases in counts, shape (n,)."""
        laid = self.all_laid(model) if laid is None else laid
        peaks = (phase.scale * one.curve for phase, one in zip(model.phases, laid, strict=True))
        return sum(peaks, start=self.background(model))

    def variance(self, model: Model, laid: Sequence[Laid] | None = None) -> NDArray[np.float64]:
        """Give the variance of the residual by noise and by model error, shape (n,)."""
        laid = self.all_laid(model) if laid is None else laid
        net = self.measured.counts - self.background(model)
        modelled = self.curve(model, laid) - self.background(model)
        # While phases are sought, a line computed too high is forgiven like one measured too high. To quantify,
        # errors come from the data alone: otherwise a line could pay for its own excess.
        high = np.maximum(net, modelled) if self.model_error == SEARCH_ERROR else np.maximum(net, 0)
        local = np.maximum(high, _LEAK * _running_max(high, int(self._points_per_peak)))
        # Model error is shared by all points of a peak, so it weighs as many times as a peak has points.
        share = (self.model_error * local) ** 2 + (_BACKGROUND_ERROR * self.measured.background) ** 2
        return np.asarray(self.measured.variance + self._points_per_peak * share)

    def misfit(self, model: Model) -> float:
        """Give chi-squared with model errors in it, plus what the priors say of the refined values."""
        laid = self.all_laid(model)
        residual = self.measured.counts - self.curve(model, laid)
        return float(np.sum(residual**2 / self.variance(model, laid)) + np.sum(_prior(model) ** 2))

    def refine(self, model: Model, cycles: int, only_last: bool = False) -> Model:
        """Improve a model by damped Gauss-Newton steps.

        Args:
            model: Where to start.
            cycles: Most steps to take.
            only_last: Hold the shapes of all phases but the last, and the axis.
        """
        damping = 1e-3
        laid = self.all_laid(model)
        for _ in range(cycles):
            variance = self.variance(model, laid)
            before = self._cost(model, laid, variance)
            matrix, residual, free = self._equations(model, laid, variance, only_last)
            step = _solve(matrix, residual, damping)
            trial = _moved(model, step, free)
            trial_laid = self._relaid(model, trial, laid)
            after = self._cost(trial, trial_laid, variance)
            if after < before:
                model, laid, damping = trial, trial_laid, damping / 5
                if before - after < 1e-3 * before:
                    break
            else:
                damping = max(damping * 30, 1e-2)
        return model

    def scale_sds(self, model: Model) -> NDArray[np.float64]:
        """Give the standard deviation of each scale by the fit alone, shape (phases,)."""
        laid = self.all_laid(model)
        matrix, _, free = self._equations(model, laid, self.variance(model, laid), only_last=False)
        covariance = np.linalg.pinv(matrix.T @ matrix)
        place, places = len(model.coefficients), []
        for phase, shaped in zip(model.phases, free.shaped, strict=True):
            places.append(place)
            place += 1 + (len(phase.shape.strain) + 3 if shaped else 0)
        return np.sqrt(np.maximum(np.diag(covariance)[places], 0) * self.dispersion)

    def _relaid(self, old: Model, new: Model, laid: list[Laid]) -> list[Laid]:
        """Lay the phases anew whose lines moved."""
        axis = (old.zero_deg, old.displacement_deg) == (new.zero_deg, new.displacement_deg)
        return [
            one if axis and was.shape is now.shape else self.laid(new, now)
            for was, now, one in zip(old.phases, new.phases, laid, strict=True)
        ]

    def _cost(self, model: Model, laid: list[Laid], variance: NDArray[np.float64]) -> float:
        residual = self.measured.counts - self.curve(model, laid)
        return float(np.sum(residual**2 / variance) + np.sum(_prior(model) ** 2))

    def _equations(
        self, model: Model, laid: list[Laid], variance: NDArray[np.float64], only_last: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], _Free]:
        """Give the weighted derivatives with prior rows, shape (n + q, q), and the weighted residual."""
        free = _Free.of(model, only_last)
        columns = list(self._terms)
        for phase, one, shaped in zip(model.phases, laid, free.shaped, strict=True):
            columns.append(one.curve)
            if shaped:
                columns.extend(phase.scale * one.by_shape)
        if free.axis:
            for name in ("by_zero", "by_displacement"):
                parts = (p.scale * getattr(one, name) for p, one in zip(model.phases, laid, strict=True))
                columns.append(sum(parts, start=np.zeros_like(variance)))
        root = np.sqrt(variance)
        measured = (self.measured.counts - self.curve(model, laid)) / root
        prior_rows, prior_residual = _prior_equations(model, free, len(columns))
        matrix = np.concatenate([np.array(columns).T / root[:, None], prior_rows])
        return matrix, np.concatenate([measured, prior_residual]), free


@dataclass(frozen=True)
class _Free:
    """Which parts of a model a step may move."""

    shaped: tuple[bool, ...]
    axis: bool

    @staticmethod
    def of(model: Model, only_last: bool) -> _Free:
        last = len(model.phases) - 1
        return _Free(
            tuple((not only_last or n == last) and p.scale > 0 for n, p in enumerate(model.phases)),
            axis=bool(model.phases) and not only_last,
        )


def _bumps(grid: NDArray[np.float64], apart_deg: float) -> NDArray[np.float64]:
    """Give cubic B-splines on even knots, which sum to 1, shape (terms, n)."""
    from scipy.interpolate import BSpline

    pieces = max(2, round((grid[-1] - grid[0]) / apart_deg))
    step = (grid[-1] - grid[0]) / pieces
    knots = grid[0] + step * np.arange(-3, pieces + 4)
    return np.asarray(BSpline.design_matrix(np.clip(grid, knots[3], knots[-4]), knots, 3).toarray().T)


def _running_max(values: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(values, 2 * points + 1))


def _solve(matrix: NDArray[np.float64], residual: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
    normal = matrix.T @ matrix
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / np.outer(scale, scale) + (damping + 1e-10) * np.eye(len(scale))
    return np.asarray(np.linalg.solve(scaled, (matrix.T @ residual) / scale) / scale)


def _shape_values(shape: Shape) -> NDArray[np.float64]:
    return np.concatenate([shape.strain, [shape.log_size_deg, shape.strain_deg, shape.eta]])


def _shape_prior(phase: Phase) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the expected values of a phase's shape and their standard deviations."""
    k = len(phase.shape.strain)
    mean = np.concatenate([np.zeros(k), [phase.prior_log_size, 0.0, _ETA]])
    return mean, np.concatenate([np.full(k, _STRAIN_SD), _SHAPE_SD])


def _prior(model: Model) -> NDArray[np.float64]:
    """Give every refined value's distance from what is expected, in standard deviations."""
    parts = [model.coefficients / _BACKGROUND_SD]
    for phase in model.phases:
        mean, sd = _shape_prior(phase)
        parts.append((_shape_values(phase.shape) - mean) / sd)
    parts.append(np.array([model.zero_deg / _ZERO_SD_DEG, model.displacement_deg / _DISPLACEMENT_SD_DEG]))
    return np.concatenate(parts)


def _prior_equations(model: Model, free: _Free, n_columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the priors as further rows of the equations, in the order of the columns."""
    distance: list[float] = list(-model.coefficients / _BACKGROUND_SD)
    slope: list[float] = [1 / _BACKGROUND_SD] * len(model.coefficients)
    for phase, shaped in zip(model.phases, free.shaped, strict=True):
        distance.append(0.0)
        slope.append(0.0)
        if shaped:
            mean, sd = _shape_prior(phase)
            distance.extend((mean - _shape_values(phase.shape)) / sd)
            slope.extend(1 / sd)
    if free.axis:
        distance += [-model.zero_deg / _ZERO_SD_DEG, -model.displacement_deg / _DISPLACEMENT_SD_DEG]
        slope += [1 / _ZERO_SD_DEG, 1 / _DISPLACEMENT_SD_DEG]
    rows = np.zeros((n_columns, n_columns))
    np.fill_diagonal(rows, slope)
    return rows, np.array(distance)


def _moved(model: Model, step: NDArray[np.float64], free: _Free) -> Model:
    """Apply a step, each value within what is physical."""
    n = len(model.coefficients)
    coefficients, rest = model.coefficients + step[:n], step[n:]
    phases = []
    for phase, shaped in zip(model.phases, free.shaped, strict=True):
        moved = replace(phase, scale=max(phase.scale + rest[0], 0.0))
        rest = rest[1:]
        if shaped:
            k = len(phase.shape.strain) + 3
            moved = replace(moved, shape=_moved_shape(phase.shape, rest[:k]))
            rest = rest[k:]
        phases.append(moved)
    zero, displacement = (model.zero_deg, model.displacement_deg)
    if free.axis:
        zero, displacement = (
            zero + np.clip(rest[0], -0.05, 0.05),
            displacement + np.clip(rest[1], -0.05, 0.05),
        )
    return Model(tuple(phases), coefficients, float(zero), float(displacement))


def _moved_shape(shape: Shape, step: NDArray[np.float64]) -> Shape:
    k = len(shape.strain)
    strain = shape.strain + np.clip(step[:k], -_STRAIN_STEP, _STRAIN_STEP)
    return Shape(
        strain=np.clip(strain, -_STRAIN_LIMIT, _STRAIN_LIMIT),
        log_size_deg=float(np.clip(shape.log_size_deg + np.clip(step[k], -_LOG_STEP, _LOG_STEP), -4.0, _MAX_LOG_SIZE)),
        strain_deg=float(np.clip(shape.strain_deg + np.clip(step[k + 1], -0.2, 0.2), 0.0, 2.0)),
        eta=float(np.clip(shape.eta + step[k + 2], 0.0, 1.0)),
    )
