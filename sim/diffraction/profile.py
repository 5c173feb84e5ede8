"""Lines drawn as pseudo-Voigt peaks on a regular scale of 2theta.

The mixing of the Gaussian and Lorentzian widths follows Thompson, Cox and Hastings
(J. Appl. Cryst. 20 (1987) 79). Peaks are cut where they are negligible and brought to zero there.
"""

import numpy as np

from sim.diffraction.crystal import Array

_REACH_DEG = 1.6


def mixed_width(gauss_deg: Array, lorentz_deg: Array) -> tuple[Array, Array]:
    """Give the FWHM of the pseudo-Voigt and its Lorentzian share."""
    g, w = gauss_deg, lorentz_deg
    fifth = g**5 + 2.69269 * g**4 * w + 2.42843 * g**3 * w**2 + 4.47163 * g**2 * w**3 + 0.07842 * g * w**4 + w**5
    fwhm = fifth**0.2
    ratio = w / fwhm
    return fwhm, 1.36603 * ratio - 0.47719 * ratio**2 + 0.11116 * ratio**3


def draw(
    from_deg: float, step_deg: float, points: int, center_deg: Array, area: Array, fwhm_deg: Array, eta: Array
) -> Array:
    """Sum peaks of unit scale `area` (counts times degrees) on a grid of `points` positions."""
    reach = int(np.ceil(_REACH_DEG / step_deg))
    place = (center_deg - from_deg) / step_deg
    seen = (place > -reach) & (place < points + reach) & (area > 0)
    if not seen.any():
        return np.zeros(points)
    nearest = np.round(place[seen]).astype(np.intp)
    index = nearest[:, None] + np.arange(-reach, reach + 1)
    # In units of half the width.
    offset = (index - place[seen][:, None]) * (step_deg * 2.0 / fwhm_deg[seen][:, None])
    square = offset * offset
    share = eta[seen][:, None]
    lorentz = share * (2.0 / np.pi) / (1.0 + square)
    gauss = (1.0 - share) * np.sqrt(4.0 * np.log(2.0) / np.pi) * np.exp(-np.log(2.0) * square)
    height = lorentz + gauss
    height = np.maximum(height - height[:, :1], 0.0) * (area[seen] / fwhm_deg[seen])[:, None]
    padded = np.bincount(index.ravel() + 2 * reach, height.ravel(), points + 4 * reach + 1)
    return padded[2 * reach : 2 * reach + points].astype(np.float64)
