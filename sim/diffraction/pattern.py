"""A measured powder pattern: what the diffractometer counts for a mounted powder.

Per phase the intensity is its mass fraction over its density, times the sum of |F|^2 over V^2, the
Lorentz-polarisation factor, and the irradiated depth of the mixture (its absorption, or its thickness
where little was mounted). Kept out for now: microabsorption, the K-beta residue and fluorescence.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.chemistry import ChemistryError, Powder, Truth, UnknownChemistry
from sim.diffraction.instrument import Instrument
from sim.diffraction.profile import draw, mixed_width
from sim.diffraction.scattering import (
    WAVELENGTH_1_ANGSTROM,
    WAVELENGTH_2_ANGSTROM,
    Lines,
    absorption_cm2_per_g,
    line_list,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.diffraction.crystal import Array

_LIST_STEP_DEG = 20.0
_MARGIN_DEG = 2.0
_SCHERRER = 0.9


def positions(from_deg: float, to_deg: float, step_deg: float) -> "Array":
    """Give the angles of a scan (degrees of 2theta), its end included.

    Raises `ChemistryError` for a scan that is none.
    """
    if not (0 < from_deg < to_deg <= 160 and step_deg > 0):
        raise ChemistryError(
            f"scan: from {from_deg} to {to_deg} by {step_deg} degrees; "
            "allowed is 0 < from < to <= 160 and a step above 0"
        )
    steps = np.arange(round((to_deg - from_deg) / step_deg) + 1, dtype=np.float64)
    return from_deg + step_deg * steps


def pattern(
    sample: "Powder | Mapping[str, float]",
    from_deg: float,
    to_deg: float,
    step_deg: float,
    time_s: float,
    mounted_mass_mg: float,
    rng: np.random.Generator,
    instrument: Instrument | None = None,
    truth: Truth | None = None,
) -> "Array":
    """Measure a powder.

    Args:
        sample: A powder, or mass fractions by phase name.
        from_deg: First angle (degrees of 2theta).
        to_deg: Last angle.
        step_deg: Step.
        time_s: Time of the whole scan.
        mounted_mass_mg: Powder on the holder; 0 for an empty one.
        rng: Draws the mount (displacement, texture) and the counting noise.
        instrument: The diffractometer; a usual one if left out.
        truth: The world whose phases these are; the nominal one if left out.

    Returns:
        Counts at `positions`, as float64.

    Raises `UnknownChemistry` for a phase that the truth does not know, `ChemistryError` for a scan,
    time or mass that cannot be.
    """
    machine = instrument or Instrument()
    angles = positions(from_deg, to_deg, step_deg)
    if not (time_s > 0 and mounted_mass_mg >= 0):
        raise ChemistryError(f"scan: {time_s} s on {mounted_mass_mg} mg; time must be above 0, mass 0 or more")
    mixture = _mixture(sample, truth or Truth.nominal())
    mount = _mount(mixture, mounted_mass_mg, machine, rng)
    rate = _background(angles, mixture, mount, machine)
    rate = rate + _peaks(angles, step_deg, mixture, mount, machine)
    return rng.poisson(rate * time_s / len(angles)).astype(np.float64)


@dataclass(frozen=True)
class _Mixture:
    fractions: "Mapping[str, float]"
    """By phase, of all that is mounted."""
    amorphous: float
    """Mass fraction that shows no lines."""
    absorption_cm2_per_g: float
    truth: Truth


@dataclass(frozen=True)
class _Mount:
    shift_mm: float
    texture: "Mapping[str, float]"
    area_density_g_per_cm2: float


def _mixture(sample: "Powder | Mapping[str, float]", truth: Truth) -> _Mixture:
    fractions = _fractions(sample)
    library = truth.library
    for name in fractions:
        if name not in library.phases:
            raise UnknownChemistry(
                f"pattern: phase {name!r} is not in this truth; it knows {', '.join(library.phases)}"
            )
    dark = 1.0 - sum(f for name, f in fractions.items() if library.phases[name].structure)
    absorption = sum(
        f * absorption_cm2_per_g(library.phases[name].elements, library.atomic_weights) for name, f in fractions.items()
    )
    return _Mixture(fractions, dark if fractions else 0.0, absorption, truth)


def _fractions(sample: "Powder | Mapping[str, float]") -> dict[str, float]:
    if isinstance(sample, Powder):
        mass = sample.mass_mg
        crystals = 1.0 - sample.inert_mg / mass if mass > 0 else 0.0
        return {name: f * crystals for name, f in sample.mass_fractions().items()}
    total = sum(sample.values())
    return {name: f / total for name, f in sample.items() if f > 0}


def _mount(mixture: _Mixture, mass_mg: float, machine: Instrument, rng: np.random.Generator) -> _Mount:
    shift_mm = machine.displacement_sd_mm * float(rng.standard_normal())
    # By name, so that the order in which phases are listed does not matter.
    texture = {name: machine.texture_sd * float(rng.standard_normal()) for name in sorted(mixture.fractions)}
    return _Mount(shift_mm, texture, mass_mg / 1000 / machine.sample_area_cm2)


def _background(angles: "Array", mixture: _Mixture, mount: _Mount, machine: Instrument) -> "Array":
    air = machine.air_per_s * np.exp(-(angles - 10.0) / machine.air_decay_deg)
    hump = np.exp(-0.5 * ((angles - machine.hump_deg) / machine.hump_width_deg) ** 2)
    filled = mixture.amorphous if mount.area_density_g_per_cm2 > 0 else 0.0
    total: Array = machine.background_per_s + air + machine.hump_per_s * filled * hump
    return total


def _peaks(angles: "Array", step_deg: float, mixture: _Mixture, mount: _Mount, machine: Instrument) -> "Array":
    lines = [
        (name, fraction, found)
        for name, fraction in mixture.fractions.items()
        if (found := _lines(mixture.truth, name, float(angles[-1]))) is not None
    ]
    if not lines or mount.area_density_g_per_cm2 == 0:
        return np.zeros(len(angles))
    d = np.concatenate([found.d_angstrom for _, _, found in lines])
    strength = np.concatenate(
        [
            fraction / found.density_g_per_cm3 * found.strength * (1.0 + mount.texture[name] * found.texture)
            for name, fraction, found in lines
        ]
    )
    total = np.zeros(len(angles))
    both = ((WAVELENGTH_1_ANGSTROM, 1.0), (WAVELENGTH_2_ANGSTROM, machine.k_alpha2_ratio))
    scale = machine.strength / (1.0 + machine.k_alpha2_ratio)
    for wavelength, weight in both:
        total += _draw(angles, step_deg, d, strength * scale * weight, wavelength, mixture, mount, machine)
    return total


def _draw(
    angles: "Array",
    step_deg: float,
    d: "Array",
    strength: "Array",
    wavelength: float,
    mixture: _Mixture,
    mount: _Mount,
    machine: Instrument,
) -> "Array":
    sine = wavelength / (2.0 * d)
    near = sine < np.sin(np.radians(min(float(angles[-1]) / 2 + _MARGIN_DEG, 89.0)))
    sine, strength = sine[near], strength[near]
    theta = np.arcsin(sine)
    cosine = np.cos(theta)
    polarisation = (1.0 + np.cos(2.0 * theta) ** 2) / (sine**2 * cosine)
    path = 2.0 * mixture.absorption_cm2_per_g * mount.area_density_g_per_cm2 / sine
    depth = -np.expm1(-path) / mixture.absorption_cm2_per_g
    fwhm, eta = _widths(theta, wavelength, machine)
    shift = np.degrees(-2.0 * mount.shift_mm * cosine / machine.radius_mm) + machine.zero_deg
    center = np.degrees(2.0 * theta) + shift
    area = strength * polarisation * depth
    return draw(float(angles[0]), step_deg, len(angles), center, area, fwhm, eta)


def _widths(theta: "Array", wavelength: float, machine: Instrument) -> "tuple[Array, Array]":
    u, v, w = machine.caglioti_deg2
    tangent = np.tan(theta)
    gauss = np.sqrt(np.maximum(u * tangent**2 + v * tangent + w, 1e-6))
    size = np.degrees(_SCHERRER * wavelength / (machine.crystallite_nm * 10.0))
    return mixed_width(gauss, (machine.lorentz_deg + size) / np.cos(theta))


def _lines(truth: Truth, name: str, to_deg: float) -> Lines | None:
    structure = truth.library.phases[name].structure
    if structure is None:
        return None
    # In coarse limits, so that scans of different length share a list.
    limit_deg = min(np.ceil((to_deg + 2 * _MARGIN_DEG) / _LIST_STEP_DEG) * _LIST_STEP_DEG, 178.0)
    d_min = WAVELENGTH_1_ANGSTROM / 2.0 / np.sin(np.radians(limit_deg / 2.0))
    return line_list(structure, tuple(truth.library.atomic_weights.items()), float(d_min))
