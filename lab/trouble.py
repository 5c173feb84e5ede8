"""What is done to simulated wires on purpose, beside serving them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trouble:
    """What is done to simulated wires; nothing by default."""

    faults: float = 0.0
    """Faults for each request that somebody makes, 0 to 1; what can go wrong is in `sim.relay`."""
    fault_seed: int = 0
    """Equal seeds and equal requests give equal faults."""
    fault_log: Path | None = None
    """File for what was done."""
    record: Path | None = None
    """File for all that goes over the wires, which can be replayed."""
    paced: bool = False
    """Whether bytes come as fast as the baud of each serial line would carry them."""


NO_TROUBLE = Trouble()
