"""What a lab file may say about a Eurotherm, of whatever model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivers.errors import LimitError
from drivers.furnaces.eurotherm_registers import Unit
from drivers.spec import Option, Parts

COMMON_OPTIONS: Mapping[str, Option] = {
    "decimals": Option("what register 525 must hold (what it holds at first)"),
    "output_decimals": Option("how many decimals the output register has (0)"),
}
IEEE_OPTION = Option("whether values are read as 32-bit numbers, from 0x8000 on (yes)")
"""For models that have them."""


def common_unit(parts: Parts, instrument_type: int | None, *, ieee: bool) -> Unit:
    """Give the unit as the lab file has it.

    Args:
        parts: What it has.
        instrument_type: What register 122 holds where nobody says otherwise; None where that is not known.
        ieee: Whether the area of 32-bit numbers is used where nobody says otherwise.

    Raises:
        LimitError: For a number that cannot be.
    """
    return Unit(
        instrument_type=_learnt(parts, "instrument_type", instrument_type, high=0xFFFF),
        decimals=_learnt(parts, "decimals", None, high=3),
        output_decimals=int(number(parts, "output_decimals", 0, low=0, high=2)),
        ieee=bool(parts.option("ieee", ieee)),
    )


def number(parts: Parts, name: str, default: float, *, low: float, high: float) -> float:
    """Give an option that is a number.

    Raises:
        LimitError: Where it is none, or outside its range.
    """
    value = parts.option(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise LimitError(
            f"{parts.name}: {name} is {value!r}, {low:g} to {high:g} can be (options.{name} in the lab file)"
        )
    return float(value)


def choice(parts: Parts, name: str, default: str, known: Iterable[str]) -> str:
    """Give an option that is one of several words.

    Raises:
        LimitError: Where it is none of them.
    """
    value = str(parts.option(name, default))
    if value not in known:
        raise LimitError(
            f"{parts.name}: {name} is {value!r}, there are {', '.join(known)} (options.{name} in the lab file)"
        )
    return value


def _learnt(parts: Parts, name: str, default: int | None, *, high: int) -> int | None:
    """Give an option that is found out at the instrument where nobody says, here or by `default`."""
    if parts.option(name, default) is None:
        return None
    return int(number(parts, name, default or 0, low=0, high=high))
