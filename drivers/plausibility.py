"""Whether a value can be true, for wires that have no checksum: its range, its rate, and whether it comes twice.

On such a wire a byte that was changed on the way is a value like any other. A value outside its range is never
believed. One that has changed faster than it can, and where agreement is asked for the first one too, is believed
once the next reading agrees with it. What stays within range and rate passes, changed or not: there the wire gives
no protection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import ImplausibleError

ASKS = 3
"""How often a value is asked for before its reading counts as failed."""


@dataclass(frozen=True)
class _Seen:
    value: float
    t_s: float


class Plausible:
    """One value of one instrument, and what it may be.

    >>> reading = Plausible(0.0, 1300.0, rate_per_s=10.0, agree=1.0, what="furnace-1: reading", unit="degC")
    >>> answers = iter([400.0, 400.2])
    >>> reading.read(lambda: next(answers), 0.0)
    400.2
    >>> reading.accept(405.0, 1.0)
    405.0
    >>> reading.accept(661.0, 2.0)
    Traceback (most recent call last):
    ...
    drivers.errors.ImplausibleError: furnace-1: reading went from 405 to 661 degC in 1 s, and changes by at most \
10 degC/s: it is believed when the next reading agrees
    """

    def __init__(
        self,
        low: float,
        high: float,
        rate_per_s: float | None = None,
        agree: float | None = None,
        *,
        what: str = "the value",
        unit: str = "",
    ) -> None:
        """Say what a value may be.

        Args:
            low: Lowest value that there can be, in the unit of the values.
            high: Highest one.
            rate_per_s: How much it may change in a lab second; None for one that may jump.
            agree: How far two readings of the same state may be apart; with it the first value, and one that
                changed too fast, is believed when the next one agrees. None for no second reading.
            what: The device and the value, for errors.
            unit: Of the value, for errors.
        """
        self._low, self._high = low, high
        self._rate_per_s, self._agree = rate_per_s, agree
        self._what, self._unit = what, f" {unit}" if unit else ""
        self._last: _Seen | None = None
        self._doubted: _Seen | None = None

    def accept(self, value: float, now_s: float) -> float:
        """Give the value back where it can be true.

        Args:
            value: As it was read.
            now_s: Lab time of that.

        Raises:
            ImplausibleError: Where it is outside its range, or is to be confirmed by another reading.
        """
        if not self._low <= value <= self._high:
            raise ImplausibleError(
                f"{self._what} is {value:g}{self._unit}, and can be {self._low:g} to {self._high:g}{self._unit} only"
            )
        why = self._doubt(value, now_s)
        if why and not self._agrees(value, now_s):
            self._doubted = _Seen(value, now_s)
            raise ImplausibleError(f"{self._what} {why}")
        self._last, self._doubted = _Seen(value, now_s), None
        return value

    def read(self, ask: Callable[[], float], now_s: float) -> float:
        """Ask for the value, and again at once where it is not believed.

        Args:
            ask: Reads the value from the instrument.
            now_s: Lab time.

        Raises:
            ImplausibleError: Where it is not believed after a few tries.
            DriverError: Whatever `ask` raises.
        """
        for _ in range(ASKS - 1):
            try:
                return self.accept(ask(), now_s)
            except ImplausibleError:
                continue
        return self.accept(ask(), now_s)

    def forget(self) -> None:
        """Begin anew: the instrument was switched off, exchanged, or told to jump."""
        self._last = self._doubted = None

    def _doubt(self, value: float, now_s: float) -> str:
        """Why a value within its range is not believed by itself; empty where it is."""
        last = self._last
        if last is None:
            return "" if self._agree is None else f"is {value:g}{self._unit}, and is believed when it is read twice"
        if self._rate_per_s is None:
            return ""
        passed_s = max(0.0, now_s - last.t_s)
        if abs(value - last.value) <= self._rate_per_s * passed_s + (self._agree or 0.0):
            return ""
        hope = "" if self._agree is None else ": it is believed when the next reading agrees"
        return (
            f"went from {last.value:g} to {value:g}{self._unit} in {passed_s:g} s, and changes by at most "
            f"{self._rate_per_s:g}{self._unit}/s{hope}"
        )

    def _agrees(self, value: float, now_s: float) -> bool:
        doubted = self._doubted
        if doubted is None or self._agree is None:
            return False
        may_change = (self._rate_per_s or 0.0) * max(0.0, now_s - doubted.t_s)
        return abs(value - doubted.value) <= self._agree + may_change
