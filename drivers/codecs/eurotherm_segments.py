"""Programmes of Eurotherm 2400 and EPC3000 controllers, which are made of segments (instruments.md 1.3).

    23 status 1 reset 2 run 4 hold 8 holdback 16 complete | 22 number of the programme
    base = 8192 + 136 p, programme p from 1        +0 holdback 0 none | +2 ramp units | +3 dwell units | +4 cycles
    base + 8 k, segment k from 1                   +0 type | +1 target | +2 rate in tenths, or time | +3 end type

Units are 0 s, 1 min, 2 h. What a segment of some type does not use is not configured: it reads as anything.
What one count of a time is worth, what the end types mean and, on an EPC, whether the units hold at all is not
settled by what is published, so all of it are options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.codecs.eurotherm import LARGEST, decode_degc, encode_degc, to_register, to_signed
from drivers.codecs.eurotherm_3216p import count_of
from drivers.errors import LimitError
from drivers.furnaces.program import FurnaceProgram, Step

FIRST_BASE, PROGRAM_WORDS = 8192, 136
SEGMENT_WORDS = 8
READ_WORDS = 4
"""Of a segment: type, target, rate or time, end type."""

HOLDBACK, HOLDBACK_NONE = 0, 0
RAMP_UNITS, DWELL_UNITS, CYCLES = 2, 3, 4
"""Offsets from the base."""

RATE_SCALE = 10
UNIT_CODES = {"s": 0, "min": 1, "h": 2}
UNIT_MIN = {"s": 1.0 / 60.0, "min": 1.0, "h": 60.0}


class Status(IntEnum):
    """What register 23 says."""

    RESET = 1
    RUN = 2
    HOLD = 4
    HOLDBACK = 8
    COMPLETE = 16


class Kind(IntEnum):
    """What a segment does."""

    END = 0
    RAMP_RATE = 1
    RAMP_TIME = 2
    DWELL = 3
    STEP = 4
    CALL = 5


@dataclass(frozen=True)
class Units:
    """How a programme is counted."""

    rate_per: str = "min"
    """s, min or h."""
    dwell_units: str = "min"
    """What the dwell units are set to: s, min or h."""
    dwell_count_s: float = 6.0
    """What one count of a dwell is then."""
    end_type: int = 0
    """What the end type is set to, so that the last temperature is kept."""


@dataclass(frozen=True)
class Segment:
    """One segment, as registers."""

    kind: Kind
    target: int = 0
    number: int = 0
    """A rate or a time."""

    @property
    def words(self) -> dict[int, int]:
        """Offset -> what is to be written there after the type; nothing else means anything."""
        match self.kind:
            case Kind.RAMP_RATE:
                return {1: self.target, 2: self.number}
            case Kind.STEP:
                return {1: self.target}
            case Kind.DWELL:
                return {2: self.number}
            case _:
                return {}


def base_of(program: int) -> int:
    """Where a programme begins.

    >>> base_of(1)
    8328
    """
    return FIRST_BASE + PROGRAM_WORDS * program


def segment_at(base: int, k: int) -> int:
    """Where segment k is, from 1.

    >>> segment_at(base_of(1), 1)
    8336
    """
    return base + SEGMENT_WORDS * k


def encode_program(program: FurnaceProgram, decimals: int, units: Units, room: int) -> tuple[Segment, ...]:
    """Give the segments, the end included, rounded to what they count; a long dwell becomes several.

    Args:
        program: What to encode.
        decimals: Of temperatures.
        units: Of rates and times.
        room: How many segments there are.

    Raises:
        LimitError: With more segments than there are.
        CodecError: Where a number does not fit.
    """
    segments = (*_segments(program, decimals, units), Segment(Kind.END))
    if len(segments) > room:
        raise LimitError(f"the programme takes {len(segments)} segments, its end included, and there are {room}")
    return segments


def decode_program(segments: Sequence[Segment], decimals: int, units: Units) -> FurnaceProgram | None:
    """Read segments up to the end; None where they are no programme of ours."""
    steps: list[Step] = []
    for segment in segments:
        match segment.kind:
            case Kind.END:
                break
            case Kind.RAMP_RATE | Kind.STEP:
                rate = to_signed(segment.number) if segment.kind is Kind.RAMP_RATE else 0
                rate_degc_per_min = rate / RATE_SCALE / UNIT_MIN[units.rate_per]
                steps.append(Step(rate_degc_per_min, decode_degc(segment.target, decimals)))
            case Kind.DWELL if steps:
                last = steps[-1]
                dwell_s = last.dwell_s + to_signed(segment.number) * units.dwell_count_s
                steps[-1] = Step(last.rate_degc_per_min, last.to_degc, dwell_s)
            case _:
                return None
    return FurnaceProgram(tuple(steps)).trimmed() if steps else None


def decode_segment(words: Sequence[int]) -> Segment | None:
    """Read the words of a segment, what its type does not use left out; None where the type is none that is known."""
    try:
        kind = Kind(words[0])
    except ValueError:
        return None
    used = Segment(kind).words
    return Segment(kind, words[1] if 1 in used else 0, words[2] if 2 in used else 0)


def _segments(program: FurnaceProgram, decimals: int, units: Units) -> Iterator[Segment]:
    for step in program.steps:
        target = encode_degc(step.to_degc, decimals)
        rate = count_of(step.rate_degc_per_min * UNIT_MIN[units.rate_per] * RATE_SCALE)
        yield Segment(Kind.RAMP_RATE, target, to_register(rate)) if rate else Segment(Kind.STEP, target)
        left = count_of(step.dwell_s / units.dwell_count_s)
        while left:
            part = min(left, LARGEST)
            yield Segment(Kind.DWELL, number=to_register(part))
            left -= part
