"""A reflectance spectrometer: its lamp, its detector, and the window that a holder stands at.

    counts  =  offset + dark rate t + light(nm) level(time) R t,  with the noise of counting and of reading out
    result  =  (sample - dark) / (white - dark) times what the white tile reflects

Shutter and white tile are inside the instrument. The lamp brightens for minutes and drifts for ever, which references
taken long before do not know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sim.plant.draws import draw
from sim.plant.optics import BARE, reflectance
from sim.plant.places import Place

Array = NDArray[np.float64]

FULL = 65_535.0
"""Counts at which the detector saturates."""
FULL_MS = 45.0
"""Integration time at which the white tile saturates it at the lamp's best wavelength."""
OFFSET, DARK_PER_MS = 900.0, 3.0
READOUT_NOISE = 8.0
ELECTRONS_PER_COUNT = 4.0
WHITE_TILE = 0.985
FROM_NM, TO_NM, STEP_NM = 350.0, 1100.0, 1.0
WARMING_TAU_S = 120.0
COLD_LOSS = 0.25
"""Part of its light that a cold lamp lacks."""
DRIFT, DRIFT_PERIODS_S = 0.004, (5400.0, 1700.0)


class Shutter(StrEnum):
    """What the detector looks at."""

    DARK = "dark"
    WHITE = "white"
    SAMPLE = "sample"


class SpectrometerFault(StrEnum):
    """Why an acquisition gave nothing."""

    SATURATED = "saturated"
    NO_LIGHT = "no light"


@dataclass(frozen=True)
class Exposure:
    """One acquisition, as it was set up when it began."""

    number: int
    what: Shutter
    integration_ms: float
    averages: int
    start_s: float

    @property
    def end_s(self) -> float:
        """When its counts are there."""
        return self.start_s + self.integration_ms * self.averages / 1000.0 + 0.1


class Spectrometer(Place):
    """One instrument, with room for one holder at its window."""

    def __init__(self, name: str, seed: int, warm_s: float) -> None:
        super().__init__(name, 1, 1)
        self.exposure: Exposure | None = None
        """What is being acquired."""
        self.lamp_broken = False
        self.stuck = False
        """Whether its detector reads out the same counts again and again."""
        self._counted: Array | None = None
        """What it read out last."""
        self.warm_s = warm_s
        self.wavelengths_nm: Array = np.arange(FROM_NM, TO_NM + STEP_NM / 2, STEP_NM)
        self._seed = seed
        self._lit_s: float | None = None
        self._dark: Array | None = None
        self._white: Array | None = None
        self._phases = draw(seed, name, "lamp").uniform(0.0, 2.0 * math.pi, len(DRIFT_PERIODS_S))

    def blocked(self, number: int) -> str | None:
        """Say why the window is out of reach, if it is."""
        return f"{self.name} measures" if self.exposure is not None else None

    # -- the lamp

    def light(self, on: bool, now_s: float) -> None:
        """Switch the lamp; one that burns goes on burning."""
        if not on:
            self._lit_s = None
            self.forget()
        elif self._lit_s is None:
            self._lit_s = now_s

    @property
    def is_lit(self) -> bool:
        """Whether the lamp has been switched on."""
        return self._lit_s is not None and not self.lamp_broken

    def is_warm(self, now_s: float) -> bool:
        """Whether it burns for long enough."""
        return self._lit_s is not None and self.is_lit and now_s >= self._lit_s + self.warm_s

    def level(self, now_s: float) -> float:
        """How bright it is, 1 for usual."""
        if self._lit_s is None or self.lamp_broken:
            return 0.0
        warming = 1.0 - COLD_LOSS * math.exp(-(now_s - self._lit_s) / WARMING_TAU_S)
        waves = zip(DRIFT_PERIODS_S, self._phases, strict=True)
        drift = sum(math.sin(2.0 * math.pi * now_s / period + phase) for period, phase in waves)
        return warming * (1.0 + DRIFT * drift)

    # -- acquisitions

    def forget(self) -> None:
        """Lose the references."""
        self._dark = self._white = None

    def begin(self, exposure: Exposure) -> None:
        """Open the shutter; nothing may be under way."""
        self.exposure = exposure

    def abort(self) -> None:
        """Close it early."""
        self.exposure = None

    def finish(self, now_s: float) -> Array | SpectrometerFault:
        """End what is under way: give the reflectance of a sample, or of a reference what it is by definition."""
        exposure, self.exposure = self.exposure, None
        if exposure is None:
            raise ValueError(f"{self.name} acquires nothing")
        counts = self._counts(exposure, now_s)
        if float(counts.max()) >= FULL:
            return SpectrometerFault.SATURATED
        if exposure.what is Shutter.DARK:
            self._dark = counts
            return np.zeros_like(counts)
        if exposure.what is Shutter.WHITE:
            if self._dark is None or float((counts - self._dark).max()) < 50.0:
                return SpectrometerFault.NO_LIGHT
            self._white = counts
            return np.full_like(counts, WHITE_TILE)
        if self._dark is None or self._white is None:
            return SpectrometerFault.NO_LIGHT
        light = np.maximum(self._white - self._dark, 1.0)
        return (counts - self._dark) / light * WHITE_TILE

    def _counts(self, exposure: Exposure, now_s: float) -> Array:
        if self._counted is None or not self.stuck:
            self._counted = self._read_out(exposure, now_s)
        return self._counted

    def _read_out(self, exposure: Exposure, now_s: float) -> Array:
        seen = exposure.integration_ms * self._light_per_ms() * self.level(now_s) * self._seen(exposure, now_s)
        dark = OFFSET + DARK_PER_MS * exposure.integration_ms
        rng = draw(self._seed, self.name, "exposure", exposure.number)
        noise = np.sqrt((dark + seen) / ELECTRONS_PER_COUNT + READOUT_NOISE**2) / math.sqrt(exposure.averages)
        clipped: Array = np.clip(dark + seen + noise * rng.standard_normal(len(seen)), 0.0, FULL)
        return clipped

    def _seen(self, exposure: Exposure, now_s: float) -> Array:
        if exposure.what is Shutter.DARK:
            return np.zeros_like(self.wavelengths_nm)
        if exposure.what is Shutter.WHITE:
            return np.full_like(self.wavelengths_nm, WHITE_TILE)
        holder = self.holds.get(1)
        if holder is None:
            return np.full_like(self.wavelengths_nm, BARE)
        self.live(holder, now_s)
        return reflectance(holder.powder, self.wavelengths_nm)

    def _light_per_ms(self) -> Array:
        """Counts in a millisecond from something perfectly white: a halogen lamp seen by a silicon detector."""
        nm = self.wavelengths_nm
        lamp = (700.0 / nm) ** 5 / np.expm1(14_388_000.0 / (nm * 2900.0))
        silicon = np.exp(-(((nm - 720.0) / 260.0) ** 2))
        shape = lamp * silicon
        return (FULL - OFFSET) / FULL_MS * (0.03 + 0.97 * shape / float(shape.max()))
