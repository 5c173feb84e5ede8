"""A measured pattern made ready for fitting: rebinned, with background, noise and peak width estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab.characterization.patterns import Pattern

# Below this angle air scatter, beam footprint and the primary beam rule; hardly a phase has lines there.
MIN_TWO_THETA_DEG = 8.0
_POINTS_PER_FWHM = 4.0
# A peak wider than twice this would be taken for background.
_SNIP_HALF_WINDOW_DEG = 3.0
_WIDTHS_DEG = (0.04, 2.0)
_DEFAULT_FWHM_DEG = 0.2
# Nothing below this share of the highest peak is ever told from the wings of that peak.
_LEAST_NOISE = 2e-3


@dataclass(frozen=True, eq=False)
class Measured:
    """A pattern on an even grid.

    Attributes:
        two_theta_deg: Grid, even steps, degrees, shape (n,).
        counts: Mean counts per original point, shape (n,).
        background: First estimate of what is not peaks, counts, shape (n,).
        variance: Variance of `counts` by counting noise, shape (n,).
        fwhm_deg: Width of the sharp peaks at half maximum, degrees.
    """

    two_theta_deg: NDArray[np.float64]
    counts: NDArray[np.float64]
    background: NDArray[np.float64]
    variance: NDArray[np.float64]
    fwhm_deg: float

    @property
    def step_deg(self) -> float:
        """Grid step, degrees."""
        return float(self.two_theta_deg[1] - self.two_theta_deg[0])

    @property
    def net(self) -> NDArray[np.float64]:
        """Counts above the first background, shape (n,)."""
        return self.counts - self.background


def prepare(pattern: Pattern) -> Measured:
    """Rebin to about four points per peak width and estimate background and noise."""
    angles, counts = _even(pattern.two_theta_deg, pattern.counts)
    gain = _noise_gain(counts)
    fwhm = _sharp_fwhm_deg(angles, counts, gain)
    factor = max(1, int(fwhm / _POINTS_PER_FWHM / (angles[1] - angles[0])))
    if factor > 1:
        n = len(angles) // factor * factor
        angles = angles[:n].reshape(-1, factor).mean(axis=1)
        counts = counts[:n].reshape(-1, factor).mean(axis=1)
    level = np.maximum(_smooth(counts, 3), 0.02 * max(float(counts.mean()), 1e-9))
    return Measured(
        two_theta_deg=angles,
        counts=counts,
        background=background(counts, _SNIP_HALF_WINDOW_DEG / (angles[1] - angles[0])),
        variance=gain * level / factor + (_LEAST_NOISE * float(np.ptp(counts))) ** 2,
        fwhm_deg=fwhm,
    )


def _even(angles: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut the start and interpolate to even steps."""
    inside = angles >= MIN_TWO_THETA_DEG
    if inside.sum() >= len(angles) // 2:
        angles, counts = angles[inside], counts[inside]
    grid = np.linspace(angles[0], angles[-1], len(angles))
    return grid, np.interp(grid, angles, counts)


def _noise_gain(counts: NDArray[np.float64]) -> float:
    """Estimate variance over mean: 1 for raw counts, other for rates and scaled files.

    The scatter about the mean of the neighbours is taken at several distances, because files that were
    resampled are smooth from point to point; the median is blind to peaks.
    """
    level = np.maximum(_smooth(counts, 9), 0.02 * max(float(counts.mean()), 1e-9))
    gains = []
    for lag in (1, 2, 4, 8):
        difference = counts[lag:-lag] - (counts[2 * lag :] + counts[: -2 * lag]) / 2
        scaled = np.abs(difference) / np.sqrt(level[lag:-lag])
        gains.append((np.median(scaled) / 0.6745) ** 2 / 1.5)
    return max(*gains, 1e-6)


def _sharp_fwhm_deg(angles: NDArray[np.float64], counts: NDArray[np.float64], gain: float) -> float:
    """Give the median width of the sharper half of the clear peaks, degrees."""
    from scipy.signal import find_peaks, peak_widths

    step = float(angles[1] - angles[0])
    smooth = _smooth(counts, 5)
    noise = np.sqrt(gain * max(float(np.median(smooth)), 1e-9))
    net = smooth - background(smooth, _SNIP_HALF_WINDOW_DEG / step)
    peaks, _ = find_peaks(net, prominence=max(6 * noise, 0.05 * float(net.max())))
    if len(peaks) == 0:
        return _DEFAULT_FWHM_DEG
    widths = np.sort(peak_widths(net, peaks, rel_height=0.5)[0]) * step
    sharp = widths[: (len(widths) + 1) // 2]
    return float(np.clip(np.median(sharp), *_WIDTHS_DEG))


def background(counts: NDArray[np.float64], half_window: float) -> NDArray[np.float64]:
    """Clip peaks off by the SNIP recursion with falling windows on the log-log-root scale.

    After Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396, and Morhac & Matousek, Appl. Spectrosc. 62 (2008) 91.

    Args:
        counts: Shape (n,); negative values count as 0.
        half_window: Half the widest window, points.
    """
    scale = max(float(np.abs(counts).max()), 1e-12) / 1e4
    values = np.log(np.log(np.sqrt(np.maximum(_smooth(counts, 7), 0) / scale + 1) + 1) + 1)
    width = max(1, min(int(half_window), (len(values) - 1) // 2))
    # Geometric steps give the same envelope as every width in turn, in a fraction of the time.
    for half in sorted({int(w) for w in np.geomspace(1, width, 40)}, reverse=True):
        clipped = values.copy()
        clipped[half:-half] = np.minimum(values[half:-half], (values[2 * half :] + values[: -2 * half]) / 2)
        values = clipped
    result = ((np.exp(np.exp(values) - 1) - 1) ** 2 - 1) * scale
    return _smooth(result, max(3, width // 4))


def _smooth(values: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Average over a running box, ends held."""
    points = min(points | 1, len(values))
    padded = np.pad(values, points // 2, mode="edge")
    summed = np.cumsum(np.concatenate([[0.0], padded]))
    smoothed: NDArray[np.float64] = (summed[points:] - summed[:-points]) / points
    return smoothed[: len(values)]
