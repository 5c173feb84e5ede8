"""Registers of the Eurotherm 3216P (instruments.md 1.1 to 1.4), addresses as on the wire.

    1 reading | 2 setpoint, target | 3 output, manual | 4 output, working % | 5 setpoint, working
    23 programmer 0 reset 1 run 2 hold 3 end | 24 SP1 | 75 summary status | 122 type | 131 own address
    1280 + 3 (k - 1)    segment k = 1..8:  dwell, minutes | target | ramp, tenths per minute, 0 = none

Registers hold signed 16-bit numbers. Temperatures have as many decimals as register 525 says. The value of
the reading during a sensor break is not defined: only the status bits tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from drivers.errors import CodecError, LimitError
from drivers.furnace_program import FurnaceProgram, Step

READING = 1
TARGET_SETPOINT = 2
LIVE_BLOCK = 1
"""First of the five registers read at each poll."""
LIVE_COUNT = 5
PROGRAM_STATUS = 23
SETPOINT_1 = 24
SUMMARY = 75
FIRMWARE = 107
INSTRUMENT_TYPE = 122
COMMS_ADDRESS = 131
INSTRUMENT_MODE = 199
"""Writing 2 here stops control: never to be written."""
DWELL_UNITS = 321
DWELL_UNITS_MINUTES = 1
END_TYPE = 328
END_TYPE_DWELL = 1
DECIMALS = 525
SEGMENTS = 1280
SEGMENT_COUNT = 8

RATE_SCALE = 10
"""A ramp register counts tenths of a degree per minute."""
LARGEST = 32767


class ProgramStatus(IntEnum):
    """What register 23 says."""

    RESET = 0
    RUN = 1
    HOLD = 2
    END = 3


class Summary(IntFlag):
    """Bits of register 75 that matter here."""

    SENSOR_BREAK = 1 << 5
    OUT_OF_RANGE = 1 << 10
    PROGRAM_RUNNING = 1 << 13


@dataclass(frozen=True)
class Live:
    """One look at the controller."""

    reading_degc: float
    """NaN while the sensor is broken or out of range."""
    target_degc: float
    setpoint_degc: float
    """The working setpoint, after ramps."""
    output_percent: float
    status: ProgramStatus
    summary: Summary

    @property
    def sensor_ok(self) -> bool:
        """Whether the reading can be believed."""
        return not self.summary & (Summary.SENSOR_BREAK | Summary.OUT_OF_RANGE)


def to_signed(register: int) -> int:
    """Read a register as a signed number.

    >>> to_signed(65521)
    -15
    """
    return register - 0x10000 if register & 0x8000 else register


def to_register(value: int) -> int:
    """Write a signed number as a register.

    Raises:
        CodecError: Outside -32767 to 32767, the range that the instrument uses.
    """
    if not -LARGEST <= value <= LARGEST:
        raise CodecError(f"{value} does not fit a register (-{LARGEST} to {LARGEST})")
    return value & 0xFFFF


def encode_degc(value_degc: float, decimals: int) -> int:
    """Give a temperature as a register, rounded to the instrument's decimals."""
    return to_register(round(value_degc * 10**decimals))


def decode_degc(register: int, decimals: int) -> float:
    """Give a register as a temperature."""
    return to_signed(register) / float(10**decimals)


def decode_live(block: Sequence[int], status: int, summary: int, decimals: int) -> Live:
    """Read the five registers from `LIVE_BLOCK` on, register 23 and register 75.

    Raises:
        CodecError: Where register 23 holds no status of a 3216P.
    """
    reading, target, _, output, working = block
    bits = Summary(summary)
    live = Live(
        reading_degc=decode_degc(reading, decimals),
        target_degc=decode_degc(target, decimals),
        setpoint_degc=decode_degc(working, decimals),
        output_percent=float(to_signed(output)),
        status=decode_status(status),
        summary=bits,
    )
    return live if live.sensor_ok else _without_reading(live)


def decode_status(register: int) -> ProgramStatus:
    """Read register 23.

    Raises:
        CodecError: Where it holds no status of a 3216P.
    """
    try:
        return ProgramStatus(register)
    except ValueError:
        raise CodecError(f"programme status {register} is none of a 3216P (0 to 3): is it another model?") from None


def encode_program(program: FurnaceProgram, decimals: int) -> tuple[int, ...]:
    """Give the 24 segment registers; times round to minutes, rates to tenths of a degree per minute.

    What is left of the eight segments stays at the last temperature and takes no time.

    Raises:
        LimitError: With more steps than segments.
    """
    if len(program.steps) > SEGMENT_COUNT:
        raise LimitError(f"the programme has {len(program.steps)} steps, a 3216P holds {SEGMENT_COUNT}")
    rest = (Step(0.0, program.steps[-1].to_degc),) * (SEGMENT_COUNT - len(program.steps))
    return tuple(register for step in program.steps + rest for register in _encode_step(step, decimals))


def decode_program(registers: Sequence[int], decimals: int) -> FurnaceProgram:
    """Read the 24 segment registers, the steps that take no time included."""
    triples = zip(registers[0::3], registers[1::3], registers[2::3], strict=True)
    return FurnaceProgram(
        tuple(
            Step(to_signed(ramp) / RATE_SCALE, decode_degc(target, decimals), to_signed(dwell) * 60.0)
            for dwell, target, ramp in triples
        )
    )


def _encode_step(step: Step, decimals: int) -> tuple[int, int, int]:
    # A dwell or a rate that is asked for never rounds to none: 0 would mean "no dwell" and "no ramp".
    dwell_min = max(1, round(step.dwell_s / 60.0)) if step.dwell_s > 0 else 0
    ramp = max(1, round(step.rate_degc_per_min * RATE_SCALE)) if step.rate_degc_per_min > 0 else 0
    return to_register(dwell_min), encode_degc(step.to_degc, decimals), to_register(ramp)


def _without_reading(live: Live) -> Live:
    return Live(math.nan, live.target_degc, live.setpoint_degc, live.output_percent, live.status, live.summary)
