"""Registers that Eurotherm 2400, 3200 and EPC3000 controllers have in common (instruments.md 1.1 to 1.4).

    1 reading | 2 target setpoint | 3 manual output % | 4 working output % | 5 working setpoint
    11, 12 range | 23 programmer | 24 SP1 | 35 rate limit | 75 summary status | 107 firmware | 122 type
    257 control frozen, 258 sensor break, 259 power failed | 273 manual | 525 decimals

Addresses are those on the wire. Registers hold signed 16-bit numbers, -32767 to 32767; temperatures have as many
decimals as register 525 says. The value of the reading during a sensor break is not defined: only the status tells.

The same parameters are at 0x8000 + 2 n as two words, high word first, both in one read or write. Numbers are IEEE 754
there, 1.001 is 3F80 20C5; times and whole numbers, which look otherwise there, are read at their own addresses.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from enum import IntFlag
from typing import NamedTuple

from drivers.errors import CodecError

READING = 1
TARGET_SETPOINT = 2
OUTPUT = 3
"""Of manual; to be written in manual only."""
LIVE_BLOCK, LIVE_COUNT = 1, 5
"""What is read at each look."""
WIDE_COUNT = 23
"""From `LIVE_BLOCK` to the programmer's status, for whoever reads both at once."""
RANGE, RANGE_COUNT = 11, 2
"""Lowest and highest temperature of the input."""
PROGRAM_NUMBER = 22
PROGRAM_STATUS = 23
SETPOINT_1 = 24
SUMMARY = 75
FIRMWARE = 107
INSTRUMENT_TYPE = 122
TYPES = {0xF3: "3216P"}
"""What register 122 holds on models of which that is known; the others say what they are when they are first asked."""
INSTRUMENT_MODE = 199
"""Writing 2 here stops control: never to be written."""
FLAGS, FLAGS_COUNT = 257, 3
"""Control frozen, sensor break, power failed: 1 where it is so."""
MANUAL = 273
DECIMALS = 525
MOST_DECIMALS = 3

LARGEST = 32767
IEEE_AREA = 0x8000
SANE_DEGC = (-273.15, 3000.0)
"""What no furnace is outside of, where an instrument does not say its range."""
RANGE_MARGIN_DEGC = 50.0


class Summary(IntFlag):
    """Bits of register 75 that mean the same on all of them; function 7 gives the lower eight."""

    ALARM_1 = 1 << 0
    ALARM_2 = 1 << 1
    ALARM_3 = 1 << 2
    ALARM_4 = 1 << 3
    MANUAL = 1 << 4
    SENSOR_BREAK = 1 << 5
    LOOP_BREAK = 1 << 6
    HEATER_FAIL = 1 << 7
    OUT_OF_RANGE = 1 << 10


# Plain numbers: an enumeration's own operators cost more than all the rest of a look.
ALARMS: Mapping[int, str] = {
    int(Summary.ALARM_1): "alarm 1",
    int(Summary.ALARM_2): "alarm 2",
    int(Summary.ALARM_3): "alarm 3",
    int(Summary.ALARM_4): "alarm 4",
    int(Summary.LOOP_BREAK): "loop break",
    int(Summary.HEATER_FAIL): "heater fail",
}
"""What the instrument complains about by itself."""
NO_READING = int(Summary.SENSOR_BREAK | Summary.OUT_OF_RANGE)
MANUAL_MODE = int(Summary.MANUAL)


class Values(NamedTuple):
    """The numbers of one look."""

    reading_degc: float
    target_degc: float
    output_percent: float
    """NaN where it is outside -100 to 100."""
    setpoint_degc: float


class Flags(NamedTuple):
    """Registers 257 to 259."""

    frozen: bool
    sensor_break: bool
    power_failed: bool


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


def decode_progress(register: int) -> float:
    """Give a time that is left or has passed, in whatever unit; NaN where it does not fit its register.

    >>> decode_progress(600), decode_progress(32767)
    (600.0, nan)
    """
    return math.nan if register >= LARGEST else float(register)


# -- the area of 32-bit numbers


def ieee_address(address: int) -> int:
    """Where the 32-bit form of a register is.

    >>> ieee_address(2)
    32772
    """
    return IEEE_AREA + 2 * address


def encode_float(value: float) -> tuple[int, int]:
    """Give a number as two words.

    >>> [f"{word:04X}" for word in encode_float(1.001)]
    ['3F80', '20C5']
    """
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return high, low


def decode_float(words: Sequence[int]) -> float:
    """Read two words as a number; may be NaN or infinite."""
    (value,) = struct.unpack(">f", struct.pack(">HH", *words))
    return float(value)


# -- what is looked at


def decode_values(block: Sequence[int], decimals: int, output_decimals: int = 0) -> Values:
    """Read the five registers from `LIVE_BLOCK` on."""
    reading, target, _, output, setpoint = map(to_signed, block)
    degc, percent = 10.0**decimals, 10.0**output_decimals
    return Values(reading / degc, target / degc, _percent(output / percent), setpoint / degc)


def decode_ieee_values(words: Sequence[int]) -> Values:
    """Read the same five as 32-bit numbers, ten words from ``ieee_address(LIVE_BLOCK)`` on."""
    reading, target, _, output, setpoint = (decode_float(words[i : i + 2]) for i in range(0, 10, 2))
    return Values(reading, target, _percent(output), setpoint)


def alarms_of(summary: int) -> str:
    """Name what the instrument complains about, empty where that is nothing.

    >>> alarms_of(0x42)
    'alarm 2, loop break'
    """
    return ", ".join(name for bit, name in ALARMS.items() if summary & bit)


def decode_flags(registers: Sequence[int]) -> Flags:
    """Read registers 257 to 259; what is not configured reads as anything, so only a 1 counts for the first."""
    frozen, broken, power_failed = registers
    return Flags(frozen == 1, broken != 0, power_failed == 1)


def check_values(values: Values, range_degc: tuple[float, float], *, sensor_ok: bool) -> None:
    """Make sure that numbers are possible.

    Args:
        values: As they were read.
        range_degc: Lowest and highest temperature of the input.
        sensor_ok: Whether the reading means anything.

    Raises:
        CodecError: One is not.
    """
    low_degc, high_degc = range_degc
    named = (
        ("target setpoint", values.target_degc),
        ("working setpoint", values.setpoint_degc),
        ("reading", values.reading_degc if sensor_ok else low_degc),
    )
    for name, degc in named:
        if not low_degc <= degc <= high_degc:
            raise CodecError(f"a {name} of {degc:g} degC cannot be, {low_degc:g} to {high_degc:g} degC can")


def sane_range_degc(low_degc: float, high_degc: float) -> tuple[float, float]:
    """What temperatures are possible, from the range that an instrument says; it may say none."""
    if not low_degc < high_degc:
        return SANE_DEGC
    # Setpoints may be 0 where the range begins higher.
    return min(0.0, low_degc) - RANGE_MARGIN_DEGC, high_degc + RANGE_MARGIN_DEGC


def _percent(output: float) -> float:
    return output if -100.0 <= output <= 100.0 else math.nan
