"""Lines of Alicat flow controllers (instruments.md 3); they end with CR both ways.

    A           A +014.62 +021.89 +000.00 +000.00 +078.95     N2        the data frame
    A??D*       A D00 ID_ NAME... TYPE... WIDTH NOTES...                its layout, row by row
                A D05 005 Mass Flow                  s decimal     7/2 012 02 SCCM
    AVE         A   10v20.0-R24 Jan  9 2025,15:04:07                    firmware
    ALS 100.00  A +000.00 +100.00 12 SCCM                               current, requested, unit
    AS 100.00   the data frame                                          the same, before firmware 9
    ?           refused

A is the unit. The frame and its layout are in `alicat_frame`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.errors import CodecError, RefusedError

REFUSAL = "?"
STREAM_STOP = "@@"
"""With a unit's letter after it: ends streaming, and gives the unit that letter."""
SERIAL, ANALOG, USER = "S", "A", "U"
"""Where the setpoint is taken from."""
SOURCES = {SERIAL: "serial", ANALOG: "analog", USER: "user"}
MASS_FLOW = 5
"""The statistic that mass flow is."""

GASES: Mapping[str, int] = {
    **{name: code for code, name in enumerate(("Air", "Ar", "CH4", "CO", "CO2", "C2H6", "H2", "He", "N2", "N2O"))},
    **{"Ne": 10, "O2": 11, "C3H8": 12, "Kr": 17, "Xe": 18, "SF6": 19},
    **{"C-25": 20, "He-25": 25, "He-75": 26, "Star29": 28},
}
"""Gas -> code where all units agree; mixes with hydrogen have other codes on other units, so those are asked for."""

SCCM_PER: Mapping[str, float] = {
    "SCCM": 1.0,
    "SML/M": 1.0,
    "SLPM": 1000.0,
    "SCCS": 60.0,
    "SML/S": 60.0,
    "SL/H": 1000.0 / 60.0,
    "SCFM": 28316.847,
    "SCFH": 471.94745,
}
"""Standard flows only: a normal flow refers to another temperature, which units do not tell."""
KPA_PER: Mapping[str, float] = {
    "PSIA": 6.894757,
    "KPAA": 1.0,
    "BARA": 100.0,
    "MBARA": 0.1,
}

_FIRMWARE = re.compile(r"(?P<text>(?P<major>\d+)v(?P<minor>\d+)\S*|GP\S*)")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_SERIAL_ROW, _MODEL_ROW, _REVISION_ROW = 5, 4, 9


@dataclass(frozen=True)
class Firmware:
    """What AVE says."""

    text: str
    version: tuple[int, int]

    @property
    def has_setpoint_command(self) -> bool:
        """Whether it knows ALS and ALSS, and not AS alone."""
        return self.version >= (9, 0)

    @property
    def has_gas_command(self) -> bool:
        """Whether it knows AGS, and not AG alone."""
        return self.version >= (10, 5)

    @property
    def tells_units(self) -> bool:
        """Whether ADCU gives units: before that it gave counts of the converter."""
        return self.version >= (10, 5)

    @property
    def tells_full_scale(self) -> bool:
        """Whether AFPF gives the full scale."""
        return self.version >= (6, 0)


@dataclass(frozen=True)
class Setpoint:
    """What ALS says, in the instrument's units."""

    current: float
    requested: float
    units: str


def clean(line: str) -> str:
    r"""Take the padding out of a line.

    >>> clean("\x08\x08A D00\x00 ")
    'A D00'
    """
    return line.replace("\0", "").replace("\b", "").strip("\r\n ")


def is_about(unit: str, line: str) -> bool:
    """Whether a line is a unit's, or a refusal, which names nobody."""
    text = clean(line)
    return text in (REFUSAL, unit) or text.startswith(f"{unit} ")


def check_refusal(line: str) -> str:
    """Give a line without padding.

    Raises:
        RefusedError: Where it is a refusal.
    """
    text = clean(line)
    if text.split()[-1:] == [REFUSAL]:
        raise RefusedError("the controller refused (?)")
    return text


# -- who it is


def parse_firmware(line: str) -> Firmware:
    """Read the reply to AVE, or the text of row M09.

    >>> parse_firmware("A   10v20.0-R24 Jan  9 2025,15:04:07").version
    (10, 20)

    Raises:
        CodecError: Where it names no firmware that this module knows.
    """
    match = _FIRMWARE.search(check_refusal(line))
    if match is None or match["major"] is None:
        raise CodecError(f"{line!r} names no firmware of an Alicat with numbered firmware")
    return Firmware(match["text"], (int(match["major"]), int(match["minor"])))


