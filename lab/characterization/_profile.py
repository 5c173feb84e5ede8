"""The powder lines of one phase laid on a grid of angles, with the derivatives a fit needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab.characterization.references import Reference
    from lab.characterization.wavelengths import Radiation

# A usual isotropic displacement factor B of oxides near room temperature, angstrom^2.
DEBYE_WALLER_A2 = 0.6
# Profiles are cut where a Lorentzian has fallen to 1/400.
_CUT_FWHM = 10.0
_LN2 = np.log(2.0)
# A phase keeps the lines that make up this share of its scattering in the range.
_KEPT_SHARE = 0.998
_MIN_FWHM_DEG = 0.03
_POINTS_PER_FWHM = 8


@dataclass(frozen=True)
class Shape:
    """How a phase's lines sit and look.

    Attributes:
        strain: Amount of each strain the symmetry allows, shape (k,); positive is a larger cell.
        log_size_deg: Natural log of the width that goes with 1/cos(theta), degrees.
        strain_deg: Width that goes with tan(theta), degrees.
        eta: Lorentzian share of the profile, 0..1.
    """

    strain: NDArray[np.float64]
    log_size_deg: float
    strain_deg: float = 0.0
    eta: float = 0.6


@dataclass(frozen=True, eq=False)
class Laid:
    """A phase of scale 1 on the grid.

    Attributes:
        curve: Counts, shape (n,).
        by_shape: Derivatives by the strains, log size, strain width and eta, shape (k + 3, n).
        by_zero: Derivative by a shift of the axis in degrees, shape (n,).
        by_displacement: Derivative by a shift that goes with cos(theta), degrees, shape (n,).
        fwhm_deg: Mean width weighted with intensity, degrees.
    """

    curve: NDArray[np.float64]
    by_shape: NDArray[np.float64]
    by_zero: NDArray[np.float64]
    by_displacement: NDArray[np.float64]
    fwhm_deg: float


def line_angles_deg(
    reference: Reference, wavelength_angstrom: float, strain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give 2theta of each line in degrees, NaN where the wavelength cannot reach it, shape (n,)."""
    g2 = 1.0 / reference.d_angstrom**2 - 2 * reference.shifts @ strain
    sine = wavelength_angstrom / 2 * np.sqrt(np.maximum(g2, 0))
    return np.asarray(2 * np.degrees(np.arcsin(np.where(sine < 1, sine, np.nan))))


