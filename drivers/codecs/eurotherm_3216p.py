"""The programme of a Eurotherm 3216P (instruments.md 1.3): eight segments, each a ramp and a dwell.

    23 status 0 reset 1 run 2 hold 3 end | 321 dwell units 0 h 1 min | 325 time run | 327 holdback
    328 at the end 0 off 1 dwell 2 SP2 3 reset | 332 cycles | 531 ramp units 0 min 1 h 2 s
    1280 + 3 (k - 1)    segment k = 1..8:  dwell | target | ramp, tenths, 0 = none

What one count of a dwell is worth is not settled by what is published (one driver writes minutes and sets the
units to hours), so it is an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.codecs.eurotherm import decode_degc, encode_degc, to_register, to_signed
from drivers.errors import LimitError
from drivers.furnaces.program import FurnaceProgram, Step

DWELL_UNITS = 321
PROGRESS, PROGRESS_COUNT = 325, 3
"""Time run, something else, holdback: 0 where the programme never waits."""
END_TYPE = 328
CYCLES = 332
RAMP_UNITS = 531
SEGMENTS = 1280
SEGMENT_COUNT = 8
WORDS = 3

RATE_SCALE = 10
"""A ramp register counts tenths of a degree."""


class Status(IntEnum):
    """What register 23 says."""

    RESET = 0
    RUN = 1
    HOLD = 2
    END = 3


RAMP_UNIT_CODES = {"min": 0, "h": 1, "s": 2}
"""What register 531 holds -> for which time a ramp is."""
RAMP_UNIT_MIN = {"min": 1.0, "h": 60.0, "s": 1.0 / 60.0}


@dataclass(frozen=True)
class Units:
    """How a 3216P counts."""

    dwell_units: int = 1
    """What register 321 is set to."""
    dwell_count_s: float = 60.0
    """What one count of a dwell is then."""
    rate_per: str = "min"
    """min, h or s."""
    end_type: int = 1
    """What register 328 is set to, so that the last temperature is kept."""


def encode_program(program: FurnaceProgram, decimals: int, units: Units) -> tuple[int, ...]:
    """Give the 24 segment registers, rounded to what they count; a time or rate that is asked never rounds to none.

    What is left of the eight segments stays at the last temperature and takes no time.

    Raises:
        LimitError: With more steps than segments.
        CodecError: Where a number does not fit.
    """
    if len(program.steps) > SEGMENT_COUNT:
        raise LimitError(f"the programme has {len(program.steps)} steps, a 3216P holds {SEGMENT_COUNT}")
    rest = (Step(0.0, program.steps[-1].to_degc),) * (SEGMENT_COUNT - len(program.steps))
    return tuple(register for step in program.steps + rest for register in _encode_step(step, decimals, units))


def decode_program(registers: Sequence[int], decimals: int, units: Units) -> FurnaceProgram:
    """Read the 24 segment registers, without the steps that only fill up."""
    triples = zip(registers[0::3], registers[1::3], registers[2::3], strict=True)
    return FurnaceProgram(
        tuple(
            Step(
                to_signed(ramp) / RATE_SCALE / RAMP_UNIT_MIN[units.rate_per],
                decode_degc(target, decimals),
                to_signed(dwell) * units.dwell_count_s,
            )
            for dwell, target, ramp in triples
        )
    ).trimmed()


def _encode_step(step: Step, decimals: int, units: Units) -> tuple[int, int, int]:
    dwell = count_of(step.dwell_s / units.dwell_count_s)
    ramp = count_of(step.rate_degc_per_min * RAMP_UNIT_MIN[units.rate_per] * RATE_SCALE)
    return to_register(dwell), encode_degc(step.to_degc, decimals), to_register(ramp)


def count_of(value: float) -> int:
    """Round to whole counts; 0 means "none" in a programme, so what is asked for never becomes 0.

    >>> count_of(0.2), count_of(0.0), count_of(2.6)
    (1, 0, 3)
    """
    return max(1, round(value)) if value > 0 else 0