def parse_maker(lines: Iterable[str]) -> tuple[str, str, str]:
    """Read the reply to ??M*: model, serial number and firmware; raises `CodecError` where one is missing."""
    rows = dict(_maker_row(clean(line)) for line in lines)
    try:
        model = rows[_MODEL_ROW].removeprefix("Model Number").strip()
        serial = rows[_SERIAL_ROW].removeprefix("Serial Number").strip()
        return model, serial, rows[_REVISION_ROW].removeprefix("Software Revision").strip()
    except KeyError as missing:
        raise CodecError(f"row M{missing.args[0]:02d} of ??M* did not come") from None


def _maker_row(line: str) -> tuple[int, str]:
    match = re.fullmatch(r"[A-Z] +M(\d\d) (.*)", line)
    if match is None:
        raise CodecError(f"{line!r} is no row of ??M*")
    return int(match[1]), match[2].strip()


# -- other replies


def parse_setpoint(line: str, unit: str) -> Setpoint:
    """Read the reply to ALS.

    >>> parse_setpoint("A +000.00 +100.00 12 SCCM", "A")
    Setpoint(current=0.0, requested=100.0, units='SCCM')

    Raises:
        RefusedError: The controller refused.
        CodecError: Where it is something else.
    """
    match check_refusal(line).split():
        case [who, current, requested, code, units] if who == unit and code.isdigit():
            if _NUMBER.fullmatch(current) and _NUMBER.fullmatch(requested):
                return Setpoint(float(current), float(requested), units.upper())
    raise CodecError(f"{line!r} tells no setpoint of unit {unit}")


def parse_source(line: str, unit: str) -> str:
    """Read the reply to ALSS: `SERIAL`, `ANALOG` or `USER`; raises as `parse_setpoint`."""
    match check_refusal(line).split():
        case [who, source] if who == unit and source in SOURCES:
            return source
    raise CodecError(f"{line!r} tells no source of the setpoint of unit {unit}")


def parse_gas(line: str, unit: str) -> tuple[int, str]:
    """Read the reply to AGS: code and name; raises as `parse_setpoint`.

    >>> parse_gas("A 8 N2 Nitrogen", "A")
    (8, 'N2')
    """
    match check_refusal(line).split():
        case [who, code, name, *_] if who == unit and code.isdigit():
            return int(code), name
    raise CodecError(f"{line!r} tells no gas of unit {unit}")


def parse_gas_row(line: str, unit: str) -> tuple[str, int]:
    """Read one row of ??G*: name and code; raises as `parse_setpoint`.

    >>> parse_gas_row("A G08       N2", "A")
    ('N2', 8)
    """
    match = re.fullmatch(rf"{unit} +G(\d+) +(\S+)", check_refusal(line))
    if match is None:
        raise CodecError(f"{line!r} is no row of ??G* of unit {unit}")
    return match[2], int(match[1])


def parse_units(line: str, unit: str) -> str:
    """Read the reply to ADCU; raises as `parse_setpoint`.

    >>> parse_units("A 12 SCCM", "A")
    'SCCM'
    """
    match check_refusal(line).split():
        case [who, code, units] if who == unit and code.isdigit() and units[:1].isalpha():
            return units.upper()
    raise CodecError(f"{line!r} tells no units of unit {unit}")


def parse_full_scale(line: str, unit: str) -> tuple[float, str]:
    """Read the reply to AFPF: the highest value and its units; raises as `parse_setpoint`.

    >>> parse_full_scale("A +500.00 12 SCCM", "A")
    (500.0, 'SCCM')
    """
    match check_refusal(line).split():
        case [who, value, code, units] if who == unit and code.isdigit() and _NUMBER.fullmatch(value):
            return float(value), units.upper()
    raise CodecError(f"{line!r} tells no full scale of unit {unit}")


def degc_of(value: float, units: str) -> float:
    """Give a temperature in degC, NaN where its unit is not known.

    >>> degc_of(212.0, "F")
    100.0
    """
    return {"C": value, "F": (value - 32.0) / 1.8, "K": value - 273.15}.get(units, math.nan)
