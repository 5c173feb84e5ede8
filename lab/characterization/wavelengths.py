"""X-ray lines of the common anodes.

Wavelengths: Hoelzer et al., Phys. Rev. A 56 (1997) 4554 for Cr, Fe, Co, Cu; Deslattes et al.,
Rev. Mod. Phys. 75 (2003) 35 for Mo and Ag.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.characterization.errors import PatternError

# Kalpha1 and Kalpha2, angstrom.
_LINES = {
    "Cr": (2.289726, 2.293651),
    "Fe": (1.936041, 1.939973),
    "Co": (1.788996, 1.792835),
    "Cu": (1.540593, 1.544427),
    "Mo": (0.709317, 0.713607),
    "Ag": (0.559422, 0.563813),
}
NAMES = tuple(f"{anode}{line}" for anode in _LINES for line in ("Ka", "Ka1"))


@dataclass(frozen=True)
class Radiation:
    """What the tube sends: the main line and, unless it is monochromatic, Kalpha2.

    Attributes:
        alpha1_angstrom: The main line.
        alpha2_angstrom: The second line of the doublet, None if there is none.
        alpha2_ratio: Intensity of the second over the first.
    """

    alpha1_angstrom: float
    alpha2_angstrom: float | None = None
    alpha2_ratio: float = 0.0

    def lines(self) -> tuple[tuple[float, float], ...]:
        """Give (wavelength in angstrom, share of the intensity) of each line; shares sum to 1."""
        if self.alpha2_angstrom is None:
            return ((self.alpha1_angstrom, 1.0),)
        total = 1.0 + self.alpha2_ratio
        return (
            (self.alpha1_angstrom, 1.0 / total),
            (self.alpha2_angstrom, self.alpha2_ratio / total),
        )


def radiation(wavelength: str | float) -> Radiation:
    """Give the radiation that a name such as ``CuKa`` or a number in angstrom stands for.

    Raises:
        PatternError: The name is unknown, or the number is not a wavelength.

    >>> radiation("CuKa1").lines()
    ((1.540593, 1.0),)
    >>> radiation("0.7").alpha1_angstrom
    0.7
    """
    text = str(wavelength).strip()
    for anode, (alpha1, alpha2) in _LINES.items():
        if text.lower() == f"{anode}Ka1".lower():
            return Radiation(alpha1)
        if text.lower() == f"{anode}Ka".lower():
            return Radiation(alpha1, alpha2, 0.5)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.1 <= value <= 5.0:
        raise PatternError(f"wavelength {text!r}: expected one of {', '.join(NAMES)}, or 0.1 to 5 angstrom")
    return Radiation(value)
