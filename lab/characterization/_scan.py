"""What every reader gives, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab.characterization.wavelengths import Radiation


@dataclass(frozen=True, eq=False)
class RawScan:
    """Angles in degrees and counts as a file holds them, shape (n,) each.

    `lines` are the file's line numbers of the points, where it has lines.
    """

    two_theta_deg: NDArray[np.float64]
    counts: NDArray[np.float64]
    radiation: Radiation | None = None
    counting_time_s: float | None = None
    instrument: str | None = None
    sample_id: str | None = None
    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def place(self, index: int) -> str:
        """Say where in the file a point stands."""
        return f"line {self.lines[index]}" if len(self.lines) else f"point {index + 1}"
