"""What the simulator is told about a laboratory: its instruments, its lots, its seed.

Plain values only, because the lab's start-up fills them from its own files and `sim` knows none of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Flow(StrEnum):
    """How well a powder runs out of a dosing head."""

    FREE = "free"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class Instrument:
    """One simulated instrument and where it is to be found."""

    name: str
    model: str
    """A module of `sim.instruments`, written with hyphens, or somebody else's, written with dots."""
    address: str
    """As the lab file says it: ``sim:MODEL``, ``pty:NAME``, ``modbus-rtu:PATH/UNIT``, ``socket://H:P`` ..."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What its `MODEL` takes, the `unit` that it listens to on a shared line, and `pace_baud`: bytes pass then as
    fast as a serial line of that speed would carry them."""


@dataclass(frozen=True)
class Lot:
    """One bottle of precursor powder as the shelf really holds it."""

    name: str
    formula: str
    """May name a polymorph: ``TiO2-anatase``."""
    assay: float = 1.0
    """Mass fraction of the formula in the dry powder, above 0, at most 1."""
    hydrate: float = 0.0
    """Moles of water per formula unit."""
    grain_um: float = 5.0
    """Median grain size in micrometres."""
    flow: str = Flow.FAIR


@dataclass(frozen=True)
class Laboratory:
    """Everything the simulator needs to stand in for one laboratory."""

    name: str
    instruments: tuple[Instrument, ...]
    lots: Mapping[str, Lot]
    """By the lot's name."""
    seed: int = 0
    truth: str | None = None
    """What the chemistry really is: None the nominal truth, ``development/N`` one drawn from seed N, else a folder."""
