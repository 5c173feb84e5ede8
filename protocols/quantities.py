"""Text with units to plain floats, at the edge where people write files and commands.

pint knows the units; the number and the unit are split first, because ``Quantity("5 degC/min")`` parsed as
one expression multiplies an offset temperature and turns 5 degC/min into 278 K/min.
"""

from __future__ import annotations

import math
import re
import tokenize
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pint

_NUMBER_AND_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")

_SPELLING = {"degC/min": "delta_degC/min", "degC/h": "delta_degC/h", "degC/s": "delta_degC/s"}


class QuantityError(ValueError):
    """A text that is no quantity of the wanted kind; one sentence."""


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(autoconvert_offset_to_baseunit=False)
    # Standard flows, as flow controllers count them: volumes at a temperature and pressure that are theirs.
    registry.define("sccm = cm**3 / min")
    registry.define("slpm = 1000 * sccm")
    return registry


def parse_quantity(text: object, unit: str) -> float:
    """Read ``"650 degC"`` as a float in `unit`.

    Args:
        text: A number, a space and a unit that converts to `unit`.
        unit: The unit of the result, such as ``degC``, ``degC/min``, ``s``, ``mg``, ``deg`` or ``rpm``.

    Raises:
        QuantityError: Where there is no number, no unit, or one of another kind.

    >>> parse_quantity("5 degC/min", "degC/min")
    5.0
    >>> parse_quantity("2 h", "s")
    7200.0
    """
    match = _NUMBER_AND_UNIT.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] is None:
        raise QuantityError(f"{text!r} is no quantity: write a number and a unit, such as '1 {unit}'")
    return _convert(float(match[1]), match[2], unit)


def _convert(number: float, seen: str, unit: str) -> float:
    import pint

    registry = _registry()
    wanted = _SPELLING.get(unit, unit)
    try:
        # What needs no conversion keeps all its digits: a recipe that was saved is read back equal.
        value = number if seen == unit else round(float(registry.Quantity(number, seen).to(wanted).magnitude), 9)
    except (pint.errors.PintError, tokenize.TokenError, AttributeError, ValueError, TypeError, AssertionError):
        raise _wrong_unit(number, seen, unit) from None
    if seen != unit and _angle_in(seen) != _angle_in(unit):
        # To pint radians are numbers, so that it would take 1 Hz for 1 rad/s and not for one turn a second.
        raise _wrong_unit(number, seen, unit, "only one of the two counts turns or angles; ")
    if not math.isfinite(value):
        raise QuantityError(f"'{number:g} {seen}' is not finite in {unit}")
    return value


@lru_cache(maxsize=64)
def _angle_in(unit: str) -> float:
    """The power of the radian in a unit: 1 of rpm, 0 of Hz."""
    root = _registry().Quantity(1.0, _SPELLING.get(unit, unit)).to_root_units()
    power: Any = dict(root.unit_items()).get("radian", 0.0)
    return float(power)


def _wrong_unit(number: float, seen: str, unit: str, why: str = "") -> QuantityError:
    return QuantityError(
        f"'{number:g} {seen}' has not the unit of a value in {unit}: {why}write it in {unit} or a unit that converts"
    )


def parse_range(text: object, unit: str) -> tuple[float, float]:
    """Read ``"700 degC .. 1100 degC"`` as (low, high) in `unit`.

    Raises:
        QuantityError: Where it is no range, or its ends are in the wrong order.
    """
    ends = str(text).split("..")
    if not isinstance(text, str) or len(ends) != 2:
        raise QuantityError(
            f"{text!r} is no range: write two quantities with '..' between, such as '1 {unit} .. 2 {unit}'"
        )
    low, high = parse_quantity(ends[0], unit), parse_quantity(ends[1], unit)
    if low > high:
        raise QuantityError(f"{text!r} runs backwards: the lower end comes first")
    return low, high


def format_quantity(value: float, unit: str) -> str:
    """Write a float with its unit as `parse_quantity` reads it, without losing digits.

    >>> format_quantity(592.0, "mg")
    '592 mg'
    """
    number = repr(value).removesuffix(".0")
    return f"{number} {unit}"
