"""The programmer of a Yudian controller: segments of a temperature and a time.

    stop --run--> run --time below zero, or no segment left--> stop
                  run <--hold, run--> hold                      stop ends any of them

A segment goes from its temperature to that of the next one, or, in the other dialect, to its own from wherever the
setpoint was. A time of 0 holds; of -1 to -50 it goes on with that segment; any other time below zero stops. Nothing
is locked: a segment that is rewritten while the programme runs counts from then on. All of it moves on the furnace's
grid only, by `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from sim.parts.programmer import PidController

LONGEST_JUMP = 50


class Running(Enum):
    """What the programmer does."""

    RUN = "run"
    HOLD = "hold"
    STOP = "stop"


@dataclass(frozen=True)
class TimedSegment:
    """A temperature, and a time or what else its field says."""

    degc: float
    minutes: float


class TimedProgrammer:
    """Moves the setpoint of a loop by the clock."""

    def __init__(self, loop: PidController, segments: Callable[[], Sequence[TimedSegment]], begins: bool) -> None:
        """Make one that is stopped.

        Args:
            loop: Whose setpoint it moves.
            segments: Gives the programme as it is now.
            begins: Whether a segment's temperature is where it begins, or where it ends.
        """
        self.state = Running.STOP
        self.segment = 1
        """The present one, from 1."""
        self.elapsed_s = 0.0
        """How long it has been under way."""
        self._loop = loop
        self._segments = segments
        self._begins = begins
        self._from_degc = 0.0

    @property
    def moving(self) -> bool:
        """Whether anything changes by time alone."""
        return self.state is Running.RUN

    def go_to(self, segment: int) -> None:
        """Have the programme go on with a segment, from its beginning."""
        self.segment, self.elapsed_s = segment, 0.0
        self._from_degc = self._loop.setpoint_degc

    def run(self, reading_degc: float) -> None:
        """Start with the present segment, or go on after a hold."""
        if self.state is Running.STOP:
            self.elapsed_s, self._from_degc = 0.0, reading_degc
            self._loop.setpoint_degc = reading_degc
        self.state = Running.RUN
        self._move()

    def hold(self) -> None:
        """Stand still; nothing happens where nothing runs."""
        if self.state is Running.RUN:
            self.state = Running.HOLD

    def stop(self) -> None:
        """End the programme and all heating; the next one begins with segment 1."""
        self.state, self.segment, self.elapsed_s = Running.STOP, 1, 0.0
        self._loop.setpoint_degc = 0.0

    def step(self, dt_s: float) -> None:
        """Move on by `dt_s` seconds."""
        while dt_s > 0.0 and self.state is Running.RUN:
            # A segment that was made shorter while it was under way is over.
            part_s = min(dt_s, max(0.0, self._length_s() - self.elapsed_s))
            self.elapsed_s += part_s
            dt_s -= part_s
            self._move()

    def _move(self) -> None:
        """Put the setpoint where it is by now, and take up what comes next as far as that takes no time."""
        for _ in range(LONGEST_JUMP):
            segments = self._segments()
            if self.segment > len(segments):
                self.stop()
                return
            here = segments[self.segment - 1]
            if here.minutes <= 0:
                self._obey(here)
                if self.state is not Running.RUN:
                    return
                continue
            length_s = self._length_s()
            after = segments[self.segment] if self.segment < len(segments) else here
            start_degc, end_degc = (here.degc, after.degc) if self._begins else (self._from_degc, here.degc)
            part = min(1.0, self.elapsed_s / length_s)
            self._loop.setpoint_degc = start_degc + (end_degc - start_degc) * part
            if self.elapsed_s < length_s:
                return
            self.go_to(self.segment + 1)
        self.stop()  # it would jump for ever

    def _obey(self, here: TimedSegment) -> None:
        """Do what a time says that is none."""
        if here.minutes == 0:
            self._loop.setpoint_degc = here.degc
            self.state = Running.HOLD
        elif -LONGEST_JUMP <= here.minutes <= -1:
            self.go_to(int(-here.minutes))
        else:
            self.stop()

    def _length_s(self) -> float:
        segments = self._segments()
        return 60.0 * segments[self.segment - 1].minutes if self.segment <= len(segments) else 0.0
