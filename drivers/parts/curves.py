"""A measured curve as an ophyd signal: a row of numbers, described so that Bluesky's documents can carry it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivers.signals import Reading


class Curve(Reading):
    """As many numbers as the instrument gave last; none before that."""

    def __init__(self, *, units: str = "", precision: int | None = None, dim: str = "", **kwargs: Any) -> None:
        """Make it.

        Args:
            units: Of each number.
            precision: Decimals that mean something.
            dim: What counts along the row, in documents.
            kwargs: As for ophyd's signals.
        """
        super().__init__(units=units, precision=precision, **{"value": (), **kwargs})
        self._dim = dim

    def show(self, values: Sequence[float], t_s: float) -> None:
        """Set the row that was true at lab time `t_s`."""
        # A tuple: nobody can change it, and it goes into JSON as it is.
        self.put(tuple(float(value) for value in values), timestamp=t_s, force=True)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Give ophyd's description; the length is open, because it may differ between two events of a run."""
        described = super().describe()
        entry = described[self.name]
        entry |= {"dtype": "array", "shape": [None], "dtype_numpy": "<f8"}
        if self._dim:
            entry["dims"] = [self._dim]
        return described
