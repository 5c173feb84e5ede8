"""Programmes of AIBUS controllers (instruments.md 1.6): two maps, and segments of a temperature and a time.

    older map (v7)    15h: 0 run, 4 hold, 12 stop | 00h: present segment | 56h: minutes into it
                      1Ah + 2 (i - 1): temperature of segment i = 1..30 | 1Bh + 2 (i - 1): its minutes
    newer map (v8)    15h: model | 1Bh: 0 run, 1 stop, 2 hold | 2Bh: number of segments
                      50h + 2 (i - 1): temperature of segment i = 1..50 | 51h + 2 (i - 1): its minutes

The time -121 stops the programme. The makers' own format is temperature, time, temperature: a segment begins at its
temperature and goes to the next one's. Other sources take the temperature for where a segment ends, so that can be
configured, as can minutes with decimals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from drivers.codecs.aibus import MODEL_OR_STATE, SETPOINT, Scale
from drivers.errors import CodecError, LimitError
from drivers.furnaces.program import FurnaceProgram, Step

STOP_MIN = -121
"""The time of a segment that ends the programme."""
LONGEST_MIN = 3200
"""The longest segment, in minutes."""


class State(IntEnum):
    """What the programmer does, however the unit says it."""

    RUN = 0
    HOLD = 1
    STOP = 2


@dataclass(frozen=True)
class Map:
    """Where a unit keeps its programme."""

    name: str
    state: int
    states: tuple[int, int, int]
    """What `state` holds for run, hold and stop."""
    first_segment: int
    most_segments: int
    count: int | None
    """Where the number of segments is, on units that want to know it."""
    position: int | None
    """Where the number of the present segment is, on units that tell it."""
    elapsed: int | None
    """Where the time into the present segment is."""

    def decode_state(self, value: int) -> State:
        """Read the state of the programmer.

        Raises:
            CodecError: Where the value means nothing.
        """
        if value not in self.states:
            known = ", ".join(map(str, self.states))
            raise CodecError(f"programmer state {value} is none of an AIBUS unit with {self.name} map ({known})")
        return State(self.states.index(value))

    def encode_state(self, state: State) -> int:
        """Give what is written to have the programmer run, hold or stop."""
        return self.states[state]

    def parameters(self, segment: int) -> tuple[int, int]:
        """Where temperature and time of a segment are; segments count from 0."""
        first = self.first_segment + 2 * segment
        return first, first + 1


V7 = Map("v7", MODEL_OR_STATE, (0, 4, 12), 0x1A, 30, None, SETPOINT, 0x56)
V8 = Map("v8", 0x1B, (0, 2, 1), 0x50, 50, 0x2B, None, None)
MAPS = {V7.name: V7, V8.name: V8}


def map_of(value: int) -> Map:
    """Give the map of a unit by what parameter 15h holds: a state on older units, a model code on newer ones."""
    return V7 if value in V7.states else V8


class Meaning(StrEnum):
    """What the temperature of a segment is."""

    START = "start"
    """Where it begins: it goes from there to the temperature of the next one."""
    TARGET = "target"
    """Where it ends."""


@dataclass(frozen=True)
class Segment:
    """One segment as a unit keeps it."""

    temperature: int
    """In the unit's own steps."""
    time: int
    """In the unit's own steps: whole minutes, unless it was configured otherwise."""

    @property
    def ends(self) -> bool:
        """Whether the programme stops here."""
        return self.time < 0


Segments = tuple[Segment, ...]
Point = tuple[float, int]
"""A temperature, and the steps of time that it takes to get there."""