def lay(
    reference: Reference,
    radiation: Radiation,
    grid: NDArray[np.float64],
    shape: Shape,
    zero_deg: float = 0.0,
    displacement_deg: float = 0.0,
) -> Laid:
    """Compute a phase of scale 1 and its derivatives on an even grid of 2theta in degrees.

    Wide peaks are computed on every so-manieth point and interpolated.
    """
    lines = _lines(reference, radiation, grid, shape.strain)
    centre = lines.two_theta_deg + zero_deg + displacement_deg * lines.cos
    size = float(np.exp(shape.log_size_deg))
    fwhm = np.maximum(size / lines.cos + shape.strain_deg * lines.tan, _MIN_FWHM_DEG)
    mean = float(np.average(fwhm, weights=lines.height)) if len(fwhm) else size
    stride = max(1, int(mean / (grid[1] - grid[0]) / _POINTS_PER_FWHM))
    coarse = grid[0] + (grid[1] - grid[0]) * stride * np.arange((len(grid) - 1) // stride + 2)
    rows = _rows(lines, centre, fwhm, shape, coarse)
    if stride > 1:
        rows = np.array([np.interp(grid, coarse, row) for row in rows])
    rows = rows[:, : len(grid)]
    return Laid(rows[0], rows[3:], rows[1], rows[2], mean)


def _rows(
    lines: _Lines,
    centre: NDArray[np.float64],
    fwhm: NDArray[np.float64],
    shape: Shape,
    grid: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum all lines up: the curve, then its derivatives by zero, displacement, and the shape's values."""
    step = grid[1] - grid[0]
    # Lines of one pattern differ in width by a small factor; one window length lets numpy do all at once.
    reach = float(np.average(fwhm, weights=lines.height)) if len(fwhm) else step
    half = int(np.ceil(_CUT_FWHM * reach / step))
    index = np.rint((centre - grid[0]) / step).astype(np.int64)[:, None] + np.arange(-half, half + 1)
    x = (grid[0] + index * step - centre[:, None]) / fwhm[:, None]
    value, by_x, by_eta = _pseudo_voigt(x, shape.eta)
    weight = np.where((index >= 0) & (index < len(grid)), (lines.height / fwhm)[:, None], 0.0)
    index = np.clip(index, 0, len(grid) - 1).ravel()
    by_centre = -weight * by_x / fwhm[:, None]
    by_fwhm = -weight * (value + x * by_x) / fwhm[:, None]
    free = fwhm > _MIN_FWHM_DEG
    parts = [weight * value, by_centre, by_centre * lines.cos[:, None]]
    parts += [by_centre * column[:, None] for column in lines.by_strain.T]
    parts.append(by_fwhm * (free * np.exp(shape.log_size_deg) / lines.cos)[:, None])
    parts.append(by_fwhm * (free * lines.tan)[:, None])
    parts.append(by_eta * weight)
    return np.array([np.bincount(index, weights=part.ravel(), minlength=len(grid)) for part in parts])


@dataclass(frozen=True, eq=False)
class _Lines:
    """Lines of all wavelengths that reach into the grid, shape (m,); `by_strain` is (m, k), degrees."""

    two_theta_deg: NDArray[np.float64]
    height: NDArray[np.float64]
    cos: NDArray[np.float64]
    tan: NDArray[np.float64]
    by_strain: NDArray[np.float64]


def _lines(
    reference: Reference, radiation: Radiation, grid: NDArray[np.float64], strain: NDArray[np.float64]
) -> _Lines:
    parts = []
    for wavelength, share in radiation.lines():
        angles = line_angles_deg(reference, wavelength, strain)
        with np.errstate(invalid="ignore"):
            keep = (angles > max(grid[0] - 2, 1)) & (angles < min(grid[-1] + 2, 178))
        theta = np.radians(angles[keep] / 2)
        sin, cos = np.sin(theta), np.cos(theta)
        s2 = (sin / wavelength) ** 2
        height = share * reference.intensity[keep] * np.exp(-2 * DEBYE_WALLER_A2 * s2)
        height = height * (1 + np.cos(2 * theta) ** 2) / (sin**2 * cos)
        # d(2theta)/d(g2) = tan(theta) / g2, and strain enters g2 with -2 shifts.
        g2 = 4 * s2
        by_strain = np.degrees(-2 * reference.shifts[keep] * (sin / cos / g2)[:, None])
        parts.append((angles[keep], height, cos, sin / cos, by_strain))
    angles, height, cos, tan, by_strain = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    chosen = _strong(height)
    return _Lines(angles[chosen], height[chosen], cos[chosen], tan[chosen], by_strain[chosen])


def _strong(height: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the indices of the strongest lines that together make up nearly all the scattering."""
    if len(height) == 0:
        return np.empty(0, dtype=np.int64)
    order = np.argsort(height)[::-1]
    summed = np.cumsum(height[order])
    return np.sort(order[: int(np.searchsorted(summed, _KEPT_SHARE * summed[-1])) + 1])


def _pseudo_voigt(
    x: NDArray[np.float64], eta: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give a profile of unit area and unit FWHM at x, its derivative by x, and by eta."""
    x2 = x * x
    gauss = 2 * np.sqrt(_LN2 / np.pi) * np.exp(-4 * _LN2 * x2)
    lorentz = (2 / np.pi) / (1 + 4 * x2)
    value = eta * lorentz + (1 - eta) * gauss
    by_x = eta * lorentz * (-8 * x) / (1 + 4 * x2) + (1 - eta) * gauss * (-8 * _LN2 * x)
    return value, by_x, lorentz - gauss
