"""The data frame of Alicat controllers, and the layout that says what stands where in it (instruments.md 3).

    A??D*       A D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________
                A D05 005 Mass Flow                  s decimal     7/2 012 02 SCCM
                A D10 702 *Status                    string          3 POV
    up to 5v    A  D00 NAME_______ TYPE_____ MinVal_  MaxVal_  UNITS__
                A  D05 Mass        signed    +0000.0  +0500.0     SCCM
    A           A +014.62 +021.89 +000.00 +000.00 +078.95     N2

A frame has the fields of the layout in their order, then status words, any number of them and in any order. A field is
known by the layout only, never by its position. There is no checksum: what can be held against the layout is, digit for
digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.codecs.alicat import check_refusal
from drivers.errors import CodecError

STATUS_WORDS: Mapping[str, str] = {
    "ADC": "internal error",
    "EXH": "exhaust valve open",
    "HLD": "valve held",
    "LCK": "keys locked",
    "MOV": "mass flow over range",
    "OPL": "over-pressure limit",
    "OVR": "totaliser rolled over",
    "POV": "pressure over range",
    "TMF": "totaliser missed flow",
    "TOV": "temperature over range",
    "VOV": "volumetric flow over range",
}
"""What may stand at the end of a frame, beside what the layout names."""

_ROW = re.compile(
    r"(?P<unit>[A-Z]) +D(?P<row>\d\d) (?P<statistic>\d{3}) (?P<name>\*?\S.*?) +"
    r"(?P<type>s decimal|decimal|string|text) +"
    r"(?P<width>\d+)(?:/(?P<digits>\d+))? *(?P<notes>.*)"
)
_OLD_ROW = re.compile(
    r"(?P<unit>[A-Z]) +D(?P<row>\d\d) (?P<name>\S.*?) +(?P<type>signed|unsigned|char|string) +"
    r"(?P<low>\S+) +(?P<high>\S+) +(?P<units>\S+)"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.(?P<decimals>\d+))?")
_MISSING = re.compile(r"-{2,}")


class Quantity(StrEnum):
    """What a field of the frame is."""

    UNIT = "unit"
    PRESSURE = "pressure"
    TEMPERATURE = "temperature"
    VOLUMETRIC = "volumetric"
    MASS = "mass"
    SETPOINT = "setpoint"
    GAS = "gas"
    OTHER = "other"


_BY_STATISTIC = {
    700: Quantity.UNIT,
    2: Quantity.PRESSURE,
    3: Quantity.TEMPERATURE,
    4: Quantity.VOLUMETRIC,
    5: Quantity.MASS,
    37: Quantity.SETPOINT,
    703: Quantity.GAS,
}
_OPTIONAL_STATISTICS = frozenset({701, 702})
_BY_OLD_NAME = {
    "Unit ID": Quantity.UNIT,
    "Pressure": Quantity.PRESSURE,
    "Temperature": Quantity.TEMPERATURE,
    "Volumetric": Quantity.VOLUMETRIC,
    "Mass": Quantity.MASS,
    "SetPoint": Quantity.SETPOINT,
    "Gas": Quantity.GAS,
}
_OPTIONAL_OLD_NAMES = frozenset({"Error", "Status"})


@dataclass(frozen=True)
class Field:
    """One field of the frame."""

    quantity: Quantity
    units: str = ""
    """As the instrument writes them, upper case, without the sign for degrees."""
    width: int | None = None
    """Characters of a number, its sign included; None where the layout does not say."""
    decimals: int | None = None
    high: float = math.inf
    """The highest value, where the layout tells."""

    @property
    def is_number(self) -> bool:
        """Whether numbers stand here."""
        return self.quantity not in (Quantity.UNIT, Quantity.GAS, Quantity.OTHER)


@dataclass(frozen=True)
class Layout:
    """What stands where in a data frame."""

    fields: tuple[Field, ...]
    """All that are always there, the unit first."""
    words: frozenset[str] = frozenset(STATUS_WORDS)
    """Status words that may follow."""

    def find(self, quantity: Quantity) -> Field | None:
        """Give the field of a quantity, if there is one."""
        return next((found for found in self.fields if found.quantity is quantity), None)


@dataclass(frozen=True)
class Frame:
    """One data frame; numbers in the instrument's units, NaN where it has none to tell."""

    values: Mapping[Quantity, float]
    gas: str = ""
    words: tuple[str, ...] = ()
    """Status words, sorted."""
    written: Mapping[Quantity, str] = field(default_factory=dict)
    """Numbers as they were written."""


