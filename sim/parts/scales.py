"""What a balance's electronics are told of it: what weighs, which doors it has, its nameplate, and how numbers look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from sim.plant import DoorState, WeighingCell

STABILITY_TIMEOUT_S = 40.0
UNITS = {"0": ("g", 1e-3), "1": ("kg", 1e-6), "3": ("mg", 1.0)}
"""By the number that M21 takes: unit, and how much of it is a milligram."""


class Scale(Protocol):
    """What weighs."""

    name: str
    cell: WeighingCell

    def gross_mg(self, now_s: float) -> float:
        """What it feels now."""

    def is_stable(self, now_s: float) -> bool:
        """Whether that has come to rest."""


class Shield(Protocol):
    """Doors that a motor moves."""

    door: DoorState

    def disturb(self, now_s: float) -> None:
        """Feel that they were moved."""


@dataclass(frozen=True)
class Plate:
    """What stands on a balance's nameplate, and how it was set up."""

    model: str = "XS204"
    serial: str = "SIM-1"
    capacity_mg: float = 220_000.0
    readability_mg: float = 0.1
    min_weigh_mg: float = 0.0
    """Below this, weights are marked: M at rest, N moving."""
    cancel_word: str = "I4"
    """What the reply to @ starts with: I4, or @ on some models."""
    stability_timeout_s: float = STABILITY_TIMEOUT_S


def shown(mass_mg: float, unit: str, readability_mg: float) -> str:
    """Write a mass as a balance shows it, in ten places.

    >>> shown(12_345.678, "0", 0.1), shown(-0.001, "3", 0.1)
    ('   12.3457 g', '       0.0 mg')
    """
    name, per_mg = UNITS[unit]
    step = readability_mg * per_mg
    value = round(mass_mg * per_mg / step) * step
    return f"{value + 0.0:10.{max(0, -_exponent(step))}f} {name}"


def read_mg(text: str, unit: str) -> float:
    """Read a mass; NaN where it is none."""
    per_mg = dict(UNITS.values()).get(unit, math.nan)
    try:
        return float(text) / per_mg
    except ValueError:
        return math.nan


def _exponent(step: float) -> int:
    """Give the power of ten that a step is.

    >>> _exponent(1e-4), _exponent(0.01), _exponent(1.0)
    (-4, -2, 0)
    """
    return int(f"{step:e}".partition("e")[2])
