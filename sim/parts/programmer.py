"""The inside of a furnace controller: a loop that holds a setpoint, and a programmer that moves it.

    reset --run--> run --last segment over--> end
                   run <--hold, run--> hold             reset ends any of them

Where there is a holdback, the time of a running programme stands still while the reading is farther than that from
the setpoint.

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
    ramp_s: float = 0.0
    """How long the ramp takes, where that is fixed in place of its rate."""


class PidController:
    """Proportional-integral control with a clamped integral; output 0..1."""

    def __init__(self, band_degc: float = 15.0, integral_s: float = 1500.0) -> None:
        self.setpoint_degc = 0.0
        self.band_degc = band_degc
        self.integral_s = integral_s
        self._integral = 0.0

    def power(self, reading_degc: float, dt_s: float, setpoint_degc: float | None = None) -> float:
        """Give the output for the next `dt_s` seconds, for its own setpoint or another one."""
        wanted_degc = self.setpoint_degc if setpoint_degc is None else setpoint_degc
        error = (wanted_degc - reading_degc) / self.band_degc
        output = error + self._integral
        if output >= 1.0:
            # conditional integration: a furnace at full power must not store the wish for more
            return 1.0
        self._integral = min(1.0, max(0.0, self._integral + error * dt_s / self.integral_s))
        return output if output > 0.0 else 0.0

    def forget(self) -> None:
        """Begin anew, as after a loss of power."""
        self._integral = 0.0

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
        self.holdback_degc = 0.0
        """0 for none."""
        self.waiting = False
        """Whether it waits for the reading."""
        self.elapsed_s = 0.0
        """For how long the programme has run, without holds."""
        self.cycles_left = 0
        self._loop = loop
        self._segments: tuple[Segment, ...] = ()
        self._index = 0
        self._dwelt_s = 0.0
        self._from_degc = 0.0
        """Where the present segment began."""

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

    @property
    def segment(self) -> int:
        """Number of the present segment, from 1; 0 where there is none."""
        return self._index + 1 if self._index < len(self._segments) and self.status is not Status.RESET else 0

    @property
    def segment_left_s(self) -> float:
        """What is left of the present segment."""
        if not self.segment:
            return 0.0
        present = self._segments[self._index]
        rate = self._rate(present)
        way_degc = abs(present.to_degc - self._loop.setpoint_degc)
        return (way_degc / rate * 60.0 if rate else 0.0) + present.dwell_s - self._dwelt_s

    @property
    def left_s(self) -> float:
        """What is left of the programme, without further cycles."""
        if not self.segment:
            return 0.0
        left_s, at_degc = self.segment_left_s, self._segments[self._index].to_degc
        for segment in self._segments[self._index + 1 :]:
            rate, way_degc = segment.rate_degc_per_min, abs(segment.to_degc - at_degc)
            left_s += segment.ramp_s or (way_degc / rate * 60.0 if rate else 0.0)
            left_s, at_degc = left_s + segment.dwell_s, segment.to_degc
        return left_s

    def run(self, segments: tuple[Segment, ...], reading_degc: float, cycles: int = 1) -> None:
        """Start from the present reading ("servo to PV"), or go on after a hold; no effect on a running one."""
        if self.status is Status.HOLD:
            self.status = Status.RUN
        elif self.status is not Status.RUN:
            self.status = Status.RUN
            self._segments, self._index, self._dwelt_s = segments, 0, 0.0
            self.elapsed_s, self.cycles_left = 0.0, cycles
            self._loop.setpoint_degc = self._from_degc = reading_degc

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
        self.status, self.waiting = Status.RESET, False
        if not self.limit_degc_per_min:
            self._loop.setpoint_degc = self.target_degc

    def step(self, dt_s: float, reading_degc: float | None = None) -> None:
        """Move on by `dt_s` seconds; without a reading it waits for none."""
        if self.status is Status.RESET:
            self._ramp(self.target_degc, self.limit_degc_per_min, dt_s)
        if self.status is not Status.RUN:
            return
        away_degc = 0.0 if reading_degc is None else abs(reading_degc - self._loop.setpoint_degc)
        self.waiting = 0.0 < self.holdback_degc < away_degc
        if self.waiting:
            return
        self.elapsed_s += dt_s
        while dt_s > 0.0 and self._index < len(self._segments):
            segment = self._segments[self._index]
            dt_s = self._ramp(segment.to_degc, self._rate(segment), dt_s)
            if self._loop.setpoint_degc != segment.to_degc:
                return
            part_s = min(dt_s, segment.dwell_s - self._dwelt_s)
            self._dwelt_s += part_s
            dt_s -= part_s
            if self._dwelt_s >= segment.dwell_s:
                self._begin(self._index + 1)
                if self._index >= len(self._segments) and self.cycles_left > 1:
                    self.cycles_left -= 1
                    self._begin(0)
        if self._index >= len(self._segments):
            self._end()

    def _begin(self, index: int) -> None:
        self._index, self._dwelt_s, self._from_degc = index, 0.0, self._loop.setpoint_degc

    def _rate(self, segment: Segment) -> float:
        if segment.ramp_s:
            return abs(segment.to_degc - self._from_degc) / segment.ramp_s * 60.0
        return segment.rate_degc_per_min

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
        self.status, self.cycles_left = Status.END, 0
        if self.end_type is not EndType.DWELL:
            self._loop.setpoint_degc = 0.0  # off, or a second setpoint that nobody has set
