"""The diffractometer's own numbers: a benchtop Bragg-Brentano instrument with a copper tube."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """What shapes a pattern besides the powder. All but the first three are guesses of usual size."""

    radius_mm: float = 145.0
    tension_kv: float = 40.0
    current_ma: float = 15.0
    k_alpha2_ratio: float = 0.5
    caglioti_deg2: tuple[float, float, float] = (0.006, -0.004, 0.0045)
    """U, V, W of the Gaussian width: FWHM^2 = U tan^2 + V tan + W (degrees of 2theta, squared)."""
    lorentz_deg: float = 0.015
    """The instrument's Lorentzian width at theta = 0 (degrees of 2theta); grows as 1 / cos."""
    crystallite_nm: float = 90.0
    """Size of the coherent domains of all phases."""
    strength: float = 3.2e5
    """Counts per second for a line of strength 1 / angstrom^6 per unit of 1 / absorption (1/cm)."""
    background_per_s: float = 900.0
    """Flat part, summed over the detector's channels."""
    air_per_s: float = 2500.0
    """Air scatter at 10 degrees of 2theta; falls with `air_decay_deg`."""
    air_decay_deg: float = 9.0
    hump_per_s: float = 6000.0
    """Height of the hump of a sample that is all amorphous."""
    hump_deg: float = 27.0
    hump_width_deg: float = 9.0
    zero_deg: float = 0.012
    """Error of the zero of 2theta, the same in every scan."""
    displacement_sd_mm: float = 0.04
    """Scatter of the surface about the focusing plane, new in each mount."""
    texture_sd: float = 0.05
    """Scatter of the first texture coefficient, new for each phase and mount."""
    sample_area_cm2: float = 2.0
