"""Frames and parameters of AIBUS, which Yudian AI-5xx, 7xx and 8xx controllers speak (instruments.md 1.6).

    read     80h+a | 80h+a | 52h | parameter | 00 00     | sum 2        sum = parameter x 256 + 52h + a
    write    80h+a | 80h+a | 43h | parameter | value 2   | sum 2        sum = parameter x 256 + 43h + value + a
    reply    PV 2  | SV 2  | MV 1 | status 1 | value 2   | sum 2        sum = PV + SV + status x 256 + MV + value + a

Words are little endian, sums are modulo 65536, a is the unit, 0 to 80. A reply names neither its unit (but in the
sum) nor its parameter, so a late one looks like any other: whoever asks reads a parameter that never changes along.
There is no refusal: a unit that does not understand is silent, a parameter that does not exist has the value 7FFFh.

Temperatures are signed and have as many decimals as parameter 0Ch says; from 128 on, 128 is taken off that and what
goes over the wire has one decimal more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag

from drivers.errors import CodecError, LimitError

REPLY_BYTES = 10
READ, WRITE = 0x52, 0x43
LAST_UNIT = 80
LARGEST = 32000
"""The highest value that may be written; from 7F00h on a value means that there is none."""
NOTHING = 0x7F00

SETPOINT = 0x00
"""Setpoint; the number of the present segment on units with the older map."""
INPUT_TYPE = 0x0B
DECIMALS = 0x0C
SCALE_LOW, SCALE_HIGH = 0x0D, 0x0E
MODEL_OR_STATE = 0x15
"""The model code, or what the programmer does on units with the older map."""


class Status(IntFlag):
    """The status byte of a reply."""

    HIGH_ALARM = 1 << 0
    LOW_ALARM = 1 << 1
    HIGH_DEVIATION = 1 << 2
    LOW_DEVIATION = 1 << 3
    OVER_RANGE = 1 << 4
    """The input is out of range: the thermocouple is broken."""
    ALARM_1 = 1 << 5
    ALARM_2 = 1 << 6


@dataclass(frozen=True)
class Reply:
    """One reply as it came; temperatures in the unit's own steps."""

    pv: int
    sv: int
    output_percent: int
    status: Status
    value: int

    @property
    def has_value(self) -> bool:
        """Whether there is such a parameter."""
        return self.value < NOTHING


@dataclass(frozen=True)
class Scale:
    """How temperatures are written."""

    decimals: int
    """What parameter 0Ch holds."""

    @property
    def steps_per_degc(self) -> int:
        """How many steps make a degree."""
        more, shown = divmod(self.decimals, 128)
        return int(10 ** (shown + more))

    @property
    def resolution_degc(self) -> float:
        """What the last digit that the unit shows is worth."""
        return 10.0 ** -(self.decimals % 128)

    def degc(self, value: int) -> float:
        """Give a value as a temperature, NaN where it means that there is none."""
        return math.nan if value >= NOTHING else value / self.steps_per_degc

    def encode(self, value_degc: float) -> int:
        """Give a temperature as a value, rounded to what the unit shows.

        Raises:
            LimitError: Where the unit takes no such value.
        """
        shown = int(10 ** (self.decimals % 128))
        value = round(value_degc * shown) * (self.steps_per_degc // shown)
        if not -LARGEST <= value <= LARGEST:
            raise LimitError(
                f"{value_degc:g} degC was requested, and an AIBUS unit with dPt {self.decimals} takes "
                f"{LARGEST / self.steps_per_degc:g} degC at most"
            )
        return value


def scale_of(decimals: int) -> Scale:
    """Give the scale that parameter 0Ch tells of.

    Raises:
        CodecError: Where it tells of none.
    """
    if decimals % 128 > 3 or not 0 <= decimals < 256:
        raise CodecError(f"{decimals} decimals are configured (dPt, parameter 0Ch), 0 to 3 and 128 to 131 exist")
    return Scale(decimals)


# -- frames


def read_request(unit: int, parameter: int) -> bytes:
    """Ask for a parameter.

    >>> read_request(1, 0x00).hex(" ")
    '81 81 52 00 00 00 53 00'
    """
    return _request(unit, READ, parameter, 0)


def write_request(unit: int, parameter: int, value: int) -> bytes:
    """Write a parameter.

    >>> write_request(1, 0x00, 1000).hex(" ")
    '81 81 43 00 e8 03 2c 04'

    Raises:
        CodecError: For a value that may not be written.
    """
    if not -LARGEST <= value <= LARGEST:
        raise CodecError(f"{value} cannot be written over AIBUS (-{LARGEST} to {LARGEST})")
    return _request(unit, WRITE, parameter, value & 0xFFFF)


def decode_reply(unit: int, frame: bytes) -> Reply:
    """Take a reply apart.

    >>> decode_reply(1, bytes.fromhex("FA 00 E8 03 23 60 E8 03 EE 68")).value
    1000

    Raises:
        CodecError: Where it is cut, garbled or of another unit.
    """
    if len(frame) != REPLY_BYTES:
        raise CodecError(f"a reply of {len(frame)} bytes ({frame.hex(' ')}), {REPLY_BYTES} were expected")
    pv, sv, value, total = (_word(frame, at) for at in (0, 2, 6, 8))
    if (pv + sv + frame[5] * 256 + frame[4] + value + unit) & 0xFFFF != total:
        raise CodecError(f"the sum of {frame.hex(' ')} is not that of a reply of unit {unit}")
    return Reply(_signed(pv), _signed(sv), frame[4] - 256 * (frame[4] > 127), Status(frame[5]), _signed(value))


def _request(unit: int, command: int, parameter: int, word: int) -> bytes:
    total = (parameter * 256 + command + word + unit) & 0xFFFF
    head = bytes((0x80 + unit, 0x80 + unit, command, parameter))
    return head + word.to_bytes(2, "little") + total.to_bytes(2, "little")


def _word(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "little")


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