def parse_layout(lines: Sequence[str]) -> Layout:
    """Read the reply to ??D*, in either dialect.

    Raises:
        RefusedError: The firmware knows no such command.
        CodecError: Where it is no layout, or rows are missing.
    """
    rows = [check_refusal(line) for line in lines]
    if not rows or not re.fullmatch(r"[A-Z] +D00 .*NAME_.*", rows[0]):
        raise CodecError(f"{rows[0] if rows else 'silence'!r} is no head of a layout")
    parse_row = _parse_row if " ID_ " in rows[0] else _parse_old_row
    fields: list[Field] = []
    words = set(STATUS_WORDS)
    for number, row in enumerate(rows[1:], start=1):
        found = parse_row(row, number)
        if isinstance(found, str):
            words.add(found)
        else:
            fields.append(found)
    return _checked(Layout(tuple(fields), frozenset(words)))


def parse_configured(text: str) -> Layout:
    """Read a layout from the lab file: fields with their units, in order, without the unit's letter.

    >>> parse_configured("pressure:PSIA temperature:C volumetric:CCM mass:SCCM setpoint:SCCM gas").fields[4].units
    'SCCM'

    Raises:
        CodecError: Where a field is not known, or mass or setpoint are missing.
    """
    fields = [Field(Quantity.UNIT)]
    for part in text.split():
        name, _, units = part.partition(":")
        try:
            fields.append(Field(Quantity(name), units.upper()))
        except ValueError:
            known = ", ".join(quantity for quantity in Quantity if quantity is not Quantity.UNIT)
            raise CodecError(f"layout has the field {name!r}, there are {known}") from None
    return _checked(Layout(tuple(fields)))


def parse_frame(line: str, unit: str, layout: Layout) -> Frame:
    """Read a data frame by its layout.

    Raises:
        RefusedError: The controller refused what this was to answer.
        CodecError: Where it is another unit's, cut, garbled, or not as the layout says.
    """
    text = check_refusal(line)
    tokens = text.split()
    count = len(layout.fields)
    if len(tokens) < count or tokens[0] != unit:
        raise CodecError(f"{text!r} is no data frame of unit {unit} with {count} fields")
    words = tokens[count:]
    unknown = [word for word in words if word not in layout.words]
    if unknown:
        raise CodecError(f"{text!r} ends with {unknown[0]!r}, which is no status word")
    pairs = [(found, token) for found, token in zip(layout.fields, tokens, strict=False) if found.is_number]
    gas = next((t for f, t in zip(layout.fields, tokens, strict=False) if f.quantity is Quantity.GAS), "")
    values = {found.quantity: _number(token, found, text) for found, token in pairs}
    return Frame(values, gas, tuple(sorted(words)), {found.quantity: token for found, token in pairs})


def _parse_row(row: str, number: int) -> Field | str:
    """Give a field, or the status word that a row is about."""
    match = _ROW.fullmatch(row)
    if match is None or int(match["row"]) != number:
        raise CodecError(f"{row!r} is no row {number} of a layout")
    statistic, notes = int(match["statistic"]), match["notes"].split()
    if statistic in _OPTIONAL_STATISTICS or match["name"].startswith("*"):
        return notes[-1] if notes else ""
    quantity = _BY_STATISTIC.get(statistic, Quantity.OTHER)
    digits = match["digits"]
    is_number = "decimal" in match["type"]
    return Field(
        quantity,
        notes[-1].lstrip("`").upper() if is_number and notes else "",
        int(match["width"]) if is_number else None,
        int(digits) if is_number and digits is not None else None,
    )


def _parse_old_row(row: str, number: int) -> Field | str:
    match = _OLD_ROW.fullmatch(row)
    if match is None or int(match["row"]) != number:
        raise CodecError(f"{row!r} is no row {number} of a layout")
    if match["name"] in _OPTIONAL_OLD_NAMES:
        return match["high"]
    quantity = _BY_OLD_NAME.get(match["name"], Quantity.OTHER)
    if match["type"] not in ("signed", "unsigned"):
        return Field(quantity)
    number_like = _NUMBER.fullmatch(match["high"])
    if number_like is None:
        raise CodecError(f"{row!r} has no highest value")
    decimals = len(number_like["decimals"] or "")
    return Field(quantity, match["units"].upper(), len(match["high"]), decimals, float(match["high"]))


def _checked(layout: Layout) -> Layout:
    quantities = [found.quantity for found in layout.fields]
    if quantities[:1] != [Quantity.UNIT]:
        raise CodecError("the layout does not begin with the unit")
    for needed in (Quantity.MASS, Quantity.SETPOINT):
        if quantities.count(needed) != 1:
            raise CodecError(
                f"the layout has no {needed} of a mass flow: is it a meter, or does it control something else?"
            )
    return layout


def _number(token: str, found: Field, line: str) -> float:
    if _MISSING.fullmatch(token):
        return math.nan
    match = _NUMBER.fullmatch(token)
    # The oldest firmware writes no sign before a positive setpoint.
    lengths = {len(token), len(token) + 1} if token[:1].isdigit() else {len(token)}
    fits = match is not None and (found.width is None or found.width in lengths)
    if match is None or not fits or (found.decimals is not None and len(match["decimals"] or "") != found.decimals):
        raise CodecError(f"{token!r} in {line!r} is no {found.quantity} as the layout has it")
    return float(token)
