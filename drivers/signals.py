"""Cached values of a device as ophyd signals, with unit, precision and limits in their description.

The device alone writes them, with the lab time at which the value was true; reading one costs no wire. One that
nobody looks after any more gives no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ophyd import Signal


class Reading(Signal):
    """A value that came from an instrument."""

    def __init__(self, *, units: str = "", precision: int | None = None, **kwargs: Any) -> None:
        super().__init__(metadata={"write_access": False, "precision": precision, "units": units}, **kwargs)
        self._units, self._precision = units, precision
        self._limits: tuple[float, float] | None = None
        self._stands: Callable[[], bool] | None = None
        self._otherwise: float | str | None = None

    def publish(self, value: float | str, t_s: float) -> None:
        """Set the value that was true at lab time `t_s`."""
        if self._callbacks[self.SUB_VALUE]:
            self.put(value, timestamp=t_s, force=True)
        else:
            # What ophyd's `put` does where nobody listens, at a tenth of its cost: polls publish a lot.
            self._readback = value
            self._metadata["timestamp"] = t_s

    def subscribe(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> int:
        """Have `callback` called with each value; as ophyd's own, that begins with the last one."""
        self.put(self._readback, timestamp=self.timestamp, force=True)
        return int(super().subscribe(callback, *args, **kwargs))

    def stands_while(self, stands: Callable[[], bool], *, otherwise: float | str | None = None) -> None:
        """Have the value count while `stands` says so; else `otherwise` is given, or that it is unknown."""
        self._stands, self._otherwise = stands, otherwise

    def get(self, **kwargs: Any) -> Any:
        """Give the value, or that it is unknown where nobody has looked for too long."""
        value = super().get(**kwargs)
        if self._stands is None or self._stands():
            return value
        return unknown_for(value) if self._otherwise is None else self._otherwise

    def limit(self, low: float, high: float) -> None:
        """State between which values the instrument may be asked to go, in the signal's unit."""
        self._limits = (low, high)

    @property
    def units(self) -> str:
        """Unit of the value, empty where it has none."""
        return self._units

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest value, in the signal's unit, where there are any."""
        return self._limits

    def describe(self) -> dict[str, dict[str, Any]]:
        """Give ophyd's description with unit, precision and limits."""
        described: dict[str, dict[str, Any]] = super().describe()
        entry = described[self.name]
        entry["units"] = self._units
        if self._precision is not None:
            entry["precision"] = self._precision
        if self._limits is not None:
            entry["lower_ctrl_limit"], entry["upper_ctrl_limit"] = self._limits
        return described


class Age(Reading):
    """Lab seconds since the last good reading; infinite before the first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(units="s", precision=1, value=math.inf, **kwargs)
        self._measure: Callable[[], float] = lambda: math.inf

    def measured_by(self, measure: Callable[[], float]) -> None:
        """Have the age measured by `measure` whenever it is asked for."""
        self._measure = measure

    def get(self, **_: Any) -> float:
        """Give the age now."""
        return self._measure()


def unknown_for(value: float | str) -> float | str:
    """Give what stands for an unknown value of the same kind: NaN for numbers."""
    return "unknown" if isinstance(value, str) else math.nan