@dataclass(frozen=True)
class Format:
    """How a unit writes programmes."""

    map: Map
    scale: Scale
    meaning: Meaning = Meaning.START
    steps_per_min: int = 1
    """How many steps of a segment's time make a minute."""

    # -- what the unit makes of a programme

    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as the unit holds it.

        Temperatures are rounded to its digits and dwells to its steps of time. A ramp lasts whole steps, so it may
        be less steep than it was asked for, never steeper; the first one keeps its rate, because its beginning is
        free (see `encode`).
        """
        steps: list[Step] = []
        for step in program.steps:
            to_degc = self.scale.degc(self.scale.encode(step.to_degc))
            rate = step.rate_degc_per_min
            if steps and rate > 0 and to_degc != steps[-1].to_degc:
                way_degc = abs(to_degc - steps[-1].to_degc)
                rate = way_degc / (self._ramp(way_degc, rate) / self.steps_per_min)
            dwell = self._dwell(step.dwell_s)
            steps.append(Step(rate, to_degc, 60.0 * dwell / self.steps_per_min))
        return FurnaceProgram(tuple(steps))

    def first_ramp(self, program: FurnaceProgram, start_degc: float) -> int:
        """Give how many steps of time the first ramp lasts from about `start_degc`, 0 where it has no rate.

        The setpoint begins at or below `start_degc` where the unit is told where it begins: by less than it moves in
        one step of time.
        """
        step = program.steps[0]
        if step.rate_degc_per_min <= 0:
            return 0
        way_degc = abs(step.to_degc - start_degc)
        if step.to_degc < start_degc and self.meaning is Meaning.START:
            return max(1, math.floor(way_degc / step.rate_degc_per_min * self.steps_per_min))
        return self._ramp(way_degc, step.rate_degc_per_min)

    def encode(self, program: FurnaceProgram, first_ramp: int, *, falls: bool = False) -> Segments:
        """Give the segments of a programme, the one that ends it last.

        Args:
            program: As `fit` gives it.
            first_ramp: As `first_ramp` gives it.
            falls: Whether the first ramp goes down.

        The last temperature is kept for a minute before the stop, so that whoever looks can see that it was reached.
        A segment of no time would hold for ever, so there are none: a step without a rate takes one step of time.

        Raises:
            LimitError: With more segments than the unit holds, or longer ones.
        """
        points = [*self._points(program, first_ramp, falls)]
        points.append((points[-1][0], self.steps_per_min))
        if self.meaning is Meaning.START:
            pairs = [(here[0], after[1]) for here, after in itertools.pairwise(points)]
        else:
            pairs = points[1:]
        segments = [Segment(self.scale.encode(degc), time) for degc, time in pairs]
        return self._ended(segments, points[-1][0])

    def constant(self, degc: float) -> Segments:
        """Give the programme that holds a temperature: for some days, then the unit stops heating."""
        longest = LONGEST_MIN * self.steps_per_min
        value = self.scale.encode(degc)
        return self._ended([Segment(value, time) for time in (1, longest, longest, longest, longest)], degc)

    def constant_degc(self, segments: Sequence[Segment]) -> float | None:
        """Give the temperature that a programme holds where it begins as those of `constant` do."""
        first = tuple(segments[:2])
        degc = self.scale.degc(first[0].temperature) if first else math.nan
        try:
            return degc if not math.isnan(degc) and first == self.constant(degc)[:2] else None
        except LimitError:  # nothing of ours: more than the unit can be told
            return None

    def decode(self, segments: Sequence[Segment]) -> FurnaceProgram | None:
        """Give what segments make the setpoint do; None where nothing is in them that could be run to an end."""
        timed = [segment for segment in segments if not segment.ends]
        if not timed or len(timed) == len(segments) or any(segment.time == 0 for segment in timed):
            return None
        degc = [self.scale.degc(segment.temperature) for segment in segments]
        goals_degc = degc[1:] if self.meaning is Meaning.START else degc
        steps, at_degc = [], degc[0]
        for segment, to_degc in zip(timed, goals_degc, strict=False):
            minutes = segment.time / self.steps_per_min
            same = to_degc == at_degc
            steps.append(
                Step(0.0, to_degc, 60.0 * minutes) if same else Step(abs(to_degc - at_degc) / minutes, to_degc)
            )
            at_degc = to_degc
        return FurnaceProgram(tuple(steps))

    def _points(self, program: FurnaceProgram, first_ramp: int, falls: bool) -> list[Point]:
        first = program.steps[0]
        way_degc = first.rate_degc_per_min * first_ramp / self.steps_per_min
        points: list[Point] = [(first.to_degc + (way_degc if falls else -way_degc), 0)]
        for number, step in enumerate(program.steps):
            from_degc = points[-1][0]
            if number == 0:
                points += [(step.to_degc, first_ramp)] if first_ramp else self._jump(step.to_degc)
            elif step.to_degc != from_degc:
                rate = step.rate_degc_per_min
                points.append((step.to_degc, self._ramp(abs(step.to_degc - from_degc), rate) if rate > 0 else 1))
            if step.dwell_s > 0:
                points.append((step.to_degc, self._dwell(step.dwell_s)))
        return points

    def _jump(self, to_degc: float) -> list[Point]:
        """A first step without a rate: the setpoint begins where it ends, where the unit is told where it begins."""
        return [] if self.meaning is Meaning.START else [(to_degc, 1)]

    def _ended(self, segments: list[Segment], last_degc: float) -> Segments:
        segments = [*segments, Segment(self.scale.encode(last_degc), STOP_MIN * self.steps_per_min)]
        if len(segments) > self.map.most_segments:
            raise LimitError(
                f"the programme has {len(segments)} segments, a unit with {self.map.name} map holds "
                f"{self.map.most_segments}"
            )
        return tuple(segments)

    def _ramp(self, way_degc: float, rate_degc_per_min: float) -> int:
        # What is whole but for the last binary digits stays so.
        return self._time(math.ceil(round(way_degc / rate_degc_per_min * self.steps_per_min, 6)))

    def _dwell(self, dwell_s: float) -> int:
        return self._time(round(dwell_s / 60.0 * self.steps_per_min)) if dwell_s > 0 else 0

    def _time(self, steps: int) -> int:
        if steps > LONGEST_MIN * self.steps_per_min:
            raise LimitError(
                f"a segment of {steps / self.steps_per_min:g} min was requested, the longest takes {LONGEST_MIN} min"
            )
        return max(1, steps)
