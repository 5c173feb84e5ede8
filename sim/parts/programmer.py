"""The inside of a furnace controller: a loop that holds a setpoint, and a programmer that moves it.

    reset --run--> run --last dwell over--> end
                   run <--hold, run--> hold             reset ends any of them

All of it moves on the furnace's grid only, by `step` and `power`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sim.wire.modbus_pdu import IllegalValue


class Status(IntEnum):
    """Register 23 of a 3216P."""

    RESET = 0
    RUN = 1
    HOLD = 2
    END = 3


class EndType(IntEnum):
    """Register 328 of a 3216P: what happens when the last dwell is over."""

    OFF = 0
    DWELL = 1
    SETPOINT_2 = 2
    RESET = 3


@dataclass(frozen=True)
class Segment:
    """A ramp and the dwell after it."""

    rate_degc_per_min: float
    """0 steps to the target at once."""
    to_degc: float
    dwell_s: float


class PidController:
    """Proportional-integral control with a clamped integral; output 0..1."""

    def __init__(self, band_degc: float = 15.0, integral_s: float = 1500.0) -> None:
        self.setpoint_degc = 0.0
        self.band_degc = band_degc
        self.integral_s = integral_s
        self._integral = 0.0

    def power(self, reading_degc: float, dt_s: float) -> float:
        """Give the output for the next `dt_s` seconds."""
        error = (self.setpoint_degc - reading_degc) / self.band_degc
        output = error + self._integral
        if output >= 1.0:
            # conditional integration: a furnace at full power must not store the wish for more
            return 1.0
        self._integral = min(1.0, max(0.0, self._integral + error * dt_s / self.integral_s))
        return output if output > 0.0 else 0.0

    def is_off(self, reading_degc: float) -> bool:
        """Whether no heat is asked for, and will not be while the reading stays."""
        return self._integral == 0.0 and self.setpoint_degc <= reading_degc


class Programmer:
    """Moves the setpoint of a loop: by programme, or to the target, as fast as the rate limit lets it."""

    def __init__(self, loop: PidController) -> None:
        self.status = Status.RESET
        self.target_degc = 0.0
        self.limit_degc_per_min = 0.0
        """0 for none; holds outside programmes."""
        self.end_type = EndType.DWELL
        self._loop = loop
        self._segments: tuple[Segment, ...] = ()
        self._index = 0
        self._dwelt_s = 0.0

    @property
    def moving(self) -> bool:
        """Whether the setpoint or the status changes by time alone."""
        if self.status is Status.RUN:
            return True
        return self.status is Status.RESET and self._loop.setpoint_degc != self.target_degc

    def set_end_type(self, value: int) -> None:
        """Set what happens at the end; raises `IllegalValue` for a number that means nothing."""
        if value not in set(EndType):
            raise IllegalValue
        self.end_type = EndType(value)

    def set_target(self, target_degc: float) -> None:
        """Set where the setpoint goes outside programmes."""
        self.target_degc = target_degc
        if self.status is Status.RESET and not self.limit_degc_per_min:
            self._loop.setpoint_degc = target_degc

    def run(self, segments: tuple[Segment, ...], reading_degc: float) -> None:
        """Start from the present reading ("servo to PV"), or go on after a hold; no effect on a running one."""
        if self.status is Status.HOLD:
            self.status = Status.RUN
        elif self.status is not Status.RUN:
            self.status = Status.RUN
            self._segments, self._index, self._dwelt_s = segments, 0, 0.0
            self._loop.setpoint_degc = reading_degc

    def hold(self) -> None:
        """Freeze a running programme where it is.

        Raises:
            IllegalValue: None runs.
        """
        if self.status not in (Status.RUN, Status.HOLD):
            raise IllegalValue
        self.status = Status.HOLD

    def reset(self) -> None:
        """Give up the programme and go back to the target."""
        self.status = Status.RESET
        if not self.limit_degc_per_min:
            self._loop.setpoint_degc = self.target_degc

    def step(self, dt_s: float) -> None:
        """Move on by `dt_s` seconds."""
        if self.status is Status.RESET:
            self._ramp(self.target_degc, self.limit_degc_per_min, dt_s)
        if self.status is not Status.RUN:
            return
        while dt_s > 0.0 and self._index < len(self._segments):
            segment = self._segments[self._index]
            dt_s = self._ramp(segment.to_degc, segment.rate_degc_per_min, dt_s)
            if self._loop.setpoint_degc != segment.to_degc:
                return
            part_s = min(dt_s, segment.dwell_s - self._dwelt_s)
            self._dwelt_s += part_s
            dt_s -= part_s
            if self._dwelt_s >= segment.dwell_s:
                self._index, self._dwelt_s = self._index + 1, 0.0
        if self._index >= len(self._segments):
            self._end()

    def _ramp(self, to_degc: float, rate_degc_per_min: float, dt_s: float) -> float:
        """Move the setpoint towards a temperature; give the seconds that are left after reaching it."""
        loop, rate = self._loop, rate_degc_per_min / 60.0
        way_degc = to_degc - loop.setpoint_degc
        if not rate or abs(way_degc) <= rate * dt_s:
            loop.setpoint_degc = to_degc
            return dt_s - abs(way_degc) / rate if rate else dt_s
        loop.setpoint_degc += rate * dt_s if way_degc > 0 else -rate * dt_s
        return 0.0

    def _end(self) -> None:
        if self.end_type is EndType.RESET:
            self.reset()
            return
        self.status = Status.END
        if self.end_type is not EndType.DWELL:
            self._loop.setpoint_degc = 0.0  # off, or a second setpoint that nobody has set
